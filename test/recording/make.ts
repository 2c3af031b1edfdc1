/** Finalises records in a folder of their own and reads what came of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { type Finalised, finalise, type Manifest, readManifest } from '../../src/recording/index.ts';
import { type BuiltRecord, packetFile } from './journal-builder.ts';

const root = mkdtempSync(path.join(tmpdir(), 'doubletrack-finalise-'));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

export interface Made {
  recording: Finalised;
  manifest: Manifest;
  channels: [Int16Array, Int16Array];
  rateHz: number;
  dir: string;
}

export async function make(records: BuiltRecord[] | Buffer): Promise<Made> {
  const dir = path.join(root, String(folders++));
  const file = `${dir}.packets`;
  writeFileSync(file, Buffer.isBuffer(records) ? records : packetFile(records));
  const recording = await finalise(file, dir);
  const wav = readFileSync(path.join(dir, 'audio.wav'));
  assert.equal(wav.toString('latin1', 0, 4), 'RIFF');
  assert.equal(wav.readUInt32LE(4), wav.length - 8);
  assert.equal(wav.readUInt32LE(40), wav.length - 44);
  const frames = (wav.length - 44) / 4;
  const channel = (c: number) => Int16Array.from({ length: frames }, (_, i) => wav.readInt16LE(44 + i * 4 + c * 2));
  const manifest = await readManifest(dir);
  assert.equal(manifest.audio.frames, frames);
  for (const { packets: p } of recording.streams) {
    assert.equal(p.expected, p.received + p.lost + p.dropped + p.paused);
  }
  return { recording, manifest, channels: [channel(0), channel(1)], rateHz: wav.readUInt32LE(24), dir };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

export function inOrder(records: BuiltRecord[]): BuiltRecord[] {
  return records.sort((a, b) => (a.arrivalUs ?? 0) - (b.arrivalUs ?? 0));
}
