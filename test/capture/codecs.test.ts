// Captures of G.722 and Opus: named, and heard as ffmpeg has them.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { extract } from '../../src/capture/extract.ts';
import { pcapFileHeader, pcapRecord } from '../../src/capture/index.ts';
import { parseWav } from '../../src/client/caller/wav.ts';
import { decodedG722, g722Of, withoutFfmpeg as skip } from '../ffmpeg.ts';
import { decodedOpus, oggOf, readOgg, snrDb } from '../ogg-opus.ts';
import { rtpPacket } from '../recording/journal-builder.ts';
import { concat } from './samples.ts';

const directory = mkdtempSync(join(tmpdir(), 'doubletrack-'));
after(() => rmSync(directory, { recursive: true }));

const sender = { address: '192.0.2.1', port: 4000 };
const receiver = { address: '192.0.2.9', port: 9000 };
const START_US = 1.7e15;

/** Extracts a capture of one stream, after what comes before it; packets come in `order`. */
async function heard(
  format: { payloadType: number; units: number; before?: Uint8Array[] },
  payloads: Buffer[],
  order: number[],
) {
  const { payloadType, units, before = [] } = format;
  const records = order.map((n, i) => {
    const packet = rtpPacket({ seq: 65_500 + n, timestamp: n * units, payloadType, payload: payloads[n] as Buffer });
    return pcapRecord(START_US + i * 20_000, sender, receiver, packet);
  });
  const file = join(directory, `${payloadType}.pcap`);
  const out = join(directory, `${payloadType}.wav`);
  writeFileSync(file, concat(pcapFileHeader(), ...before, ...records));
  const report = await extract({ captures: [file], out });
  assert.deepEqual(report.warnings, []);
  return { report, wav: parseWav(new Uint8Array(readFileSync(out))) };
}

test('G722, by its static number: 16 kHz, sample for sample in spite of reordering and a loss', { skip }, async () => {
  const octets = g722Of("aevalsrc='0.5*sin(2*PI*(300+1000*t)*t)':d=3:s=16000");
  const payloads = Array.from({ length: 150 }, (_, n) => octets.subarray(n * 160, (n + 1) * 160));
  const received = [...payloads.keys()].filter((n) => n !== 70);
  const order = [...received];
  order.splice(30, 4, ...[33, 31, 32, 30]);
  const { report, wav } = await heard({ payloadType: 9, units: 160 }, payloads, order);
  const [stream] = report.streams;
  assert.deepEqual([stream?.codec, stream?.packets.received, stream?.packets.lost], ['G722', 149, 1]);
  assert.equal(wav.sampleRate, 16_000);
  const expected = decodedG722(Buffer.concat(received.map((n) => payloads[n] as Buffer)));
  for (const [i, n] of received.entries()) {
    const found = wav.channels[0]?.subarray(n * 320, (n + 1) * 320);
    assert.deepEqual(found, expected.subarray(i * 320, (i + 1) * 320), `packet ${n}`);
  }
});

test('opus/48000/2, as an INVITE in the capture names it: 48 kHz', { skip }, async () => {
  const sdp = [
    ...['v=0', 'o=- 1 1 IN IP4 192.0.2.9', 's=-', 'c=IN IP4 192.0.2.9', 't=0 0'],
    ...['m=audio 9000 RTP/AVP 107', 'a=rtpmap:107 opus/48000/2', 'a=fmtp:107 useinbandfec=1', ''],
  ].join('\r\n');
  const invite = [
    ...['INVITE sip:a@192.0.2.1 SIP/2.0', 'Content-Type: application/sdp', `Content-Length: ${sdp.length}`, '', sdp],
  ].join('\r\n');
  const signalling = pcapRecord(
    START_US - 1e5,
    { ...receiver, port: 5060 },
    { ...sender, port: 5060 },
    Buffer.from(invite),
  );
  const ogg = oggOf('0.5*sin(2*PI*(150+80*t)*t)', 20, '-b:a', '48k');
  const { packets, preSkip } = readOgg(ogg);
  const format = { payloadType: 107, units: 960, before: [signalling] };
  const { report, wav } = await heard(format, packets, [...packets.keys()]);
  assert.equal(report.streams[0]?.codec, 'OPUS');
  assert.equal(wav.sampleRate, 48_000);
  const snr = snrDb((wav.channels[0] as Int16Array).subarray(preSkip), decodedOpus(ogg));
  assert.ok(snr > 60, `${snr} dB`);
});
