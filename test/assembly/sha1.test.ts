/** HMAC-SHA1 against node:crypto and the vectors of RFC 2202, one message at a time and four at once. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import * as layout from '../../assembly/layout.ts';
import { randomNumbers } from '../media/rig.ts';
import { type Area, KernelMemory } from './kernel-memory.ts';

const TAG_BYTES = 20;
/** What `sha1Pad` may write behind a message. */
const SLACK_BYTES = 80;

const memory = new KernelMemory();
const { kernels } = memory;
const KEYS_AT = memory.base;
const STATES_AT = memory.base + 1024;
const TAGS_AT = memory.base + 2048;
const MESSAGES_AT = memory.base + 4096;
const MESSAGE_ROOM = 8192;

const uniform = randomNumbers(0x5a1);
const random = (limit: number) => Math.floor(uniform() * limit);
function randomBytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => random(256));
}

function expected(key: Uint8Array, message: Uint8Array): string {
  return createHmac('sha1', key).update(message).digest('hex');
}

function setKey(lane: number, key: Uint8Array): number {
  const at = memory.put(KEYS_AT + 64 * lane, key);
  const state = STATES_AT + 64 * lane;
  const areas: Area[] = [
    [state, state + TAG_BYTES],
    [state + layout.SHA1_STATE_BYTES, state + layout.SHA1_STATE_BYTES + TAG_BYTES],
  ];
  memory.writingOnly(areas, () => kernels.hmacSha1Key(at, key.length, state));
  return state;
}

/** Puts and pads a message at an address of its lane. */
function setMessage(lane: number, message: Uint8Array, misalignment = 0): { at: number; blocks: number } {
  const at = memory.put(MESSAGES_AT + MESSAGE_ROOM * lane + misalignment, message);
  const end = at + message.length;
  const blocks = memory.writingOnly([[end, end + SLACK_BYTES]], () => kernels.sha1Pad(at, message.length));
  assert.equal(blocks, Math.ceil((message.length + 9) / 64));
  return { at, blocks };
}

function scalarTag(state: number, { at, blocks }: { at: number; blocks: number }, tag = TAGS_AT): string {
  memory.writingOnly([[tag, tag + TAG_BYTES]], () => kernels.hmacSha1(state, at, blocks, tag));
  return memory.hex(tag, TAG_BYTES);
}

type Lane = { state: number; at: number; blocks: number };

function vectorTags(lanes: readonly Lane[], tags = TAGS_AT): string[] {
  const at = lanes.map((_, lane) => tags + 32 * lane);
  memory.writingOnly(
    at.map((tag) => [tag, tag + TAG_BYTES] as const),
    () =>
      kernels.hmacSha1x4(
        ...lanes.map(({ state }) => state),
        ...lanes.map((lane) => lane.at),
        ...lanes.map(({ blocks }) => blocks),
        tags,
      ),
  );
  return at.map((tag) => memory.hex(tag, TAG_BYTES));
}

