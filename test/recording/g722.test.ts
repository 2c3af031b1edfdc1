/** G.722 from a packet file: each source's packets in their order, sample for sample what ffmpeg makes of the octets. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { finalise } from '../../src/recording/index.ts';
import { decodedG722, g722Of, withoutFfmpeg as skip } from '../ffmpeg.ts';
import { type BuiltRecord, CN, EVENT, PCMU, random, recordingNote, rtp, streamNote } from './journal-builder.ts';
import { inOrder, make, range } from './make.ts';

const G722 = { payloadType: 9, encoding: 'G722', clockRate: 8000, channels: 1, fmtp: null };
const OCTETS = 160;
const SAMPLES = 320;

const speech = skip ? Buffer.alloc(0) : g722Of("aevalsrc='0.6*sin(2*PI*(200+900*t)*t)*(1+sin(9*t))/2':d=50:s=16000");

function octets(n: number): Buffer {
  return speech.subarray(n * OCTETS, (n + 1) * OCTETS);
}

/** Packet n of a stream, RTP time in units of an octet (RFC 3551 section 4.5.2). */
function packet(n: number, o: { delayMs?: number; epoch?: number } = {}): BuiltRecord {
  const { delayMs = 0, epoch = 0 } = o;
  const arrivalUs = Math.round((1000 + n * 20 + delayMs) * 1000);
  return rtp({
    seq: n,
    timestamp: 99 + n * OCTETS,
    ssrc: epoch + 1,
    epoch,
    payloadType: 9,
    payload: octets(n),
    arrivalUs,
  });
}

const decode = (numbers: number[]) => decodedG722(Buffer.concat(numbers.map(octets)));

/** Asserts that packets stand at the places of their numbers as ffmpeg decodes them one after another. */
function assertDecoded(samples: Int16Array, numbers: number[]): void {
  const expected = decode(numbers);
  for (const [i, n] of numbers.entries()) {
    const found = samples.subarray(n * SAMPLES, (n + 1) * SAMPLES);
    assert.deepEqual(found, expected.subarray(i * SAMPLES, (i + 1) * SAMPLES), `packet ${n}`);
  }
}

test('reordered, with losses and copies, beside a leg at 8 kHz: 16 kHz, exact; again the same bytes', {
  skip,
}, async () => {
  const next = random(11);
  const lost = new Set([40, 41, 42, 77, 130]);
  const received = range(0, 199).filter((n) => !lost.has(n));
  const packets = received.flatMap((n) => {
    const delayed = packet(n, { delayMs: next() * 120 });
    return n % 17 === 0 ? [delayed, { ...delayed, arrivalUs: (delayed.arrivalUs ?? 0) + 70_000 }] : [delayed];
  });
  const other = range(0, 199).map((n) =>
    rtp({ stream: 1, seq: n, timestamp: n * 160, payload: Buffer.alloc(160, 0x2a), arrivalUs: 1_000_000 + n * 20_000 }),
  );
  const notes = [recordingNote(), streamNote(0, [G722]), streamNote(1, [PCMU])];
  const { recording, channels, rateHz, dir } = await make([...notes, ...inOrder([...packets, ...other])]);
  assert.equal(rateHz, 16_000);
  const start = channels[0].findIndex((sample) => sample !== 0) - decode([0]).findIndex((sample) => sample !== 0);
  const samples = channels[0].subarray(start);
  assertDecoded(samples, received);
  for (const n of lost) assert.ok(samples.subarray(n * SAMPLES, (n + 1) * SAMPLES).every((sample) => sample === 0));
  const [stream] = recording.streams;
  assert.equal(stream?.codec, 'G722');
  assert.deepEqual([stream?.packets.received, stream?.packets.lost], [received.length, lost.size]);
  const again = `${dir}-again`;
  await finalise(`${dir}.packets`, again);
  for (const name of ['audio.wav', 'manifest.json']) {
    assert.deepEqual(readFileSync(path.join(again, name)), readFileSync(path.join(dir, name)));
  }
});

