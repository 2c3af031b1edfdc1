/** Recording sessions whose media is G.722 or Opus: what is answered, and what the recording sounds like against ffmpeg. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseWav } from '../../src/client/caller/wav.ts';
import type { Sdp } from '../../src/sdp/index.ts';
import { decodedG722, g722Of, withoutFfmpeg as skip } from '../ffmpeg.ts';
import { decodedOpus, oggOf, readOgg, snrDb } from '../ogg-opus.ts';
import { rtpPacket } from '../recording/journal-builder.ts';
import {
  Client,
  finished,
  Leg,
  packetCount,
  packetsSeen,
  type Server,
  sdpOnly,
  sdpText,
  startServer,
  stopServer,
} from './rig.ts';

let server: Server;
let client: Client;
let legs: [Leg, Leg];

before(async () => {
  server = await startServer('44000-44099');
  client = await Client.start(server);
  legs = [await Leg.open(0x7221), await Leg.open(0x7222)];
});
after(async () => {
  for (const leg of legs) leg.close();
  await client.close();
  await stopServer(server);
});

interface Format {
  rtpmap: string;
  payloadType: number;
  /** RTP time of a packet. */
  units: number;
  attributes?: string[];
}

/** A call in which each leg sends its packets; the answer, and the sound of each leg from its first packet on. */
async function record(format: Format, payloads: [Buffer[], Buffer[]]) {
  const { rtpmap, payloadType, units, attributes = [] } = format;
  const lines = legs.map((leg, i) => ({ port: leg.port, label: String(i), formats: [rtpmap], attributes }));
  const { session, answer } = await client.call(sdpOnly(sdpText(lines)));
  const seen = await packetCount(server, 'received');
  for (const [i, leg] of legs.entries()) {
    for (const [n, payload] of (payloads[i] as Buffer[]).entries()) {
      const packet = rtpPacket({ seq: 65_520 + n, timestamp: n * units, ssrc: leg.ssrc, payloadType, payload });
      leg.socket.send(packet, answer.media[i]?.port as number, '127.0.0.1');
    }
  }
  await packetsSeen(server, 'received', seen + payloads[0].length + payloads[1].length);
  await session.bye();
  const { recording, manifest } = await finished(server, session.callId);
  const wav = parseWav(readFileSync(path.join(server.server.recordingFolder(recording.id), 'audio.wav')));
  const sounds: Int16Array[] = [];
  for (const { stream, fromMs, toMs } of manifest.placements) {
    const [from, to] = [fromMs, toMs].map((ms) => Math.round((ms * wav.sampleRate) / 1000));
    sounds[stream] = (wav.channels[stream] as Int16Array).subarray(from, to);
  }
  assert.equal(sounds.length, 2);
  return { answer, recording, wav, sounds };
}

function answered(answer: Sdp): string[] {
  return answer.media.flatMap((media) => media.rtpmapText(media.rtpmaps[0]?.payloadType as number) ?? []);
}

function parts(octets: Buffer): Buffer[] {
  return Array.from({ length: octets.length / 160 }, (_, n) => octets.subarray(n * 160, (n + 1) * 160));
}

test('G722/8000: recorded at 16 kHz, sample for sample', { skip }, async () => {
  const octets = ['0.5*sin(2*PI*(300+2000*t)*t)', '0.4*sin(2*PI*700*t)*sin(9*t)'].map((sound) =>
    g722Of(`aevalsrc='${sound}':d=0.8:s=16000`),
  ) as [Buffer, Buffer];
  const format = { rtpmap: '9 G722/8000', payloadType: 9, units: 160 };
  const { answer, recording, wav, sounds } = await record(format, [parts(octets[0]), parts(octets[1])]);
  assert.deepEqual(answered(answer), ['9 G722/8000', '9 G722/8000']);
  assert.deepEqual(
    recording.warnings.filter((text) => /decode/.test(text)),
    [],
  );
  assert.deepEqual(
    recording.streams.map(({ codec }) => codec),
    ['G722', 'G722'],
  );
  assert.equal(wav.sampleRate, 16_000);
  for (const [i, sound] of sounds.entries()) assert.deepEqual(sound, decodedG722(octets[i] as Buffer));
});

test('opus/48000/2 with its parameters: recorded at 48 kHz', { skip }, async () => {
  const oggs = ['0.5*sin(2*PI*(300+2000*t)*t)|0.3*sin(2*PI*500*t)', '0.4*sin(2*PI*700*t)*sin(9*t)'].map((sound) =>
    oggOf(sound, 20, '-b:a', '48k'),
  );
  const files = oggs.map(readOgg);
  const payloads = files.map(({ packets }) => packets.slice(0, 40)) as [Buffer[], Buffer[]];
  const attributes = ['fmtp:111 minptime=10;useinbandfec=1'];
  const format = { rtpmap: '111 opus/48000/2', payloadType: 111, units: 960, attributes };
  const { answer, recording, wav, sounds } = await record(format, payloads);
  assert.deepEqual(answered(answer), ['111 opus/48000/2', '111 opus/48000/2']);
  assert.equal(answer.media[0]?.rtpmaps[0]?.fmtp, 'minptime=10;useinbandfec=1');
  assert.deepEqual(
    recording.warnings.filter((text) => /decode/.test(text)),
    [],
  );
  assert.deepEqual(
    recording.streams.map(({ codec }) => codec),
    ['OPUS', 'OPUS'],
  );
  assert.equal(wav.sampleRate, 48_000);
  for (const [i, sound] of sounds.entries()) {
    const heard = sound.subarray(files[i]?.preSkip);
    const snr = snrDb(heard, decodedOpus(oggs[i] as Buffer).subarray(0, heard.length));
    assert.ok(snr > 60, `${snr} dB`);
  }
});
