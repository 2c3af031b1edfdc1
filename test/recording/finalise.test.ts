/** From a packet file to a recording: certificates against a ledger, audio against ffmpeg. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type Finalised, finalise } from '../../src/recording/index.ts';
import {
  type BuiltRecord,
  buildBlock,
  CN,
  DROPPED,
  DUPLICATE,
  EVENT,
  endNote,
  note,
  PAUSED,
  PCMA,
  PCMU,
  packetFile,
  RECORDING_ID,
  RTP,
  random,
  recordingNote,
  rtp,
  senderReport,
  streamNote,
  WALL_AT_ZERO_US,
} from './journal-builder.ts';
import { inOrder, make, range } from './make.ts';

/** Mu-law octets that decode to a value that names the packet. */
function voice(seq: number, length = 160): Buffer {
  return Buffer.alloc(length, 1 + (seq % 100));
}

function expand(octet: number): number {
  const bits = 0xff - octet;
  const magnitude = (((bits % 16) * 2 + 33) * 2 ** ((bits >> 4) % 8) - 33) * 4;
  return bits >= 128 ? 0 - magnitude : magnitude;
}

/** Asserts that the samples are the packets of these numbers, 160 samples each; null stands for silence. */
function assertPackets(samples: Int16Array, packets: Array<number | null>, from = 0): void {
  for (const [i, seq] of packets.entries()) {
    const expected = seq === null ? 0 : expand(1 + (seq % 100));
    const part = samples.subarray(from + i * 160, from + (i + 1) * 160);
    assert.ok(
      part.length === 160 && part.every((sample) => sample === expected),
      `packet ${i}: ${part[0]}, not ${expected}`,
    );
  }
}

const START = [recordingNote(), streamNote(0), streamNote(1)];
const END = endNote(WALL_AT_ZERO_US / 1000 + 60_000);

/** Packet n of a stream that is sent and arrives in step. */
function packet(
  n: number,
  o: { stream?: number; delayMs?: number; epoch?: number; ssrc?: number; startMs?: number } = {},
): BuiltRecord {
  const { stream = 0, delayMs = 0, epoch = 0, ssrc = 0x1000 + stream, startMs = 1000 } = o;
  const arrivalUs = (startMs + n * 20 + delayMs) * 1000;
  return rtp({ stream, seq: n, timestamp: 777 + n * 160, ssrc, epoch, payload: voice(n), arrivalUs });
}

