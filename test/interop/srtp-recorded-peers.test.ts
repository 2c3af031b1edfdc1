/**
 * ffmpeg and GStreamer as media senders to a running recording server: our client signals over TLS the key that they send with. They send
 * twice, protected to one recorder and in the clear to another: both recordings must have the same samples.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SrtpSuite } from '../../src/media/srtp.ts';
import { parseSdp } from '../../src/sdp/index.ts';
import type { SipEndpoint, SipSession } from '../../src/sip/index.ts';
import { Client, type Line, sdpOnly, sdpText } from '../server/rig.ts';
import { clientCrypto, tlsClient } from '../server/srtp-rig.ts';
import {
  completeRecordings,
  newDataFolder,
  type Recorder,
  removeFolder,
  run,
  startRecorder,
  stopRecorder,
} from './recorder.ts';
import { channelsOf, type SecureRecorder, startSecureRecorder, wavOf } from './secure-recorder.ts';
import { FFMPEG, GSTREAMER, noFfmpeg, noGstreamer, Peer } from './srtp-peers.ts';

const PACKETS = 100;
const PAYLOAD_BYTES = 160;
const FIRST_SEQ = 65_510; // near its end, so that the roll-over counter is needed
const SSRC = 0x1234_5678;
/** ffmpeg keeps so many octets of a packet for tag and SRTCP index. */
const FFMPEG_RESERVED_BYTES = 14;

const data = newDataFolder();
let secure: SecureRecorder;
let clear: Recorder;
let overTls: SipEndpoint;
let overUdp: Client;

before(async () => {
  secure = await startSecureRecorder('45000-45099');
  clear = await startRecorder(data, ['--media-ports', '45100-45199']);
  overTls = await tlsClient(secure.ca);
  overUdp = await Client.start(clear);
});
after(async () => {
  await overTls.close();
  await overUdp.close();
  await secure.end();
  await stopRecorder(clear);
  removeFolder(data);
});

interface Media {
  session: SipSession;
  port: number;
}

async function invite(endpoint: SipEndpoint, to: string, line: Partial<Line>): Promise<Media> {
  const body = sdpOnly(sdpText([{ port: 9, label: '1', formats: ['0 PCMU/8000'], ...line }]));
  const { session, response } = await endpoint.invite({ to, body, require: ['siprec'] }).answered;
  return { session, port: parseSdp(response.body).media[0]!.port };
}

async function recordedBy(recorder: Recorder, { session }: Media) {
  await session.bye();
  const all = await completeRecordings(recorder, 1);
  const recording = all.find(({ sipCallId }) => sipCallId === session.callId)!;
  return { stream: recording.streams[0]!, samples: channelsOf(wavOf(recorder, recording.id))[0] };
}

/** Both calls, what `send` does, and both recordings beside each other. */
async function compare(suite: SrtpSuite, send: (secured: number, clear: number, key: Buffer) => Promise<void>) {
  const crypto = clientCrypto(suite);
  const to = `sip:recorder@127.0.0.1:${secure.tlsPort};transport=tls`;
  const secured = await invite(overTls, to, { protocol: 'RTP/SAVP', attributes: [crypto.attribute] });
  const plain = await invite(overUdp.endpoint, overUdp.to, {});
  await send(secured.port, plain.port, crypto.keyAndSalt);
  const [one, other] = [await recordedBy(secure, secured), await recordedBy(clear, plain)];
  assert.equal(one.stream.srtp, suite);
  const plainPackets = { ...other.stream.packets, late: one.stream.packets.late }; // how late is not the packets' doing
  assert.deepEqual(one.stream.packets, plainPackets);
  const { expected, received, unauthenticated } = one.stream.packets;
  assert.deepEqual([received, unauthenticated, received >= PACKETS], [expected, 0, true]);
  assert.deepEqual(one.samples, other.samples);
  return one.samples;
}

/** ffmpeg's own decoding. */
async function decoded(mulaw: Buffer): Promise<Int16Array> {
  const input = ['-f', 'mulaw', '-ar', '8000', '-ac', '1', '-i', 'pipe:0'];
  const pcm = await run('ffmpeg', ['-v', 'error', ...input, '-f', 's16le', 'pipe:1'], mulaw);
  return Int16Array.from({ length: pcm.length / 2 }, (_, n) => pcm.readInt16LE(2 * n));
}

describe('ffmpeg', { concurrency: true }, () => {
  for (const suite of Object.keys(FFMPEG) as SrtpSuite[]) {
    test(`RFC 3711, 4568: what it sends as ${suite} is recorded as in the clear`, { skip: noFfmpeg }, async () => {
      const output = ['-map', '0:a', '-c:a', 'pcm_mulaw', '-ar', '8000', '-f', 'rtp'];
      const numbered = ['-ssrc', String(SSRC), '-seq', String(FIRST_SEQ)];
      const url = (port: number, bytes: number) => `127.0.0.1:${port}?pkt_size=${12 + PAYLOAD_BYTES + bytes}`;
      let sent: Buffer = Buffer.alloc(0);
      const samples = await compare(suite, async (secured, plain, key) => {
        const crypto = ['-srtp_out_suite', FFMPEG[suite]!, '-srtp_out_params', key.toString('base64')];
        const peer = new Peer('ffmpeg', [
          ...['-v', 'error', '-re', '-f', 'lavfi', '-i', 'anoisesrc=r=8000:seed=1:d=2'],
          ...[...output, ...numbered, ...crypto, `srtp://${url(secured, FFMPEG_RESERVED_BYTES)}`],
          ...[...output, ...numbered, `rtp://${url(plain, 0)}`],
          ...['-map', '0:a', '-c:a', 'pcm_mulaw', '-f', 'mulaw', 'pipe:1'],
        ]);
        await peer.ended();
        sent = peer.output;
      });
      assert.deepEqual(samples, await decoded(sent));
    });
  }
});

describe('GStreamer', { concurrency: 3 }, () => {
  for (const suite of Object.keys(GSTREAMER) as SrtpSuite[]) {
    const { cipher, auth, rtcpAuth } = GSTREAMER[suite]!;
    test(`RFC 3711, 7714: what it sends as ${suite} is recorded as in the clear`, { skip: noGstreamer }, async () => {
      const samples = await compare(suite, async (secured, plain, key) => {
        const source = `audiotestsrc is-live=true wave=white-noise num-buffers=${PACKETS} samplesperbuffer=${PAYLOAD_BYTES}`;
        const rtp = `audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay ssrc=${SSRC} seqnum-offset=${FIRST_SEQ} min-ptime=20000000 max-ptime=20000000 ! tee name=t`;
        const names = `rtp-cipher=${cipher} rtp-auth=${auth} rtcp-cipher=${cipher} rtcp-auth=${rtcpAuth}`;
        const sink = (port: number) => `udpsink host=127.0.0.1 port=${port} sync=false async=false`;
        const way = `t. ! queue ! srtpenc key=${key.toString('hex')} ${names} ! ${sink(secured)} t. ! queue ! ${sink(plain)}`;
        await new Peer('gst-launch-1.0', ['-q', ...`${source} ! ${rtp} ${way}`.split(' ')]).ended();
      });
      assert.equal(samples.length, PACKETS * PAYLOAD_BYTES);
    });
  }
});