test('packets that come when too many have waited for them: heard alone, the others as without them', {
  skip,
}, async () => {
  // The first within the window that is being made, the second when its place has long been written.
  const late = new Map([
    [1000, 6000],
    [10, 45_000],
  ]);
  const packets = inOrder(range(0, 2399).map((n) => packet(n, { delayMs: late.get(n) ?? 0 })));
  const { recording, channels } = await make([recordingNote(), streamNote(0, [G722]), ...packets]);
  assertDecoded(
    channels[0],
    range(0, 2399).filter((n) => !late.has(n)),
  );
  for (const n of late.keys()) assertDecoded(channels[0], [n]);
  assert.equal(recording.streams[0]?.packets.late, 2);
  assert.equal(recording.streams[0]?.packets.lost, 0);
});

test('a packet that all others wait for to the end of the file', { skip }, async () => {
  const packets = [...range(0, 9), ...range(11, 60), 10].map((n, i) => ({
    ...packet(n),
    arrivalUs: 1_000_000 + i * 20_000,
  }));
  const { channels } = await make([recordingNote(), streamNote(0, [G722]), ...packets]);
  assertDecoded(channels[0], range(0, 60));
});

test('PCMU and G.722 share a clock: a change of codec goes on in RTP time, with a decoder that is new', {
  skip,
}, async () => {
  const narrow = (n: number) =>
    rtp({
      ...{ seq: n, timestamp: 99 + n * 160, ssrc: 1 },
      payload: Buffer.alloc(160, 0x2a),
      arrivalUs: (1000 + n * 20) * 1000,
    });
  const packets = [...range(0, 29), ...range(60, 89)].map((n) => packet(n));
  const between = range(30, 59).map(narrow);
  const records = [recordingNote(), streamNote(0, [G722, PCMU]), ...inOrder([...packets, ...between])];
  const { channels, rateHz, manifest } = await make(records);
  assert.equal(rateHz, 16_000);
  assert.equal(channels[0].length, 90 * SAMPLES);
  assertDecoded(channels[0].subarray(0, 30 * SAMPLES - 16), range(0, 28));
  // The slower track rings for eight of its samples where it begins and ends.
  const again = decode(range(60, 89));
  assert.deepEqual(channels[0].subarray(60 * SAMPLES + 16), again.subarray(16));
  for (let i = 31 * SAMPLES; i < 59 * SAMPLES; i += 2) assert.equal(channels[0][i], channels[0][31 * SAMPLES]);
  assert.deepEqual(
    manifest.placements.map(({ fromMs, toMs }) => [fromMs, toMs]),
    [
      [0, 600],
      [600, 1200],
      [1200, 1800],
    ],
  );
});

test('a new SSRC begins with a decoder that is new; events and comfort noise have their place', { skip }, async () => {
  const beside = (seq: number, timestamp: number, payloadType: number, payload: number[]) =>
    rtp({ seq, timestamp, payloadType, ssrc: 1, payload: Buffer.from(payload), arrivalUs: 1_000_000 + seq * 20_000 });
  const first = [
    beside(0, 99, 13, [40]),
    ...range(1, 19).map((n) => packet(n)),
    beside(20, 99 + 20 * OCTETS, 101, [5, 0x8a, 0, 160]),
    ...range(21, 29).map((n) => packet(n)),
  ];
  const second = range(30, 59).map((n) => packet(n, { epoch: 1 }));
  const { channels, manifest, recording } = await make([
    ...[recordingNote(), streamNote(0, [G722, CN, EVENT])],
    ...[...first, ...second],
  ]);
  const heard = [...range(1, 19), ...range(21, 29)];
  const shifted = new Int16Array(channels[0].length + SAMPLES);
  shifted.set(channels[0], SAMPLES);
  assertDecoded(shifted, heard);
  assertDecoded(shifted, range(30, 59));
  // The file begins with what is heard, a packet behind the comfort noise.
  assert.deepEqual(manifest.telephoneEvents, [{ stream: 0, atMs: 380, event: '5', durationMs: 20, volume: 10 }]);
  assert.deepEqual(
    recording.warnings.filter((text) => !text.includes('ended')),
    [],
  );
});