test('two legs: each on its channel, the later one begins where it arrived', async () => {
  const packets = inOrder(range(0, 99).flatMap((n) => [packet(n), packet(n, { stream: 1, startMs: 1045 })]));
  const { recording, channels, rateHz, manifest } = await make([...START, ...packets, END]);
  assert.equal(rateHz, 8000);
  assertPackets(channels[0], range(0, 99));
  assertPackets(channels[1], range(0, 99), 360);
  assert.ok(channels[1].subarray(0, 360).every((sample) => sample === 0));
  assert.equal(recording.id, RECORDING_ID);
  assert.equal(recording.state, 'complete');
  assert.equal(recording.durationMs, 2045);
  assert.equal(recording.startedAt, '2023-11-14T22:13:20.000Z');
  assert.equal(recording.endedAt, '2023-11-14T22:14:20.000Z');
  assert.equal(recording.sipCallId, 'call-1');
  assert.deepEqual(recording.warnings, []);
  assert.deepEqual(
    recording.streams.map(({ label, channel, codec, ssrcs }) => ({ label, channel, codec, ssrcs })),
    [
      { label: 'leg-0', channel: 0, codec: 'PCMU', ssrcs: [0x1000] },
      { label: 'leg-1', channel: 1, codec: 'PCMU', ssrcs: [0x1001] },
    ],
  );
  assert.deepEqual(Object.keys(manifest.files), ['audio.wav', 'recording.packets']);
});

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  test(`certificate equals the ledger (seed ${seed})`, async () => {
    const next = random(seed);
    const ledger = { received: 0, lost: 0, dropped: 0, paused: 0, duplicate: 0 };
    const classes: string[] = [];
    const records: Array<{ at: number; record: BuiltRecord }> = [];
    const count = 700;
    for (let n = 0; n < count; n++) {
      const isEdge = n === 0 || n === count - 1;
      const dice = isEdge ? 1 : next();
      const isPaused = n >= 300 && n < 340;
      // A little reordering; the sequence number crosses 65536.
      const at = n * 20 + (next() < 0.1 ? 25 : 0);
      const record = packet(n + 65_300, { startMs: 1000 - 65_300 * 20 });
      if (isPaused) {
        classes.push('paused');
        ledger.paused++;
        records.push({ at, record: { ...record, kind: PAUSED, payload: record.payload.subarray(0, 12) } });
      } else if (dice < 0.03) {
        classes.push('lost');
        ledger.lost++;
      } else if (dice < 0.05) {
        classes.push('dropped');
        ledger.dropped++;
        const payload = Buffer.alloc(4);
        payload.writeUInt32LE(1);
        records.push({ at: n * 20, record: { kind: DROPPED, stream: 0, arrivalUs: record.arrivalUs ?? 0, payload } });
      } else {
        classes.push('received');
        ledger.received++;
        records.push({ at, record });
        if (next() < 0.05) {
          ledger.duplicate++;
          const isShort = next() < 0.5;
          const copy = isShort ? { ...record, kind: DUPLICATE, payload: record.payload.subarray(0, 12) } : record;
          records.push({ at: at + Math.floor(next() * 3000), record: copy });
        }
      }
    }
    records.sort((a, b) => a.at - b.at);
    const { recording, manifest, channels } = await make([...START, ...records.map(({ record }) => record), END]);
    const { packets } = recording.streams[0] as Finalised['streams'][0];
    assert.deepEqual(packets, { ...ledger, expected: count, late: packets.late, unauthenticated: 0 });
    const source = manifest.streams[0]?.sources[0];
    assert.deepEqual([source?.firstSeq, source?.lastSeq], [0x10000 + 65_300, 0x10000 + 65_300 + count - 1]);
    const degradedPackets = manifest.degraded.reduce((sum, { packets: dropped }) => sum + dropped, 0);
    assert.equal(degradedPackets, ledger.dropped);
    for (const kind of ['paused', 'lost', 'dropped'] as const) {
      const listed = (source?.[kind].ranges ?? []).flatMap(([from, to]) => range(from, to));
      const expected = classes.flatMap((name, n) => (name === kind ? [0x10000 + 65_300 + n] : []));
      if (kind === 'paused') assert.deepEqual(listed, expected);
      else assert.equal(listed.length, expected.length);
    }
    assertPackets(
      channels[0],
      classes.map((name, n) => (name === 'received' ? n + 65_300 : null)),
    );
  });
}

test('RFC 3550 A.8: jitter and lateness against the definition', async () => {
  const next = random(42);
  const delays = range(0, 2000).map((n) => 30 + (n % 97 === 96 ? 150 : next() * 20));
  const packets = inOrder(delays.map((delayMs, n) => packet(n, { delayMs })));
  const { recording } = await make([...START, ...packets, END]);
  let jitter = 0;
  let previous: number | null = null;
  for (const { arrivalUs = 0, extSeq = 0 } of packets) {
    const transit = Math.round(arrivalUs) * 0.008 - (extSeq - 0x10000) * 160;
    if (previous !== null) jitter += (Math.abs(transit - previous) - jitter) / 16;
    previous = transit;
  }
  const [stream] = recording.streams;
  assert.ok(Math.abs((stream?.jitterMs ?? 0) - jitter / 8) < 0.001);
  assert.equal(stream?.packets.late, delays.filter((delay) => delay > 100).length);
});

