/**
 * SRTP over real sockets with ffmpeg (an implementation of its own) and GStreamer (libsrtp), in both directions and every suite that they
 * have. A peer that sends does so twice, protected and in the clear: both must be the same packets.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Secret, SRTP_SUITES, Srtp, type SrtpKeys, type SrtpSuite } from '../../src/media/srtp.ts';
import { LOOPBACK, until } from '../media/loopback.ts';
import { Random } from '../media/srtp/random.ts';
import { FFMPEG, freePort, GSTREAMER, noFfmpeg, noGstreamer, Peer, Port } from './srtp-peers.ts';

const WITHIN_MS = 20_000;
/** Near its end, so that the roll-over counter is needed (RFC 3711 section 3.3.1). */
const FIRST_SEQ = 65_510;
const SSRC = 0x1234_5678;
const PACKETS = 100;
const PTIME_MS = 20;
const PAYLOAD_BYTES = 160;
const PACKET_BYTES = 12 + PAYLOAD_BYTES;
/** ffmpeg keeps so many octets of a packet for tag and SRTCP index. */
const FFMPEG_RESERVED_BYTES = 14;

if (process.env.CI && (noFfmpeg || noGstreamer)) throw new Error(`${noFfmpeg || noGstreamer}`);

const srtp = new Srtp();
const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-srtp-'));
after(() => rmSync(folder, { recursive: true }));

function keysOf(suite: SrtpSuite): { keys: SrtpKeys; keyAndSalt: Buffer } {
  const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
  const keyAndSalt = new Random(`live ${suite}`).bytes(masterKeyBytes + masterSaltBytes);
  return { keys: { suite, keys: [{ keyAndSalt: new Secret(keyAndSalt), mki: null }] }, keyAndSalt };
}

/** RTP timestamps begin anywhere (RFC 3550 section 5.1): here at 0. */
function fromZero(packets: Buffer[]): Buffer[] {
  const first = packets[0]!.readUInt32BE(4);
  return packets.map((packet) => {
    const copy = Buffer.from(packet);
    copy.writeUInt32BE((packet.readUInt32BE(4) - first) >>> 0, 4);
    return copy;
  });
}

/** All packets of the protected port must be those of the clear one. */
async function assertSame(secured: Port, clear: Port, keys: SrtpKeys, least: number): Promise<void> {
  await until(() => secured.packets.length >= least, `${least} SRTP packets`, WITHIN_MS);
  await until(() => clear.packets.length === secured.packets.length, 'as many in the clear', WITHIN_MS);
  const receiver = srtp.openReceiver(keys);
  for (const [n, packet] of secured.packets.entries()) {
    assert.ok(!packet.includes(clear.packets[n]!.subarray(12, 60)), 'is encrypted');
  }
  const received = secured.packets.map((packet) => Buffer.from(receiver.rtp(packet)));
  assert.deepEqual(fromZero(received), fromZero(clear.packets));
  receiver.close();
}

for (const suite of Object.keys(FFMPEG) as SrtpSuite[]) {
  test(`RFC 3711: ffmpeg sends ${suite}, RTP and RTCP`, { skip: noFfmpeg }, async () => {
    const { keys, keyAndSalt } = keysOf(suite);
    const [[secured, securedRtcp], [clear, clearRtcp]] = [await Port.openPair(), await Port.openPair()];
    const output = ['-map', '0:a', '-c:a', 'pcm_mulaw', '-ar', '8000', '-f', 'rtp'];
    const numbered = ['-ssrc', String(SSRC), '-seq', String(FIRST_SEQ)];
    const crypto = ['-srtp_out_suite', FFMPEG[suite]!, '-srtp_out_params', keyAndSalt.toString('base64')];
    const url = (port: Port, bytes: number) => `${LOOPBACK}:${port.number}?pkt_size=${bytes}`;
    const peer = new Peer('ffmpeg', [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'anoisesrc=r=8000:seed=1:d=2'],
      ...[...output, ...numbered, ...crypto, `srtp://${url(secured, PACKET_BYTES + FFMPEG_RESERVED_BYTES)}`],
      ...[...output, ...numbered, `rtp://${url(clear, PACKET_BYTES)}`],
    ]);
    await peer.ended();
    await assertSame(secured, clear, keys, PACKETS);
    await until(() => securedRtcp.packets.length > 0, 'a sender report', WITHIN_MS);
    const receiver = srtp.openReceiver(keys);
    for (const packet of securedRtcp.packets) {
      const report = Buffer.from(receiver.rtcp(packet));
      assert.deepEqual([report[1], report.readUInt32BE(4)], [200, SSRC]);
    }
    receiver.close();
    for (const port of [secured, securedRtcp, clear, clearRtcp]) port.close();
  });
}

