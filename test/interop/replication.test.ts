/** A sink's stream and its RTCP as others see them: tshark, over losses, a pause and another source; ffmpeg, which plays it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { pcapFileHeader, pcapRecord } from '../../src/capture/writer.ts';
import { buildRtcp } from '../../src/media/rtcp.ts';
import { encoded, ffmpeg, int16, withoutFfmpeg } from '../ffmpeg.ts';
import { LOOPBACK, PCMU, Sender, TestEngine, until } from '../media/loopback.ts';
import { Rig, rtp, SSRC as SOURCE_SSRC } from '../media/rig.ts';
import { freePort, Peer } from './srtp-peers.ts';

const SOURCE = { address: '192.0.2.1', port: 20_000 };
const SINK = { address: '192.0.2.2', port: 30_000 };
const SSRC = 0x0bad_cafe;
const SETTINGS = { stream: 0, via: 0, clockRate: 8000, payloadTypes: [], paused: false, isSrtp: false };
const missing = !existsSync('/usr/bin/tshark') && 'install tshark (Debian) to run this';

/** What the sink gets of 600 packets: every 50th is lost on the way to us, two seconds are paused, and then another source speaks. */
function sinkCapture(): { capture: Buffer; packets: number; lost: number } {
  const rig = new Rig();
  const { sinks, wasm } = rig.core;
  sinks.write(0, { ...SETTINGS, ssrc: SSRC, firstSeq: 65_500, firstTimestamp: 0xffff_f000 });
  wasm.openSink(0);
  const records: Uint8Array[] = [pcapFileHeader()];
  let [packets, lost] = [0, 0];
  for (let n = 0; n < 600; n++) {
    if (n === 200 || n === 300) sinks.setPaused(0, n === 200);
    const isLost = n % 50 === 25;
    if (isLost && (n < 200 || n > 300)) lost++;
    if (isLost) continue;
    const isOther = n >= 450;
    const seq = isOther ? n + 7_000 : n;
    rig.rtp(rtp({ seq, timestamp: seq * 160, ssrc: isOther ? 2 : 1 }), n * 20_000);
    if (wasm.replicate(1, 1) === 0) continue;
    packets++;
    records.push(pcapRecord(1e12 + n * 20_000, SOURCE, SINK, Buffer.from(sinks.packet(0))));
    assert.equal(wasm.replicate(1, 0), 0);
  }
  return { capture: Buffer.concat(records), packets, lost };
}

test('tshark reads what a sink gets as one clean stream', { skip: missing }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-sink-'));
  const file = path.join(folder, 'sink.pcap');
  const { capture, packets, lost } = sinkCapture();
  writeFileSync(file, capture);
  const run = async (...args: string[]) => {
    return (await promisify(execFile)('tshark', ['-r', file, '-d', `udp.port==${SINK.port},rtp`, ...args])).stdout;
  };
  const streams = (await run('-q', '-z', 'rtp,streams')).split('\n').filter((line) => line.includes(SINK.address));
  assert.equal(streams.length, 1, 'one source from its start to its end');
  const expected = packets + lost;
  assert.match(
    streams[0]!,
    new RegExp(`0x0BADCAFE +g711U +${packets} +${lost} \\(${((100 * lost) / expected).toFixed(1)}%\\)`),
  );
  const fields = await run(
    '-Y',
    'rtp',
    '-T',
    'fields',
    '-e',
    'rtp.seq',
    '-e',
    'rtp.timestamp',
    '-e',
    'frame.time_relative',
  );
  const rows = fields.trim().split('\n');
  assert.equal(rows.length, packets);
  const [firstTimestamp, firstSeconds] = rows[0]!.split('\t').slice(1).map(Number);
  for (const row of rows) {
    const [, timestamp, seconds] = row.split('\t').map(Number);
    const elapsed = (timestamp! - firstTimestamp!) >>> 0;
    assert.equal(elapsed, Math.round((seconds! - firstSeconds!) * 8000), 'the timestamp goes with the clock');
  }
  rmSync(folder, { recursive: true });
});

/** Reports of a sink that has sent nothing, that has, whose source has told its clock, and BYE. */
function reportCapture(): Buffer {
  const rig = new Rig();
  const { sinks, wasm } = rig.core;
  sinks.write(0, { ...SETTINGS, ssrc: SSRC, firstSeq: 1, firstTimestamp: 1000 });
  wasm.openSink(0);
  const records: Uint8Array[] = [pcapFileHeader()];
  const report = (atSec: number, isLast = false) => {
    const packet = rig.core.sinkReport(
      0,
      BigInt(atSec * 1e6),
      1.7e12 + atSec * 1000,
      Buffer.from('doubletrack'),
      isLast,
    );
    records.push(pcapRecord(1e12 + atSec * 1e6, SOURCE, SINK, Buffer.from(packet!)));
  };
  report(1);
  rig.rtp(rtp({ ssrc: SOURCE_SSRC, timestamp: 50_000 }), 2e6);
  wasm.replicate(1, 1);
  report(3);
  const items = [{ type: 1, text: 'alice@example.com' }];
  rig.rtcp(
    buildRtcp([
      { type: 'sr', ssrc: SOURCE_SSRC, ntp: 7000n << 32n, rtpTimestamp: 50_000, packets: 1, octets: 160, blocks: [] },
      { type: 'sdes', chunks: [{ ssrc: SOURCE_SSRC, items }] },
    ]),
    4e6,
  );
  report(5);
  report(6, true);
  return Buffer.concat(records);
}

