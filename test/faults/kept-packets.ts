/** What a recording says it holds: the packets kept beside its audio, and its manifest. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { blocks, KIND_RTP, records } from '../../src/journal/index.ts';
import { MANIFEST_NAME, type Manifest, PACKETS_NAME } from '../../src/recording/index.ts';

export interface KeptRecording {
  manifest: Manifest;
  /** By stream label, whole RTP packets in the order of the file. */
  packets: Map<string, Uint8Array[]>;
}

export function readKept(folder: string): KeptRecording {
  const manifest = JSON.parse(readFileSync(path.join(folder, MANIFEST_NAME), 'utf8')) as Manifest;
  const labels = new Map(manifest.streams.map(({ index, label }) => [index, label]));
  const packets = new Map(manifest.streams.map(({ label }): [string, Uint8Array[]] => [label, []]));
  for (const { bytes } of blocks(readFileSync(path.join(folder, PACKETS_NAME)))) {
    for (const { kind, stream, payload } of records(bytes)) {
      if (kind === KIND_RTP) packets.get(labels.get(stream)!)!.push(payload);
    }
  }
  return { manifest, packets };
}
