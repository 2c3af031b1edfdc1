// The pcap writer, read back by this reader and by tshark.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CaptureDecoder, pcapFileHeader, pcapRecord } from '../../src/capture/index.ts';
import { concat, rtp } from './samples.ts';

const pairs: [string, string][] = [
  ['192.0.2.1', '198.51.100.255'],
  ['2001:db8::1', 'fe80::1:0:0:7'],
  ['::ffff:192.0.2.1', '::1'],
];

function written(): { file: Uint8Array; packets: Uint8Array[] } {
  const packets = Array.from({ length: 30 }, (_, i) => rtp({ ssrc: 0xdeadbe00, seq: 65530 + i, bytes: 20 + (i % 3) }));
  const records = packets.map((packet, i) => {
    const [source, destination] = pairs[i % pairs.length]!;
    return pcapRecord(
      1.7e15 + i * 20001,
      { address: source, port: 4000 },
      { address: destination, port: 5004 },
      packet,
    );
  });
  return { file: concat(pcapFileHeader(), ...records), packets };
}

test('what is written is read back', () => {
  const { file, packets } = written();
  const seen: { payload: Uint8Array; source: string; timestampUs: number }[] = [];
  const decoder = new CaptureDecoder((d, timestampUs) => {
    seen.push({ payload: d.payload.slice(), source: d.source, timestampUs });
  });
  decoder.push(file);
  assert.equal(decoder.end().problem, null);
  assert.deepEqual(
    seen.map((datagram) => datagram.payload),
    packets,
  );
  assert.deepEqual(
    seen.slice(0, 3).map((datagram) => datagram.source),
    ['192.0.2.1', '2001:db8::1', '::ffff:c000:201'],
  );
  assert.equal(seen[29]!.timestampUs, 1.7e15 + 29 * 20001);
});

test('addresses and sizes that make no datagram are refused', () => {
  const v4 = { address: '192.0.2.1', port: 1 };
  assert.throws(() => pcapRecord(0, v4, { address: '::1', port: 1 }, new Uint8Array(1)), TypeError);
  assert.throws(() => pcapRecord(0, v4, { address: 'host', port: 1 }, new Uint8Array(1)), TypeError);
  assert.throws(() => pcapRecord(0, v4, v4, new Uint8Array(65508)), RangeError);
});

const tshark = spawnSync('tshark', ['--version']).status === 0;

test('tshark reads the file, finds every checksum good and the RTP as sent', {
  skip: tshark ? false : 'tshark is not installed (Debian package tshark)',
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'doubletrack-'));
  try {
    const path = join(directory, 'written.pcap');
    const { file, packets } = written();
    writeFileSync(path, file);
    const fields = ['ip.checksum.status', 'udp.checksum.status', 'rtp.ssrc', 'rtp.seq', 'udp.length'];
    const output = execFileSync(
      'tshark',
      [
        [
          '-r',
          path,
          '-d',
          'udp.port==5004,rtp',
          '-o',
          'ip.check_checksum:TRUE',
          '-o',
          'udp.check_checksum:TRUE',
          '-T',
          'fields',
        ],
        fields.flatMap((field) => ['-e', field]),
      ].flat(),
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const rows = output
      .trimEnd()
      .split('\n')
      .map((row) => row.split('\t'));
    assert.equal(rows.length, packets.length);
    rows.forEach((row, i) => {
      const v4 = i % pairs.length === 0;
      assert.equal(row[0], v4 ? '1' : '');
      assert.equal(row[1], v4 ? '3' : '1'); // 3: no checksum given, which IPv4 allows
      assert.equal(Number(row[2]), 0xdeadbe00);
      assert.equal(Number(row[3]), (65530 + i) & 0xffff);
      assert.equal(Number(row[4]), 8 + packets[i]!.length);
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