test('tshark reads the compound packets that a receiver gets', { skip: missing }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-sink-'));
  const file = path.join(folder, 'reports.pcap');
  writeFileSync(file, reportCapture());
  const fields = ['pt', 'senderssrc', 'timestamp.ntp.msw', 'timestamp.rtp', 'sender.packetcount', 'sender.octetcount'];
  const names = [...fields, 'sdes.text', 'ssrc.identifier', 'length_check'].map((name) => `rtcp.${name}`);
  const { stdout } = await promisify(execFile)('tshark', [
    ...['-r', file, '-d', `udp.port==${SINK.port},rtcp`, '-T', 'fields', '-e', '_ws.malformed'],
    ...names.flatMap((name) => ['-e', name]),
  ]);
  const [ssrc, alice] = ['0x0badcafe', 'alice@example.com'];
  const ntp = 2_208_988_800 + 1.7e9 + 3;
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    `\t201,202\t${ssrc}\t\t\t\t\tdoubletrack\t${ssrc}\t1`,
    `\t200,202\t${ssrc}\t${ntp}\t9000\t1\t160\tdoubletrack\t${ssrc}\t1`,
    `\t200,202\t${ssrc}\t7003\t25000\t1\t160\t${alice}\t${ssrc}\t1`,
    `\t200,202,203\t${ssrc}\t7004\t33000\t1\t160\t${alice}\t${ssrc},${ssrc}\t1`,
  ]);
  rmSync(folder, { recursive: true });
});

const PACKETS = 100;
const PACKET_BYTES = 160;

/** RFC 8866: one stream of PCMU that comes to the port. */
const description = (port: number) =>
  ['v=0', `o=- 1 1 IN IP4 ${LOOPBACK}`, 's=-', `c=IN IP4 ${LOOPBACK}`, 't=0 0', `m=audio ${port} RTP/AVP 0`, ''].join(
    '\r\n',
  );

/** Whether somebody has bound the port, as the kernel tells. */
function isBound(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/udp', 'latin1').includes(`:${hex} `);
}

test('ffmpeg plays a sink that looks back: sample by sample what the source sent', {
  skip: withoutFfmpeg,
}, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-ffmpeg-'));
  const speech = encoded('sine=frequency=440:duration=2,tremolo=f=5', '-ar', '8000', '-ac', '1', '-f', 'mulaw');
  const tested = await TestEngine.start();
  const sender = await Sender.open();
  const session = await tested.engine.openSession();
  const media = await session.addStream({
    ...{ label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: false },
    ...{ remote: sender.remote, lookBackSeconds: 5 },
  });
  const send = (n: number) => {
    const payload = speech.subarray(n * PACKET_BYTES, (n + 1) * PACKET_BYTES);
    sender.send(rtp({ seq: n, timestamp: n * PACKET_BYTES, payload }), media);
  };
  for (let n = 0; n < PACKETS / 2; n++) send(n);
  await until(() => session.counters()[0]!.received === PACKETS / 2, 'the past');
  const port = await freePort();
  const file = path.join(folder, 'sink.sdp');
  writeFileSync(file, description(port));
  const output = ['-frames:a', String(PACKETS), '-f', 's16le', 'pipe:1'];
  const input = ['-protocol_whitelist', 'file,udp,rtp', '-analyzeduration', '0', '-i', file];
  const player = new Peer('ffmpeg', ['-nostdin', '-loglevel', 'error', ...input, ...output]);
  t.after(() => player.stop());
  await until(() => isBound(port), 'ffmpeg to listen', 20_000);
  const sink = await session.addSink(media.index, { remote: { address: LOOPBACK, rtpPort: port }, lookBack: true });
  for (let n = PACKETS / 2; n < PACKETS; n++) send(n);
  await player.ended();
  assert.deepEqual(
    int16(player.output),
    int16(ffmpeg(speech, '-f', 'mulaw', '-ar', '8000', '-i', 'pipe:0', '-f', 's16le')),
  );
  assert.equal(sink.stats().packets, PACKETS);
  await session.close();
  sender.close();
  await tested.close();
  rmSync(folder, { recursive: true });
});