test('packets before the first one to arrive are kept: the file begins with the earliest', async () => {
  const order = [2, 1, 0, 3, 4];
  const packets = order.map((n, i) => ({ ...packet(n), arrivalUs: 1_000_000 + i * 5000 }));
  const { recording, channels } = await make([...START, ...packets, END]);
  assertPackets(channels[0], [0, 1, 2, 3, 4]);
  assert.equal(recording.streams[0]?.packets.expected, 5);
});

test('gaps are silence: loss, a pause of the sender, and comfort noise (RFC 3389)', async () => {
  const quiet = rtp({
    seq: 12,
    timestamp: 777 + 12 * 160,
    ssrc: 0x1000,
    payloadType: 13,
    payload: Buffer.from([40]),
    arrivalUs: 1_240_000,
  });
  const packets = [...range(0, 9), 11].map((n) => packet(n));
  const later = range(13, 20).map((n) => {
    const sent = n + 500;
    return rtp({
      seq: n,
      timestamp: 777 + sent * 160,
      ssrc: 0x1000,
      payload: voice(n),
      arrivalUs: (1000 + sent * 20) * 1000,
    });
  });
  const { recording, channels } = await make([
    recordingNote(),
    streamNote(0, [PCMU, CN]),
    ...packets,
    quiet,
    ...later,
    END,
  ]);
  const expected = [...range(0, 9), null, 11, ...Array(501).fill(null), ...range(13, 20)];
  assertPackets(channels[0], expected);
  assert.equal(channels[0].length, expected.length * 160);
  assert.equal(recording.streams[0]?.packets.lost, 1);
  assert.equal(recording.streams[0]?.packets.late, 0);
  assert.deepEqual(recording.warnings, []);
});

test('a packet that comes long after its place was written is in the file all the same', async () => {
  const count = 5000; // 100 s: the window of the timeline has moved on
  const packets = range(0, count)
    .filter((n) => n !== 10 && n !== 1599)
    .map((n) => packet(n));
  // The second straddles the place up to which the file was written.
  packets.splice(4000, 0, { ...packet(10), arrivalUs: 81_000_000 }, { ...packet(1599), arrivalUs: 81_000_100 });
  const { recording, channels } = await make([...START, ...packets, END]);
  assertPackets(channels[0], range(0, count));
  assert.deepEqual(recording.streams[0]?.packets, {
    ...{ expected: count + 1, received: count + 1, lost: 0, dropped: 0, paused: 0, late: 2 },
    ...{ duplicate: 0, unauthenticated: 0 },
  });
});

test('RFC 3550 6.4.1: sender reports of both legs align them; of one leg, or absurd ones, they do not', async () => {
  const packets = inOrder(range(0, 99).flatMap((n) => [packet(n), packet(n, { stream: 1, startMs: 1300 })]));
  const report = (stream: number, ntpSec: number) =>
    senderReport({ stream, ssrc: 0x1000 + stream, ntpSec, timestamp: 777 + 50 * 160, arrivalUs: 2_400_000 });
  const at = async (reports: BuiltRecord[]) => {
    const { channels, recording } = await make([...START, ...packets, ...reports, END]);
    return { sample: channels[1].findIndex((s) => s !== 0), warnings: recording.warnings };
  };
  // In truth the second leg began 100 ms after the first; its network took 200 ms more.
  assert.deepEqual(await at([report(0, 3_900_000_000), report(1, 3_900_000_000.1)]), { sample: 800, warnings: [] });
  assert.deepEqual(await at([report(1, 3_900_000_000)]), { sample: 2400, warnings: [] });
  const absurd = await at([report(0, 3_900_000_000), report(1, 3_900_000_100)]);
  assert.equal(absurd.sample, 2400);
  assert.match(absurd.warnings.join(), /leg-1: sender reports are \d+ ms off/);
});

