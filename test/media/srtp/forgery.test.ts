/**
 * What is not genuine changes nothing: flipped bits, replays, cut packets, garbage. RFC 3711 section 3.3: state moves after the tag has
 * been verified, never before. One suite for every implementation.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SRTP_SUITES, SrtpError, type SrtpErrorCode } from '../../../src/media/srtp.ts';
import { closeFlow, type Exchange, type Flow, nextExchange, openFlow } from './conversation.ts';
import { IMPLEMENTATIONS } from './implementations.ts';
import type { ContextLike, SrtpLike } from './oracle-context.ts';
import { ALL_SUITES, packetsToTry, Random } from './random.ts';

/** Without a tag nothing can be told from anything. */
const AUTHENTICATED = ALL_SUITES.filter((suite) => SRTP_SUITES[suite].rtpTagBytes > 0);
const REFUSALS: SrtpErrorCode[] = ['INVALID', 'UNAUTHENTICATED'];

function refusal(context: ContextLike, kind: 'rtp' | 'rtcp', packet: Uint8Array): SrtpErrorCode | null {
  try {
    context[kind](packet);
    return null;
  } catch (error) {
    if (error instanceof SrtpError) return error.code;
    throw error;
  }
}

function assertRefused(receiver: ContextLike, kind: 'rtp' | 'rtcp', packet: Uint8Array, what: string): void {
  const code = refusal(receiver, kind, packet);
  assert.ok(code && REFUSALS.includes(code), `${what}: ${code ?? 'accepted'}`);
}

function assertAccepted({ flow, kind, plain, secured }: Exchange, what: string): void {
  assert.ok(plain.equals(flow.receiver[kind](secured)), what);
}

const nameOf = ({ flow, kind, secured }: Exchange) => `${flow.keys.suite} ${kind} of ${secured.length} octets`;

/** Short enough that each of its bits can be tried; what is longer is received like any other. */
function nextShort(random: Random, flow: Flow): Exchange {
  for (;;) {
    const exchange = nextExchange(random, flow);
    if (exchange.plain.length <= 100) return exchange;
    assertAccepted(exchange, nameOf(exchange));
  }
}

/** A session in which a few packets have been received already. */
function openWarm(random: Random, srtp: SrtpLike, n: number): Flow {
  const flow = openFlow(random, srtp, AUTHENTICATED[n % AUTHENTICATED.length]!);
  for (let i = random.upTo(3); i > 0; i--) assertAccepted(nextExchange(random, flow), 'warm-up');
  return flow;
}

