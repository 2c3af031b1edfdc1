/** What phones say: noise that is never silent and of which no two frames are the same, so that any sample tells where it is from. */
import { writeFileSync } from 'node:fs';
import { seededRandom } from '../../../src/client/caller/random.ts';

const RATE_HZ = 8_000;
const LEAST = 400;
const MOST = 8_000;

export function writeNoise(file: string, seconds: number, seed: number): Int16Array {
  const random = seededRandom(seed);
  const samples = Int16Array.from({ length: seconds * RATE_HZ }, () => {
    const magnitude = LEAST + Math.floor(random() * (MOST - LEAST));
    return random() < 0.5 ? -magnitude : magnitude;
  });
  const head = Buffer.from(
    'RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x02\0\x10\0data\0\0\0\0',
    'latin1',
  );
  const data = Buffer.from(samples.buffer);
  head.writeUInt32LE(36 + data.length, 4);
  head.writeUInt32LE(RATE_HZ, 24);
  head.writeUInt32LE(2 * RATE_HZ, 28);
  head.writeUInt32LE(data.length, 40);
  writeFileSync(file, Buffer.concat([head, data]));
  return samples;
}

/** ITU-T G.711, table 2a: a sample of mu-law, by its definition and not as our decoder has it. */
export function decodeMulaw(octet: number): number {
  const bits = ~octet & 0xff;
  const magnitude = (((bits & 0x0f) * 2 + 33) << ((bits >> 4) & 7)) - 33;
  return (bits & 0x80 ? -magnitude : magnitude) * 4;
}

export function decodeMulawAll(octets: Uint8Array): Int16Array {
  return Int16Array.from(octets, decodeMulaw);
}