test('RFC 3550 8.2: a new SSRC goes on in the same channel, without a seam if it follows at once', async () => {
  const before = range(0, 49).map((n) => packet(n));
  const fresh = range(0, 49).map((n) =>
    rtp({
      seq: 9000 + n,
      timestamp: 5 + n * 160,
      ssrc: 99,
      epoch: 1,
      payload: voice(50 + n),
      arrivalUs: 2_013_000 + n * 20_000,
    }),
  );
  const { recording, channels } = await make([...START, ...before, ...fresh, END]);
  assertPackets(channels[0], range(0, 99));
  assert.equal(channels[0].length, 16_000);
  assert.deepEqual(recording.streams[0]?.ssrcs, [0x1000, 99]);
  assert.equal(recording.streams[0]?.packets.expected, 100);
  assert.equal(recording.streams[0]?.packets.lost, 0);
});

test('RTP time that jumps for good is taken up by arrival, with a warning; the file stays short', async () => {
  for (const jump of [0x4000_0000, -0x1000_0000, 8000 * 3600]) {
    const packets = range(0, 399).map((n) => {
      const timestamp = 777 + n * 160 + (n >= 200 ? jump : 0);
      return rtp({ seq: n, timestamp, ssrc: 1, payload: voice(n), arrivalUs: (1000 + n * 20) * 1000 });
    });
    const { recording, channels } = await make([...START, ...packets, END]);
    assertPackets(channels[0], range(0, 399));
    assert.match(recording.warnings.join(), /RTP time jumped 1 times/);
    assert.equal(recording.streams[0]?.packets.late, 0);
  }
});

test('a sender that stopped counting while on hold is taken up where it arrives', async () => {
  const packets = range(0, 399).map((n) => packet(n, { delayMs: n >= 200 ? 10_000 : 0 }));
  const { recording, channels } = await make([...START, ...packets, END]);
  assertPackets(channels[0], [...range(0, 199), ...Array(500).fill(null), ...range(200, 399)]);
  assert.equal(recording.streams[0]?.packets.late, 0);
});

test('a network that stalls and catches up: late packets, all in their places', async () => {
  const packets = range(0, 399).map((n) => {
    const stalled = n >= 200 && n < 350;
    return stalled ? { ...packet(n), arrivalUs: 1_000_000 + 350 * 20_000 - (350 - n) * 100 } : packet(n);
  });
  const { recording, channels } = await make([recordingNote(), streamNote(0), ...packets, END]);
  assertPackets(channels[0], range(0, 399));
  assert.deepEqual(recording.warnings, []);
  // Packet n has waited (350 - n) * 20 ms, less 100 us for each that follows: three of them less than 60 ms.
  assert.equal(recording.streams[0]?.packets.late, 147);
});

test('a single timestamp that fits nothing: the packet goes where its number says', async () => {
  for (const wrong of [0x7000_0000, -8000 * 30]) {
    const packets = range(0, 99).map((n) => {
      const timestamp = 777 + n * 160 + (n === 50 ? wrong : 0);
      return rtp({ seq: n, timestamp, ssrc: 1, payload: voice(n), arrivalUs: (1000 + n * 20) * 1000 });
    });
    const { recording, channels } = await make([...START, ...packets, END]);
    assertPackets(channels[0], range(0, 99));
    assert.equal(channels[0].length, 16_000);
    assert.match(recording.warnings.join(), /1 packets have timestamps that fit nothing/);
  }
});

test('RTP time that runs ahead step by step cannot make the file long', async () => {
  const packets = range(0, 2000).map((n) =>
    rtp({ seq: n, timestamp: n * 160 * 40, ssrc: 1, payload: voice(n), arrivalUs: 1_000_000 + n * 20_000 }),
  );
  const { channels } = await make([...START, ...packets, END]);
  assert.ok(channels[0].length < 8000 * 120, `${channels[0].length / 8000} s`);
});