for (const { name, open, share } of IMPLEMENTATIONS) {
  const flipped = Math.min(packetsToTry(1000) * share, 10_000);

  test(`RFC 3711 section 3.3: each single bit of ${flipped} packets flipped, nothing moves: ${name}`, () => {
    const random = new Random('bit flips');
    const srtp = open(2);
    for (let n = 0; n < flipped; n++) {
      const flow = openWarm(random, srtp, n);
      const exchange = nextShort(random, flow);
      const forged = Buffer.from(exchange.secured);
      for (let bit = 0; bit < forged.length * 8; bit++) {
        forged[bit >> 3]! ^= 1 << (bit & 7);
        assertRefused(flow.receiver, exchange.kind, forged, `${nameOf(exchange)}, bit ${bit}`);
        forged[bit >> 3]! ^= 1 << (bit & 7);
      }
      assertAccepted(exchange, `${nameOf(exchange)} after its forgeries`);
      assert.equal(refusal(flow.receiver, exchange.kind, exchange.secured), 'REPLAYED');
      assertAccepted(nextExchange(random, flow), 'what follows');
      closeFlow(flow);
    }
  });

  test(`RFC 3711 section 3.3.2: each replay is refused, at once and later: ${name}`, () => {
    const random = new Random('replays');
    const srtp = open(2);
    for (let n = 0; n < AUTHENTICATED.length * 4; n++) {
      const flow = openFlow(random, srtp, AUTHENTICATED[n % AUTHENTICATED.length]!);
      const exchanges = Array.from({ length: 100 }, () => nextExchange(random, flow));
      for (const exchange of exchanges) {
        assertAccepted(exchange, nameOf(exchange));
        assert.equal(refusal(flow.receiver, exchange.kind, exchange.secured), 'REPLAYED', nameOf(exchange));
      }
      for (const { kind, secured } of exchanges) {
        // What another ROC would be needed for does not verify; all else is a replay.
        assert.ok(refusal(flow.receiver, kind, secured), 'a replay was accepted');
      }
      closeFlow(flow);
    }
  });

  test(`RFC 3711 section 3.3.2: of two copies in one batch one is accepted: ${name}`, () => {
    const random = new Random('copies');
    const srtp = open(2);
    const batch = srtp.createBatch('unprotect');
    for (const suite of ALL_SUITES) {
      const flow = openFlow(random, srtp, suite);
      const exchanges = Array.from({ length: 60 }, () => nextExchange(random, flow));
      for (const { kind, secured } of exchanges) {
        for (let copy = 0; copy < 3; copy++) batch.add(flow.receiver, kind, secured);
      }
      batch.run();
      for (const [n, { plain }] of exchanges.entries()) {
        assert.deepEqual(
          [batch.error(3 * n), batch.error(3 * n + 1), batch.error(3 * n + 2)],
          [null, 'REPLAYED', 'REPLAYED'],
        );
        assert.ok(plain.equals(batch.packet(3 * n)), suite);
      }
      batch.clear();
      closeFlow(flow);
    }
  });

  test(`RFC 3711 section 3.3: forgeries and genuine packets in one batch: ${name}`, () => {
    const random = new Random('mixed batch');
    const srtp = open(2);
    const batch = srtp.createBatch('unprotect');
    for (let n = 0; n < AUTHENTICATED.length * 5; n++) {
      const flow = openWarm(random, srtp, n);
      const exchanges = Array.from({ length: 128 }, () => nextExchange(random, flow));
      for (const { kind, secured } of exchanges) {
        const forged = Buffer.from(secured);
        forged[random.upTo(forged.length - 1)]! ^= 1 + random.upTo(254);
        batch.add(flow.receiver, kind, forged);
        batch.add(flow.receiver, kind, secured);
      }
      batch.run();
      for (const [i, exchange] of exchanges.entries()) {
        assert.ok(REFUSALS.includes(batch.error(2 * i)!), `${nameOf(exchange)}: ${batch.error(2 * i)}`);
        assert.equal(batch.error(2 * i + 1), null, nameOf(exchange));
        assert.ok(exchange.plain.equals(batch.packet(2 * i + 1)), nameOf(exchange));
      }
      batch.clear();
      closeFlow(flow);
    }
  });

  test(`RFC 3711 section 3.1: cut at each octet, and with octets behind: ${name}`, () => {
    const random = new Random('cut');
    const srtp = open(2);
    for (let n = 0; n < AUTHENTICATED.length * 8; n++) {
      const flow = openWarm(random, srtp, n);
      const exchange = nextExchange(random, flow);
      const longer = Buffer.concat([exchange.secured, random.bytes(32)]);
      for (let end = 0; end < longer.length; end++) {
        if (end === exchange.secured.length) continue;
        assertRefused(flow.receiver, exchange.kind, longer.subarray(0, end), `${nameOf(exchange)} cut to ${end}`);
      }
      assertAccepted(exchange, `${nameOf(exchange)} after its pieces`);
      closeFlow(flow);
    }
  });

  test(`RFC 3711 section 3.3: garbage is refused, never anything worse: ${name}`, () => {
    const random = new Random('garbage');
    const srtp = open(2);
    const rounds = Math.min(packetsToTry(20_000) * share, 1_000_000) / 1000;
    for (let n = 0; n < rounds; n++) {
      const flow = openWarm(random, srtp, n);
      for (let i = 0; i < 1000; i++) {
        const garbage = random.bytes(random.upTo(random.chance(0.5) ? 80 : 1500));
        if (garbage.length > 0 && random.chance(0.8)) garbage[0] = 0x80 | (garbage[0]! & 0x3f);
        assertRefused(flow.receiver, random.pick(['rtp', 'rtcp']), garbage, `garbage of ${garbage.length} octets`);
        const code = refusal(flow.sender, random.pick(['rtp', 'rtcp']), garbage.subarray(0, random.upTo(11)));
        assert.ok(code === null || code === 'INVALID' || code === 'TOO_MANY_SOURCES', `${code}`);
      }
      assertAccepted(nextExchange(random, flow), 'what is genuine after garbage');
      closeFlow(flow);
    }
  });
}
