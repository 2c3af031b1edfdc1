/**
 * `doubletrack/srtp` beside the oracle: random keys, suites and packets, both directions, one packet a call and in batches of many
 * sessions. SRTP_PACKETS=1000000 for a long run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeFlow, type Exchange, expectedFromSender, type Flow, nextExchange, openFlow } from './conversation.ts';
import { IMPLEMENTATIONS } from './implementations.ts';
import type { ContextLike, SrtpLike } from './oracle-context.ts';
import { ALL_SUITES, packetsToTry, Random } from './random.ts';

const MAX_FLOWS = 8;
const MAX_BATCH = 256;

type Way = (work: { context: ContextLike; kind: 'rtp' | 'rtcp'; packet: Buffer }[]) => (Uint8Array | string)[];

function oneByOne(): Way {
  return (work) =>
    work.map(({ context, kind, packet }) => {
      const before = Buffer.from(packet);
      const converted = context[kind](packet);
      assert.ok(packet.equals(before), 'the caller’s packet was written to');
      return converted;
    });
}

function inBatches(srtp: SrtpLike, direction: 'protect' | 'unprotect'): Way {
  const batch = srtp.createBatch(direction);
  return (work) => {
    for (const [n, { context, kind, packet }] of work.entries()) assert.equal(batch.add(context, kind, packet), n);
    assert.equal(batch.length, work.length);
    batch.run();
    const done = work.map((_, n) => batch.error(n) ?? Buffer.from(batch.packet(n)));
    batch.clear();
    assert.equal(batch.length, 0);
    return done;
  };
}

const described = ({ flow, kind, plain }: Exchange): string =>
  `${flow.keys.suite} ${kind} of ${plain.length} octets, MKI ${flow.keys.keys[0]!.mki?.length ?? 0}, begins ${plain.toString('hex', 0, 16)}`;

function assertBytes(
  actual: Uint8Array | string | undefined,
  expected: Buffer | string,
  exchange: Exchange,
  what: string,
): void {
  if (actual instanceof Uint8Array && expected instanceof Buffer && expected.equals(actual)) return;
  const shown = actual instanceof Uint8Array ? Buffer.from(actual).toString('hex') : actual;
  assert.fail(`${what}: ${described(exchange)}\n  is     ${shown}\n  not    ${expected.toString('hex')}`);
}

/** Protects and unprotects one run of packets. */
function exchangeAll(exchanges: readonly Exchange[], protect: Way, unprotect: Way): void {
  const sent = protect(exchanges.map(({ flow, kind, plain }) => ({ context: flow.sender, kind, packet: plain })));
  for (const [n, exchange] of exchanges.entries()) {
    const actual = sent[n]!;
    const expected = typeof actual === 'string' ? 'a packet' : expectedFromSender(exchange, actual);
    assertBytes(actual, expected, exchange, 'protected');
  }
  const received = unprotect(
    exchanges.map(({ flow, kind, secured }) => ({ context: flow.receiver, kind, packet: secured })),
  );
  for (const [n, exchange] of exchanges.entries()) assertBytes(received[n], exchange.plain, exchange, 'unprotected');
}

/** One handful of sessions after another until so many packets have gone both ways. */
function run(random: Random, srtp: SrtpLike, packets: number, protect: Way, unprotect: Way): void {
  for (let done = 0, turn = 0; done < packets; turn++) {
    const flows: Flow[] = Array.from({ length: 1 + random.upTo(MAX_FLOWS - 1) }, (_, n) =>
      openFlow(random, srtp, ALL_SUITES[(turn + n) % ALL_SUITES.length]!),
    );
    for (let runs = 1 + random.upTo(3); runs > 0 && done < packets; runs--) {
      const size = Math.min(packets - done, random.chance(0.5) ? 1 + random.upTo(8) : 1 + random.upTo(MAX_BATCH - 1));
      exchangeAll(
        Array.from({ length: size }, () => nextExchange(random, random.pick(flows))),
        protect,
        unprotect,
      );
      done += size;
    }
    for (const flow of flows) closeFlow(flow);
  }
}

for (const { name, open, share } of IMPLEMENTATIONS) {
  const packets = Math.ceil((packetsToTry(20_000) / 2) * share);

  test(`RFC 3711, 6188, 7714: ${packets} random packets, one a call: ${name}`, () => {
    run(new Random('one by one'), open(2 * MAX_FLOWS), packets, oneByOne(), oneByOne());
  });

  test(`RFC 3711, 6188, 7714: ${packets} random packets in batches: ${name}`, () => {
    const srtp = open(2 * MAX_FLOWS);
    run(new Random('batches'), srtp, packets, inBatches(srtp, 'protect'), inBatches(srtp, 'unprotect'));
  });
}