test('RFC 4733 2.3: events are listed, not heard', async () => {
  const press = (seq: number, duration: number, end: boolean) =>
    rtp({
      ...{ seq, timestamp: 777 + 10 * 160, ssrc: 0x1000, payloadType: 101, marker: duration === 160 },
      ...{
        payload: Buffer.from([11, (end ? 0x80 : 0) | 10, duration >> 8, duration & 255]),
        arrivalUs: 1_000_000 + seq * 20_000,
      },
    });
  const events = [press(10, 160, false), press(11, 320, false), press(12, 800, true), press(13, 800, true)];
  const packets = [...range(0, 9), ...range(14, 30)].map((n) => packet(n));
  const records = [recordingNote(), streamNote(0, [PCMU, EVENT]), ...inOrder([...packets, ...events]), END];
  const { manifest, recording, channels } = await make(records);
  assertPackets(channels[0], [...range(0, 9), ...Array(4).fill(null), ...range(14, 30)]);
  assert.deepEqual(manifest.telephoneEvents, [{ stream: 0, atMs: 200, event: '#', durationMs: 100, volume: 10 }]);
  assert.equal(recording.streams[0]?.packets.received, 31);
  assert.equal(recording.streams[0]?.jitterMs, 0);
});

test('rates are brought together: L16 at 16 kHz beside PCMA, and a codec that changes within a stream', async () => {
  const wide = { payloadType: 96, encoding: 'L16', clockRate: 16000, channels: 1, fmtp: null };
  const wire = Buffer.alloc(640);
  for (let i = 0; i < 320; i++) wire.writeInt16BE(1000 + i, i * 2);
  const first = range(0, 9).map((n) => packet(n));
  const second = range(10, 19).map((n) =>
    rtp({
      seq: n,
      timestamp: 50_000 + n * 320,
      ssrc: 0x1000,
      payloadType: 96,
      payload: wire,
      arrivalUs: 1_000_000 + n * 20_000,
    }),
  );
  const other = range(0, 19).map((n) => ({
    ...packet(n, { stream: 1 }),
    payload: Buffer.concat([packet(n, { stream: 1 }).payload]),
  }));
  for (const { payload } of other) payload[1] = 8;
  const notes = [recordingNote(), streamNote(0, [PCMU, wide]), streamNote(1, [PCMA])];
  const { rateHz, channels, recording } = await make([...notes, ...inOrder([...first, ...second, ...other]), END]);
  assert.equal(rateHz, 16000);
  assert.equal(channels[0].length, 6400);
  for (const n of range(0, 9)) assert.equal(channels[0][n * 320 + 160], expand(1 + n));
  // The slower track rings for eight of its samples where it ends.
  for (const n of range(10, 19))
    for (let i = n === 10 ? 16 : 0; i < 320; i++) assert.equal(channels[0][n * 320 + i], 1000 + i);
  assert.equal(recording.streams[1]?.codec, 'PCMA');
});

test('a payload type that changes its meaning is decoded as described at the time', async () => {
  const meaning = (encoding: string) => ({ payloadType: 97, encoding, clockRate: 8000, channels: 1, fmtp: null });
  const coded = (n: number) =>
    rtp({
      seq: n,
      timestamp: n * 160,
      ssrc: 1,
      payloadType: 97,
      payload: Buffer.alloc(160, 0x2a),
      arrivalUs: 1_000_000 + n * 20_000,
    });
  const { channels } = await make([
    ...[recordingNote(), streamNote(0, [meaning('PCMU')]), coded(0), coded(1)],
    ...[streamNote(0, [meaning('PCMA')]), coded(2), coded(3), END],
  ]);
  assert.equal(channels[0][0], expand(0x2a));
  assert.equal(channels[0][480], -32256);
});

test('two streams on one channel are mixed', async () => {
  const notes = [recordingNote(), streamNote(0, [PCMU], 0), streamNote(1, [PCMU], 0)];
  const packets = inOrder(range(0, 9).flatMap((n) => [packet(n + 60), packet(n + 60, { stream: 1 })]));
  const { channels } = await make([...notes, ...packets, END]);
  assert.equal(channels[0][0], 2 * expand(61));
  assert.ok(channels[1].every((sample) => sample === 0));
});

