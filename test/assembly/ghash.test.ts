/** GHASH against a model in plain arithmetic, the test cases of the GCM specification, and the tags of node:crypto. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import * as layout from '../../assembly/layout.ts';
import { randomNumbers } from '../media/rig.ts';
import { KernelMemory } from './kernel-memory.ts';

const memory = new KernelMemory();
const { kernels } = memory;
const H_AT = memory.base;
const TO_AT = memory.base + 256;
const TABLES_AT = memory.base + 1024;
const BLOCKS_AT = memory.base + 8192;

const uniform = randomNumbers(0x6a54);
const random = (limit: number) => Math.floor(uniform() * limit);
function randomBytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => random(256));
}

function setKey(h: Uint8Array, misalignment = 0): void {
  const at = memory.put(H_AT + misalignment, h);
  memory.writingOnly([[TABLES_AT, TABLES_AT + layout.GHASH_TABLES_BYTES]], () => kernels.ghashKey(at, TABLES_AT));
}

function ghash(blocks: Uint8Array, misalignment = 0): string {
  const at = memory.put(BLOCKS_AT + misalignment, blocks);
  const to = TO_AT + misalignment;
  memory.writingOnly([[to, to + 16]], () => kernels.ghashTo(TABLES_AT, at, blocks.length / 16, to));
  return memory.hex(to, 16);
}

const R = 0xe1n << 120n;

/** SP 800-38D section 6.3, algorithm 1, step by step; the leftmost bit is the highest of the number. */
function multiply(x: bigint, y: bigint): bigint {
  let z = 0n;
  let v = y;
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v;
    v = v & 1n ? (v >> 1n) ^ R : v >> 1n;
  }
  return z;
}

/** SP 800-38D section 6.4, algorithm 2. */
function model(h: Uint8Array, blocks: Uint8Array): string {
  const key = BigInt(`0x${Buffer.from(h).toString('hex')}`);
  let y = 0n;
  for (let at = 0; at < blocks.length; at += 16) {
    const block = BigInt(`0x${Buffer.from(blocks.subarray(at, at + 16)).toString('hex')}`);
    y = multiply(y ^ block, key);
  }
  return y.toString(16).padStart(32, '0');
}

/** Zeros up to the next block boundary. */
function padded(bytes: Uint8Array): Uint8Array {
  const blocks = new Uint8Array((bytes.length + 15) & ~15);
  blocks.set(bytes);
  return blocks;
}

/** What GCM hashes: additional data, ciphertext, their lengths in bits (SP 800-38D section 7.1 step 5). */
function gcmInput(aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const lengths = Buffer.alloc(16);
  lengths.writeBigUInt64BE(BigInt(aad.length) * 8n);
  lengths.writeBigUInt64BE(BigInt(ciphertext.length) * 8n, 8);
  return Buffer.concat([padded(aad), padded(ciphertext), lengths]);
}

const hex = (digits: string) => Buffer.from(digits, 'hex');
const AAD = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');

/** "The Galois/Counter Mode of Operation", appendix B: H, A, C and GHASH(H, A, C). */
const GCM_SPECIFICATION: [name: string, h: Buffer, aad: Buffer, ciphertext: Buffer, ghash: string][] = [
  ['1', hex('66e94bd4ef8a2c3b884cfa59ca342b2e'), hex(''), hex(''), '00000000000000000000000000000000'],
  [
    '2',
    hex('66e94bd4ef8a2c3b884cfa59ca342b2e'),
    hex(''),
    hex('0388dace60b6a392f328c2b971b2fe78'),
    'f38cbb1ad69223dcc3457ae5b6b0f885',
  ],
  [
    '3',
    hex('b83b533708bf535d0aa6e52980d53b78'),
    hex(''),
    hex(
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
        '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985',
    ),
    '7f1b32b81b820d02614f8895ac1d4eac',
  ],
  [
    '4',
    hex('b83b533708bf535d0aa6e52980d53b78'),
    AAD,
    hex(
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
        '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
    ),
    '698e57f70e6ecc7fd9463b7260a9ae5f',
  ],
];

for (const [name, h, aad, ciphertext, expected] of GCM_SPECIFICATION) {
  test(`GCM specification appendix B, test case ${name}`, () => {
    const input = gcmInput(aad, ciphertext);
    assert.equal(model(h, input), expected, 'the model');
    setKey(h);
    assert.equal(ghash(input), expected);
  });
}

test('SP 800-38D section 6.4: any number of blocks, keys and data of all kinds', () => {
  const edges = [new Uint8Array(16), new Uint8Array(16).fill(0xff)];
  for (const at of [0, 15]) for (const bit of [0x80, 1]) edges.push(new Uint8Array(16).fill(bit, at, at + 1));
  const keys = [...edges, ...Array.from({ length: 20 }, () => randomBytes(16))];
  for (const h of keys) {
    setKey(h);
    for (let count = 0; count <= 20; count++) {
      const blocks = count % 5 === 4 ? new Uint8Array(16 * count).fill(0xff) : randomBytes(16 * count);
      assert.equal(ghash(blocks), model(h, blocks), `${count} blocks`);
    }
  }
});

test('SP 800-38D section 6.3: every bit of a block times every bit of H', () => {
  const unit = (bit: number) => new Uint8Array(16).fill(0x80 >> (bit & 7), bit >> 3, (bit >> 3) + 1);
  for (let i = 0; i < 128; i++) {
    setKey(unit(i));
    for (let j = 0; j < 128; j++) {
      // In the first of four blocks the bit meets H^4, in the second H^3 and so on.
      const blocks = new Uint8Array(64);
      blocks.set(unit(j), 16 * ((i + j) & 3));
      assert.equal(ghash(blocks), model(unit(i), blocks), `x^${j} with H = x^${i}`);
    }
  }
});

test('every alignment of H, blocks and result', () => {
  for (let misalignment = 0; misalignment < 16; misalignment++) {
    const h = randomBytes(16);
    const blocks = randomBytes(16 * 7);
    setKey(h, misalignment);
    assert.equal(ghash(blocks, misalignment), model(h, blocks));
  }
});

test('RFC 5116 section 5.1: with AES it makes the tags of AEAD_AES_128_GCM', () => {
  for (let round = 0; round < 300; round++) {
    const [key, iv, aad, plaintext] = [
      randomBytes(16),
      randomBytes(12),
      randomBytes(random(40)),
      randomBytes(random(1300)),
    ];
    const aes = createCipheriv('aes-128-ecb', key, null);
    const h = aes.update(new Uint8Array(16));
    const mask = aes.update(Buffer.concat([iv, hex('00000001')]));
    const gcm = createCipheriv('aes-128-gcm', key, iv).setAAD(aad);
    const ciphertext = Buffer.concat([gcm.update(plaintext), gcm.final()]);
    setKey(h);
    const tag = hex(ghash(gcmInput(aad, ciphertext))).map((byte, i) => byte ^ mask[i]!);
    assert.deepEqual(Buffer.from(tag), gcm.getAuthTag());
  }
});

test('no key stays behind in the scratch region', () => {
  setKey(randomBytes(16));
  assert.ok(memory.get(layout.GHASH_SCRATCH_AT, layout.GHASH_SCRATCH_BYTES).every((byte) => byte === 0));
});