/** RFC 2202 section 3; cases 6 and 7 have keys longer than a block, which SRTP does not use and the kernel does not take. */
const RFC_2202: [name: string, key: Uint8Array, data: Uint8Array, digest: string][] = [
  ['1', new Uint8Array(20).fill(0x0b), Buffer.from('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
  ['2', Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
  ['3', new Uint8Array(20).fill(0xaa), new Uint8Array(50).fill(0xdd), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
  [
    '4',
    Uint8Array.from({ length: 25 }, (_, i) => i + 1),
    new Uint8Array(50).fill(0xcd),
    '4c9007f4026250c6bc8414f9bf50c86c2d7235da',
  ],
  ['5', new Uint8Array(20).fill(0x0c), Buffer.from('Test With Truncation'), '4c1a03424b55e07fe7f27be1d58bb9324a9a5a04'],
];

for (const [name, key, data, digest] of RFC_2202) {
  test(`RFC 2202 section 3, test case ${name}`, () => {
    const state = setKey(0, key);
    const message = setMessage(0, data);
    assert.equal(scalarTag(state, message), digest);
    const lane = { state, ...message };
    assert.deepEqual(vectorTags([lane, lane, lane, lane]), [digest, digest, digest, digest]);
  });
}

test('RFC 2104 section 2: keys of every length up to a block', () => {
  const data = randomBytes(100);
  for (let bytes = 0; bytes <= 64; bytes++) {
    const key = randomBytes(bytes);
    assert.equal(scalarTag(setKey(0, key), setMessage(0, data)), expected(key, data), `${bytes} bytes`);
  }
});

test('FIPS 180-4 section 5.1.1: messages of every length up to 2000 bytes', () => {
  const key = randomBytes(20);
  const state = setKey(0, key);
  for (let bytes = 0; bytes <= 2000; bytes++) {
    const data = randomBytes(bytes);
    const message = setMessage(0, data, bytes & 15);
    const digest = expected(key, data);
    assert.equal(scalarTag(state, message), digest, `${bytes} bytes`);
    assert.equal(vectorTags([{ state, ...message }, ...Array<Lane>(3).fill({ state, ...message })])[3], digest);
  }
});

test('four lanes with keys, lengths and alignments of their own', () => {
  for (let round = 0; round < 400; round++) {
    const keys = Array.from({ length: 4 }, () => randomBytes(random(65)));
    // Lengths alike, near each other, and far apart.
    const limit = [1, 80, 2001][round % 3]!;
    const data = keys.map(() => randomBytes(limit === 1 ? 176 : random(limit)));
    const lanes = keys.map((key, lane) => ({ state: setKey(lane, key), ...setMessage(lane, data[lane]!, random(16)) }));
    const digests = keys.map((key, lane) => expected(key, data[lane]!));
    assert.deepEqual(vectorTags(lanes, TAGS_AT + random(16)), digests);
    for (const [lane, { state, ...message }] of lanes.entries()) {
      assert.equal(scalarTag(state, message, TAGS_AT + random(16)), digests[lane]);
    }
  }
});

test('the longest of four messages may stand in any lane, and lanes may repeat one', () => {
  const keys = Array.from({ length: 4 }, () => randomBytes(20));
  const data = [10, 100, 500, 1000].map(randomBytes);
  const lanes = keys.map((key, lane) => ({ state: setKey(lane, key), ...setMessage(lane, data[lane]!) }));
  const digests = keys.map((key, lane) => expected(key, data[lane]!));
  for (let choice = 0; choice < 256; choice++) {
    const picked = [choice & 3, (choice >> 2) & 3, (choice >> 4) & 3, choice >> 6];
    assert.deepEqual(
      vectorTags(picked.map((lane) => lanes[lane]!)),
      picked.map((lane) => digests[lane]!),
    );
  }
});

test('nothing behind a padded message is read: a lane that ends at the end of memory', () => {
  const key = randomBytes(20);
  const state = setKey(0, key);
  const short = randomBytes(20);
  const long = randomBytes(1000);
  const at = memory.end - 64;
  memory.put(at, short);
  const padded = setMessage(0, short);
  memory.put(at, memory.get(padded.at, 64));
  const message = setMessage(1, long);
  const lanes = [
    { state, at, blocks: 1 },
    { state, ...message },
  ];
  const [last, first] = [expected(key, short), expected(key, long)];
  assert.deepEqual(vectorTags([lanes[0]!, lanes[1]!, lanes[1]!, lanes[0]!]), [last, first, first, last]);
  assert.equal(scalarTag(state, lanes[0]!), last);
});

test('no key stays behind in the scratch region', () => {
  setKey(0, randomBytes(20));
  assert.ok(memory.get(layout.SHA1_SCRATCH_AT, layout.SHA1_SCRATCH_BYTES).every((byte) => byte === 0));
});