test('more streams at once than there are tracks: all of them are in the file', async () => {
  const notes = range(0, 19).map((i) => streamNote(i, [PCMU], 0));
  const packets = inOrder(
    range(0, 19).flatMap((stream) =>
      range(0, 4).map((n) =>
        rtp({
          stream,
          seq: n,
          timestamp: n * 160,
          ssrc: stream,
          payload: Buffer.alloc(160, 0xe0),
          arrivalUs: 1_000_000 + n * 20_000,
        }),
      ),
    ),
  );
  const { channels } = await make([recordingNote(), ...notes, ...packets, END]);
  assert.ok(channels[0].every((sample) => sample === 20 * expand(0xe0)));
});

test('a gap across a hold of the signalling counts as paused', async () => {
  const hold = (type: string, atUs: number) => note({ type, scope: 'signalling', stream: 0, atMs: 1 }, atUs);
  const packets = [
    ...range(0, 49)
      .filter((n) => n !== 20)
      .map((n) => packet(n)),
    hold('pause', 2_000_000),
    hold('resume', 4_000_000),
    ...range(150, 199)
      .filter((n) => n !== 170)
      .map((n) => packet(n)),
  ];
  const { recording, manifest } = await make([...START, ...packets, END]);
  assert.deepEqual(recording.streams[0]?.packets, {
    ...{ expected: 200, received: 98, lost: 2, dropped: 0, paused: 100, late: 0, duplicate: 0, unauthenticated: 0 },
  });
  assert.deepEqual(manifest.streams[0]?.sources[0]?.paused.ranges, [[0x10000 + 50, 0x10000 + 149]]);
  assert.equal(manifest.pauses.length, 2);
});

test('no media: a WAV without samples, a manifest, a warning', async () => {
  const { recording, channels } = await make([...START, END]);
  assert.equal(channels[0].length, 0);
  assert.equal(recording.durationMs, 60_000);
  assert.deepEqual(recording.warnings, ['no decodable media', 'stream leg-0: no packets', 'stream leg-1: no packets']);
  assert.equal(recording.streams[0]?.packets.expected, 0);
});

test('packets without any description are recorded by their static payload types', async () => {
  const { recording, channels } = await make(range(0, 9).map((n) => packet(n)));
  assertPackets(channels[0], range(0, 9));
  assert.match(recording.warnings.join('; '), /how this recording began; .*how this recording ended/);
});

test('a codec that cannot be decoded: no audio, a capture, a warning; the counts are the same', async () => {
  const g729 = { payloadType: 18, encoding: 'G729', clockRate: 8000, channels: 1, fmtp: null };
  const packets = range(0, 49).map((n) =>
    rtp({
      seq: n,
      timestamp: n * 160,
      ssrc: 5,
      payloadType: 18,
      payload: Buffer.alloc(20 + (n % 7), n),
      arrivalUs: 1_000_000 + n * 20_000,
    }),
  );
  const { recording, dir, manifest } = await make([recordingNote(), streamNote(0, [g729]), ...packets, END]);
  assert.equal(recording.streams[0]?.codec, 'G729');
  assert.equal(recording.streams[0]?.packets.received, 50);
  assert.match(recording.warnings.join(), /50 packets cannot be decoded \(G729\)/);
  assert.ok(manifest.files['stream-0.pcap']);
  const pcap = readFileSync(path.join(dir, 'stream-0.pcap'));
  let at = 24;
  for (const [n, { payload, arrivalUs = 0 }] of packets.entries()) {
    const bytes = pcap.readUInt32LE(at + 8);
    assert.equal(pcap.readUInt32LE(at) * 1e6 + pcap.readUInt32LE(at + 4), WALL_AT_ZERO_US + arrivalUs);
    assert.deepEqual(pcap.subarray(at + 16 + 28, at + 16 + bytes), payload, `packet ${n}`);
    at += 16 + bytes;
  }
  assert.equal(at, pcap.length);
});

