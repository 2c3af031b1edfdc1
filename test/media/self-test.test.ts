/** A build of the media core with one wrong bit in a kernel's constants refuses to start. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { selfTest } from '../../src/media/self-test.ts';

const WASM = readFileSync(path.resolve(import.meta.dirname, '../../build/media.wasm'));

/** A v128 constant as it stands in the code: 16 bytes. */
function vector(low: bigint, high: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(low);
  bytes.writeBigUInt64LE(high, 8);
  return bytes;
}

/** An integer constant as it stands in the code: signed LEB128. */
function integer(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; ) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    if (rest === (byte & 0x40 ? -1n : 0n)) return Buffer.from([...bytes, byte]);
    bytes.push(byte | 0x80);
  }
}

const CONSTANTS: [kernel: RegExp, name: string, bytes: Buffer][] = [
  [/AES/, 'inverses in GF(2^4)', vector(0x0e05060f0d080180n, 0x040703090a0b0c02n)],
  [/AES/, 'the S-box of the last round', vector(0xd0d26d176fbdc700n, 0x15aabf7ac502a878n)],
  [/AES/, 'twice the S-box', vector(0xe27a93c60b712400n, 0x5eb7e955bc982fcdn)],
  [/SHA1/, 'K of rounds 60 to 79', vector(0xca62c1d6ca62c1d6n, 0xca62c1d6ca62c1d6n)],
  [/GHASH/, 'the polynomial of GHASH', integer(BigInt.asIntN(64, 0xe100000000000000n))],
];

test('known answers: the core as it was built passes', () => selfTest(new WebAssembly.Module(WASM)));

for (const [kernel, name, bytes] of CONSTANTS) {
  test(`known answers: a wrong bit in ${name} is found`, () => {
    const broken = Buffer.from(WASM);
    const at = broken.indexOf(bytes);
    assert.ok(at > 0, 'the constant is in the code');
    broken[at + 1]! ^= 2;
    assert.throws(() => selfTest(new WebAssembly.Module(broken)), kernel);
  });
}
