/** RFC 3550: a sink's stream as tshark sees it, over losses, a pause and another source. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { pcapFileHeader, pcapRecord } from '../../src/capture/writer.ts';
import { Rig, rtp } from '../media/rig.ts';

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