test('a recording that was cut off is complete, says so, and declares the gap', async () => {
  const blocks = packetFile([...START, ...range(0, 99).map((n) => packet(n))]);
  const recovered = buildBlock([note({ type: 'recovered', atMs: WALL_AT_ZERO_US / 1000 + 500_000 })], {
    ...{ blockSeq: 5, laneId: 0xffffffff, monoUs: 400_000_000 },
  });
  const { recording, manifest, channels } = await make(Buffer.concat([blocks, recovered]));
  assertPackets(channels[0], range(0, 99));
  assert.equal(recording.state, 'complete');
  assert.equal(recording.recovered, true);
  assert.equal(recording.endedAt, new Date(WALL_AT_ZERO_US / 1000 + 1000 + 99 * 20).toISOString());
  assert.deepEqual(manifest.gaps, [{ reason: 'recovered', fromMs: 1980, toMs: null }]);
  assert.match(recording.warnings.join(), /nothing is known after 1980 ms/);
});

test('blocks that stand there twice, or belong to another recording, count once or not at all', async () => {
  const blocks = range(0, 9).map((b) =>
    buildBlock(
      range(b * 5, b * 5 + 4).map((n) => packet(n)),
      { blockSeq: b + 1 },
    ),
  );
  const foreign = buildBlock([packet(1000)], { blockSeq: 100, recordingId: RECORDING_ID.replace('0', '9') });
  const { recording, manifest } = await make(
    Buffer.concat([...blocks.slice(0, 6), ...blocks.slice(3, 6), foreign, ...blocks.slice(6)]),
  );
  assert.equal(recording.streams[0]?.packets.received, 50);
  assert.equal(recording.streams[0]?.packets.duplicate, 0);
  assert.equal(manifest.journal.repeatedBlocks, 4);
});

test('a damaged block: the rest is a recording, what is missing counts as lost', async () => {
  const blocks = range(0, 9).map((b) =>
    buildBlock(
      range(b * 5, b * 5 + 4).map((n) => packet(n)),
      { blockSeq: b + 1 },
    ),
  );
  (blocks[4] as Buffer)[100] = ((blocks[4] as Buffer)[100] ?? 0) ^ 1;
  const { recording, channels } = await make(Buffer.concat(blocks));
  assert.equal(recording.streams[0]?.packets.lost, 5);
  assert.match(recording.warnings.join(), new RegExp(`${blocks[4]?.length} bytes of the journal are damaged`));
  assertPackets(channels[0], [...range(0, 19), ...Array(5).fill(null), ...range(25, 49)]);
});

test('nothing on the wire or in the notes makes it fail', async () => {
  const next = random(11);
  const hostile: BuiltRecord[] = [];
  for (let i = 0; i < 3000; i++) {
    const base = packet(i % 1000, {
      stream: Math.floor(next() * 4),
      epoch: Math.floor(next() * 3),
      delayMs: next() * 5000,
    });
    const payload = Buffer.from(base.payload.subarray(0, next() < 0.2 ? Math.floor(next() * 172) : 172));
    for (let k = Math.floor(next() * 6); k > 0 && payload.length > 0; k--) {
      payload[Math.floor(next() * payload.length)] = Math.floor(next() * 256);
    }
    const kind = next() < 0.7 ? RTP : Math.floor(next() * 9);
    const extSeq = next() < 0.02 ? Math.floor(next() * 2 ** 32) : (base.extSeq ?? 0);
    hostile.push({ ...base, kind, payload, extSeq });
  }
  for (const json of [
    null,
    [],
    5,
    {},
    { type: 'stream' },
    { type: 'stream', index: -1 },
    { type: 'stream', index: 1e9 },
  ]) {
    hostile.push(note(json as object), note({ type: 'metadata', participants: [json] }));
  }
  hostile.push(
    note({
      type: 'stream',
      index: 2,
      payloadTypes: [null, { payloadType: 0, clockRate: 7.5 }, { payloadType: 8, encoding: 'PCMA', clockRate: 8001 }],
    }),
  );
  hostile.push(note({ type: 'recording', startedAtMs: 1e300 }), note({ type: 'end', atMs: -1e300 }));
  const { manifest } = await make(hostile);
  assert.ok(manifest.audio.durationMs < 300_000, `${manifest.audio.durationMs} ms`);
});

