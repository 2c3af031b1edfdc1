/**
 * RFC 3711 sections 3.3.1 and 3.3.2 on a network that loses, reorders and duplicates while sequence numbers roll over, against a model of a
 * few lines: which index a receiver must take a packet for, and that it takes each of them once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret, SrtpError, type SrtpErrorCode } from '../../../src/media/srtp.ts';
import { IMPLEMENTATIONS } from './implementations.ts';
import { deriveSession, protectRtp } from './oracle.ts';
import type { ContextLike } from './oracle-context.ts';
import { packetsToTry, Random } from './random.ts';

const SEQS = 0x1_0000n;
const HALF = 0x8000n;
/** As far back as every receiver here must remember (RFC 3711 section 3.3.2 asks for 64). */
const WINDOW_PACKETS = 128n;
const SSRC = 0x5eed_cafe;

/** "v is the packet's index": that of ROC - 1, ROC, ROC + 1 which is nearest to the highest so far. */
function nearest(highest: bigint | null, seq: bigint): bigint {
  if (highest === null) return seq;
  const roc = highest / SEQS;
  const candidates = [roc - 1n, roc, roc + 1n].filter((v) => v >= 0n).map((v) => v * SEQS + seq);
  const distance = (index: bigint) => (index > highest ? index - highest : highest - index);
  return candidates.reduce((best, index) => (distance(index) < distance(best) ? index : best));
}

class Model {
  highest: bigint | null = null;
  readonly #seen = new Set<bigint>();

  /** What must become of it; null: either is right. */
  expect(index: bigint): 'accepted' | 'refused' | null {
    if (this.#seen.has(index)) return 'refused';
    const isExpected = nearest(this.highest, index % SEQS) === index;
    const isTie = this.highest !== null && (index - this.highest) % HALF === 0n;
    const isRemembered = this.highest === null || index > this.highest - WINDOW_PACKETS;
    return isExpected && isRemembered && !isTie ? 'accepted' : null;
  }

  accept(index: bigint): void {
    this.#seen.add(index);
    if (this.highest === null || index > this.highest) this.highest = index;
  }
}

/** Indices as they arrive: some late by up to 200, some twice, some never, sometimes nothing for a long while. */
function* arrivals(random: Random, trials: number): Generator<bigint> {
  let next = BigInt(random.upTo(0xffff));
  const late: bigint[] = [];
  yield next; // a receiver that begins late is another matter
  for (let n = 1; n < trials; n++) {
    if (late.length > 0 && random.chance(0.3)) {
      yield late.splice(random.upTo(late.length - 1), 1)[0]!;
      continue;
    }
    next += 1n + BigInt(random.chance(0.02) ? random.upTo(random.pick([10, 1000, 30_000])) : 0);
    if (random.chance(0.2)) late.push(next, ...(random.chance(0.3) ? [next] : []));
    else yield next;
    if (random.chance(0.05)) late.push(next - BigInt(random.upTo(Number(next < 200n ? next : 200n))));
    if (late.length > 40) late.splice(0, 20); // lost
  }
}

function convert(receiver: ContextLike, packet: Buffer): Uint8Array | SrtpErrorCode {
  try {
    return receiver.rtp(packet);
  } catch (error) {
    if (error instanceof SrtpError) return error.code;
    throw error;
  }
}

for (const { name, open, share } of IMPLEMENTATIONS) {
  const trials = packetsToTry(60_000) * share;

  test(`RFC 3711 section 3.3.1: ${trials} packets, lossy, late, twice, rolling over: ${name}`, () => {
    const random = new Random('packet index');
    const keyAndSalt = random.bytes(30);
    const keys = {
      suite: 'AES_CM_128_HMAC_SHA1_80',
      keys: [{ keyAndSalt: new Secret(keyAndSalt), mki: null }],
    } as const;
    const { rtp } = deriveSession({ suite: keys.suite, keyAndSalt });
    const receiver = open(1).openReceiver(keys);
    const model = new Model();
    for (const index of arrivals(random, trials)) {
      const plain = Buffer.alloc(16, Number(index & 0xffn));
      plain.writeUInt16BE(0x8000, 0);
      plain.writeUInt16BE(Number(index % SEQS), 2);
      plain.writeUInt32BE(SSRC, 8);
      const became = convert(receiver, protectRtp(rtp, Number(index / SEQS), plain));
      const verdict = typeof became === 'string' ? 'refused' : 'accepted';
      const expected = model.expect(index) ?? verdict;
      assert.equal(
        verdict,
        expected,
        `index ${index}, highest ${model.highest}: ${typeof became === 'string' ? became : ''}`,
      );
      if (typeof became === 'string') continue;
      assert.ok(plain.equals(became), `index ${index}`);
      model.accept(index);
    }
    assert.ok(model.highest! > SEQS, 'has rolled over');
  });
}