for (const suite of Object.keys(GSTREAMER) as SrtpSuite[]) {
  const { cipher, auth, rtcpAuth } = GSTREAMER[suite]!;

  test(`RFC 3711, 7714: GStreamer sends ${suite}`, { skip: noGstreamer }, async () => {
    const { keys, keyAndSalt } = keysOf(suite);
    const [secured, clear] = [await Port.open(), await Port.open()];
    const source = `audiotestsrc wave=white-noise num-buffers=${PACKETS} samplesperbuffer=${PAYLOAD_BYTES} ! audio/x-raw,rate=8000,channels=1`;
    const rtp = `mulawenc ! rtppcmupay ssrc=${SSRC} seqnum-offset=${FIRST_SEQ} min-ptime=20000000 max-ptime=20000000 ! tee name=t`;
    const names = `rtp-cipher=${cipher} rtp-auth=${auth} rtcp-cipher=${cipher} rtcp-auth=${rtcpAuth}`;
    const sink = (port: Port) => `udpsink host=${LOOPBACK} port=${port.number} sync=false async=false`;
    const way = `t. ! queue ! srtpenc key=${keyAndSalt.toString('hex')} ${names} ! ${sink(secured)} t. ! queue ! ${sink(clear)}`;
    const peer = new Peer('gst-launch-1.0', ['-q', ...`${source} ! ${rtp} ${way}`.split(' ')]);
    await peer.ended();
    await assertSame(secured, clear, keys, PACKETS);
    for (const port of [secured, clear]) port.close();
  });

  test(`RFC 3711, 7714: GStreamer receives ${suite}`, { skip: noGstreamer }, async () => {
    const { keys, keyAndSalt } = keysOf(suite);
    const [sender, received, to] = [await Port.open(), await Port.open(), await freePort()];
    const crypto = `srtp-key=(buffer)${keyAndSalt.toString('hex')},srtp-cipher=(string)${cipher},srtp-auth=(string)${auth}`;
    const rtcp = `srtcp-cipher=(string)${cipher},srtcp-auth=(string)${rtcpAuth},roc=(uint)0`;
    const caps = `application/x-srtp,payload=(int)0,ssrc=(uint)${SSRC},${crypto},${rtcp}`;
    const way = `! srtpdec ! udpsink host=${LOOPBACK} port=${received.number} sync=false async=false`;
    const peer = new Peer('gst-launch-1.0', [
      'udpsrc',
      `address=${LOOPBACK}`,
      `port=${to}`,
      `caps=${caps}`,
      ...way.split(' '),
    ]);
    try {
      await until(() => peer.output.includes('PLAYING'), 'GStreamer', WITHIN_MS);
      const sent = packetsToSend(suite);
      const context = srtp.openSender(keys);
      for (const packet of sent) sender.send(context.rtp(packet), to);
      await until(() => received.packets.length === sent.length, 'what GStreamer unprotects', WITHIN_MS).catch(
        (error) => assert.fail(`${error}: ${received.packets.length} of ${sent.length}: ${peer.said}`),
      );
      assert.deepEqual(received.packets, sent);
      context.close();
    } finally {
      await peer.stop();
      for (const port of [sender, received]) port.close();
    }
  });
}

/** PCMU of noise, one packet of 20 ms after another. */
function packetsToSend(purpose: string): Buffer[] {
  const random = new Random(purpose);
  return Array.from({ length: PACKETS }, (_, n) => {
    const header = Buffer.alloc(12);
    header.writeUInt16BE(0x8000, 0);
    header.writeUInt16BE((FIRST_SEQ + n) & 0xffff, 2);
    header.writeUInt32BE(n * PAYLOAD_BYTES, 4);
    header.writeUInt32BE(SSRC, 8);
    return Buffer.concat([header, random.bytes(PAYLOAD_BYTES)]);
  });
}

function sessionDescription(suite: SrtpSuite, keyAndSalt: Buffer, port: number): string {
  const crypto = `a=crypto:1 ${suite} inline:${keyAndSalt.toString('base64')}`;
  const lines = [
    'v=0',
    `o=- 1 1 IN IP4 ${LOOPBACK}`,
    's=-',
    `c=IN IP4 ${LOOPBACK}`,
    't=0 0',
    `m=audio ${port} RTP/SAVP 0`,
  ];
  return [...lines, crypto, ''].join('\r\n');
}

for (const suite of Object.keys(FFMPEG) as SrtpSuite[]) {
  test(`RFC 3711, 4568: ffmpeg receives ${suite}`, { skip: noFfmpeg }, async () => {
    const { keys, keyAndSalt } = keysOf(suite);
    const [sender, to] = [await Port.open(), await freePort()];
    const file = path.join(folder, `${suite}.sdp`);
    writeFileSync(file, sessionDescription(suite, keyAndSalt, to));
    const input = ['-protocol_whitelist', 'file,srtp,udp,rtp', '-probesize', '32', '-analyzeduration', '0', '-i', file];
    const peer = new Peer('ffmpeg', [
      '-v',
      'error',
      ...input,
      '-c',
      'copy',
      '-flush_packets',
      '1',
      '-f',
      'mulaw',
      'pipe:1',
    ]);
    const sent = packetsToSend(suite);
    const context = srtp.openSender(keys);
    let next = 0;
    // ffmpeg does not say when it listens: it is sent to as a live source would, and takes what comes after.
    const clock = setInterval(() => {
      const n = next++;
      const packet = Buffer.from(sent[n % PACKETS]!);
      packet.writeUInt16BE((FIRST_SEQ + n) & 0xffff, 2);
      packet.writeUInt32BE(n * PAYLOAD_BYTES, 4);
      sender.send(context.rtp(packet), to);
    }, PTIME_MS);
    try {
      const enough = (PACKETS / 2) * PAYLOAD_BYTES;
      await until(() => peer.output.length >= enough, `ffmpeg: ${peer.said}`, WITHIN_MS);
      const payloads = Buffer.concat([...sent, ...sent].map((packet) => packet.subarray(12)));
      assert.ok(payloads.includes(peer.output.subarray(0, enough)), 'ffmpeg has decrypted something else');
    } finally {
      clearInterval(clock);
      await peer.stop();
      sender.close();
      context.close();
    }
  });
}