test('a suite is claimed only for a stream all of which came under it', async () => {
  const suites = ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'];
  for (const [srtp, claimed] of [
    [[suites[0]], suites[0]],
    [[undefined, suites[0], undefined], suites[0]],
    [suites, suites[1]],
    [[suites[0], null], null],
    [[null, suites[0]], null],
    [[undefined], null],
  ] as const) {
    const notes = srtp.map((suite) => note({ type: 'stream', index: 0, label: 'a', channel: 0, srtp: suite }));
    // Its packets may come before the first word on it.
    const { recording } = await make([...START.slice(0, 1), packet(0), ...notes, packet(1), END]);
    assert.equal(recording.streams[0]!.srtp, claimed, JSON.stringify(srtp));
  }
});

test('made twice it is the same, byte for byte, and no temporary file stays', async () => {
  const packets = inOrder(range(0, 199).flatMap((n) => [packet(n), packet(n, { stream: 1, startMs: 1007 })]));
  const first = await make([...START, ...packets, END]);
  const second = await make([...START, ...packets, END]);
  assert.deepEqual(readdirSync(first.dir).sort(), ['audio.wav', 'manifest.json', 'recording.packets']);
  for (const name of readdirSync(first.dir)) {
    assert.deepEqual(readFileSync(path.join(first.dir, name)), readFileSync(path.join(second.dir, name)), name);
  }
  const again = await finalise(path.join(first.dir, 'recording.packets'), first.dir);
  assert.deepEqual(again, first.recording);
});

test('the WAV file is what ffmpeg takes for one', {
  skip: spawnSync('ffmpeg', ['-version']).status !== 0 && 'install ffmpeg',
}, async () => {
  const { dir, channels } = await make([...START, ...range(0, 49).map((n) => packet(n)), END]);
  const wav = path.join(dir, 'audio.wav');
  const args = [
    '-loglevel',
    'error',
    '-i',
    wav,
    '-filter_complex',
    'channelsplit=channel_layout=stereo:channels=FL',
    '-f',
    's16le',
    'pipe:1',
  ];
  const { stdout } = spawnSync('ffmpeg', args);
  assert.deepEqual(
    new Int16Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length)),
    channels[0],
  );
});

test('a file without a block is refused', async () => {
  await assert.rejects(make(Buffer.alloc(1000)), /no journal block/);
});

test('a recording is degraded for as long as packets were lost in this machine, and says so', async () => {
  const drops = (atMs: number, packets: number): BuiltRecord => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(packets);
    return { kind: DROPPED, stream: 0, arrivalUs: atMs * 1000, payload };
  };
  const sent = (from: number, to: number) => range(from, to).map((seq) => packet(seq, { startMs: 1000 }));
  const { recording, manifest } = await make([
    ...START,
    ...sent(0, 99),
    drops(3_100, 5),
    ...sent(105, 120),
    drops(3_700, 2),
    ...sent(123, 299),
    drops(7_000, 1),
    ...sent(301, 310),
    END,
  ]);
  assert.deepEqual(manifest.degraded, [
    { fromMs: 2_100, toMs: 2_700, packets: 7 },
    { fromMs: 6_000, toMs: 6_000, packets: 1 },
  ]);
  assert.ok(
    recording.warnings.includes('degraded: 7 packets lost in this machine, told between 2100 and 2700 ms'),
    recording.warnings.join(),
  );
  assert.equal(recording.streams[0]!.packets.dropped, 8);
});
