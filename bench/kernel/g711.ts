/**
 * G.711 decoding of 20 ms packets, as the finaliser does it, beside a look-up table in plain JavaScript (what nearly every
 * JavaScript library does). Both decode the same 160 octets into the same place; one operation is one packet.
 */
import assert from 'node:assert/strict';
import benny from 'benny';
import { DECODERS, FinaliserCore } from '../../src/media/render.ts';
import type { BenchResult } from '../main.ts';

const SAMPLES = 160;

/** G.711 table 2, by its definition. */
function mulaw(octet: number): number {
  const bits = 0xff - octet;
  const magnitude = (((bits % 16) * 2 + 33) * 2 ** ((bits >> 4) % 8) - 33) * 4;
  return bits >= 128 ? 0 - magnitude : magnitude;
}

/** G.711 table 1, by its definition. */
function alaw(octet: number): number {
  const bits = octet ^ 0x55;
  const segment = (bits >> 4) % 8;
  const magnitude = (segment === 0 ? (bits % 16) * 2 + 1 : ((bits % 16) * 2 + 33) * 2 ** (segment - 1)) * 8;
  return bits >= 128 ? magnitude : -magnitude;
}

async function compare(encoding: 'PCMU' | 'PCMA', expand: (octet: number) => number): Promise<BenchResult> {
  const codec = DECODERS[encoding] as number;
  const core = await FinaliserCore.create();
  core.openTrack(0, 8000, 8000);
  const payload = Uint8Array.from({ length: SAMPLES }, (_, i) => (i * 37) & 0xff);
  const { at } = core.load(payload);
  const table = Int16Array.from({ length: 256 }, (_, octet) => expand(octet));
  const decoded = new Int16Array(SAMPLES);
  const byTable = (): void => {
    for (let i = 0; i < SAMPLES; i++) decoded[i] = table[payload[i] as number] as number;
  };
  core.decode(codec, at, SAMPLES, 1, 0, 0);
  byTable();
  assert.deepEqual(Array.from(core.samples(0, 0, SAMPLES)), Array.from(decoded));
  const summary = await benny.suite(
    `${encoding}, 160 samples`,
    benny.add('doubletrack', () => {
      core.decode(codec, at, SAMPLES, 1, 0, 0);
    }),
    benny.add('table in JavaScript', byTable),
    benny.cycle(),
  );
  const contenders = summary.results.map(({ name, ops }) => ({ name, opsPerSec: ops }));
  return { name: `decode ${encoding}`, unit: 'packets of 20 ms', contenders };
}

export default async function run(): Promise<BenchResult[]> {
  return [await compare('PCMU', mulaw), await compare('PCMA', alaw)];
}
