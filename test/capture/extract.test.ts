// Captures through the media core and the finaliser: counts, sequence ranges and audio, against what went in.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { extract } from '../../src/capture/extract.ts';
import { pcapFileHeader, pcapRecord } from '../../src/capture/index.ts';
import { buildPacketLibrary, sendCodec } from '../../src/client/caller/codecs.ts';
import { AudioScript } from '../../src/client/caller/scripts.ts';
import { parseWav } from '../../src/client/caller/wav.ts';
import { concat } from './samples.ts';

const directory = mkdtempSync(join(tmpdir(), 'doubletrack-'));
after(() => rmSync(directory, { recursive: true }));

const recorder = { address: '192.0.2.9', port: 9000 };
const PACKETS = 100;

// A ramp in steps of a value that mu-law states exactly would be too tame: samples go through every code.
function script(codec: string, ssrc: number, seq: number): { script: AudioScript; payloads: Uint8Array[] } {
  const samples = Int16Array.from({ length: PACKETS * 160 }, (_, i) => ((i * 7919) % 65536) - 32768);
  const library = buildPacketLibrary(samples, sendCodec(codec)!, 20);
  const payloads = library.packets.map((packet) => packet.slice(12));
  return { script: new AudioScript(library, PACKETS, { ssrc, packet: 0, seq, timestamp: 0xffff0000 }), payloads };
}

function write(
  name: string,
  from: { address: string; port: number },
  order: number[],
  o: { script: AudioScript },
): string {
  const file = join(directory, name);
  const records = order.map((index, i) =>
    pcapRecord(1.7e15 + i * 20000, from, recorder, o.script.packet(index, index === 0)),
  );
  writeFileSync(file, concat(pcapFileHeader(), ...records));
  return file;
}

function mulaw(code: number): number {
  const u = ~code & 0xff;
  const magnitude = (((u & 15) << 3) + 0x84) << ((u >> 4) & 7);
  return (u & 0x80) !== 0 ? 0x84 - magnitude : magnitude - 0x84;
}

test('two captures are the two channels: counts, ranges and every sample', async () => {
  const all = Array.from({ length: PACKETS }, (_, i) => i);
  const left = script('PCMU', 0xaaaa0001, 65500);
  const right = script('PCMU', 0xaaaa0002, 7);
  const withFaults = all.filter((i) => i !== 40 && i !== 41);
  withFaults.splice(60, 0, 30); // one packet again
  [withFaults[10], withFaults[11]] = [withFaults[11]!, withFaults[10]!];
  const a = write('a.pcap', { address: '192.0.2.1', port: 4000 }, withFaults, left);
  const b = write('b.pcap', { address: '192.0.2.2', port: 4002 }, all, right);
  const out = join(directory, 'out.wav');
  const report = await extract({ captures: [a, b], out });
  assert.deepEqual(report.warnings, []);
  const [first, second] = report.streams;
  assert.deepEqual([first!.ssrcs, first!.codec, first!.srtp], [[0xaaaa0001], 'PCMU', null]);
  assert.deepEqual([first!.firstSeq, first!.lastSeq], [65500, (65500 + 99) & 0xffff]);
  const { expected, received, lost, dropped, paused, duplicate } = first!.packets;
  assert.deepEqual([expected, received, lost, dropped, paused, duplicate], [100, 98, 2, 0, 0, 1]);
  assert.deepEqual(
    [second!.packets.expected, second!.packets.received, second!.firstSeq, second!.lastSeq],
    [100, 100, 7, 106],
  );
  const wav = parseWav(new Uint8Array(readFileSync(out)));
  assert.equal(wav.sampleRate, 8000);
  assert.equal(wav.channels.length, 2);
  for (const i of all) {
    const lostHere = i === 40 || i === 41;
    const leftExpected = Int16Array.from(left.payloads[i]!, (code) => (lostHere ? 0 : mulaw(code)));
    assert.deepEqual(wav.channels[0]!.subarray(i * 160, i * 160 + 160), leftExpected, `packet ${i}, channel 0`);
    const rightExpected = Int16Array.from(right.payloads[i]!, (code) => mulaw(code));
    assert.deepEqual(wav.channels[1]!.subarray(i * 160, i * 160 + 160), rightExpected, `packet ${i}, channel 1`);
  }
});

test('a codec that is not decoded still has its counters, and is warned of', async () => {
  const all = Array.from({ length: PACKETS }, (_, i) => i);
  const { script: g722 } = script('PCMU', 1, 1);
  const file = join(directory, 'g729.pcap');
  const records = all.map((i) => {
    const packet = g722.packet(i, false).slice(0, 32);
    packet[1] = 18;
    return pcapRecord(1.7e15 + i * 20000, { address: '192.0.2.1', port: 4000 }, recorder, packet);
  });
  writeFileSync(file, concat(pcapFileHeader(), ...records));
  const report = await extract({ captures: [file] });
  assert.equal(report.streams[0]!.codec, 'G729');
  assert.equal(report.streams[0]!.packets.received, PACKETS);
  assert.ok(
    report.warnings.some((warning) => warning.includes('G729')),
    report.warnings.join('; '),
  );
  assert.deepEqual(report.files, []);
});

test('a capture without RTP has no streams', async () => {
  const file = join(directory, 'empty.pcap');
  writeFileSync(file, pcapFileHeader());
  assert.deepEqual(await extract({ captures: [file], out: join(directory, 'none.wav') }), {
    streams: [],
    files: [],
    warnings: [],
  });
});
