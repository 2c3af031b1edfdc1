/** Mixtures that are sent, by the core alone on a virtual clock: numbers, timestamps and sound of what a receiver gets. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import * as layout from '../../assembly/layout.ts';
import { pcapFileHeader, pcapRecord } from '../../src/capture/writer.ts';
import type { MixerSetup } from '../../src/media/mixer-memory.ts';
import { ffmpeg, int16, withoutFfmpeg } from '../ffmpeg.ts';
import { L16, PlayerRig } from './jitter/rig.ts';
import { randomNumbers, rtp } from './rig.ts';

const SSRC = 0x0bad_cafe;
const FIRST_SEQ = 65_500;
const FIRST_TIMESTAMP = 0xffff_f000;
const SINK = { stream: null, via: 0, payloadTypes: [], paused: false, isSrtp: false };
const [PCMU, L16_CODEC, G722] = [layout.CODEC_PCMU, layout.CODEC_L16, layout.CODEC_G722];
const missing = !existsSync('/usr/bin/tshark') && 'install tshark (Debian) to run this';

interface Sent {
  atUs: number;
  seq: number;
  timestamp: number;
  marker: boolean;
  packet: Buffer;
  payload: Buffer;
}

/** Legs that are heard by mixers of the same numbers as their sinks. */
class Mixed {
  readonly rig = new PlayerRig();
  readonly sent = new Map<number, Sent[]>();

  open(number: number, setup: Omit<MixerSetup, 'sending'>, codec = PCMU, frames = 2): void {
    const { sinks, mixers, wasm } = this.rig.lane.core;
    const clockRate = codec === G722 ? 8000 : setup.sampleRate;
    const start = { ssrc: SSRC + number, firstSeq: FIRST_SEQ, firstTimestamp: FIRST_TIMESTAMP };
    sinks.write(number, { ...SINK, ...start, clockRate });
    wasm.openSink(number);
    const sending = { sink: number, codec, payloadType: codec === G722 ? 9 : codec === PCMU ? 0 : 97, frames };
    mixers.open(wasm, number, { ...setup, sending });
    this.sent.set(number, []);
  }

  close(number: number): void {
    const { wasm } = this.rig.lane.core;
    wasm.mixerClose(number);
    wasm.closeSink(number);
  }

  run(untilUs: number, onTick?: (tickUs: number) => void): void {
    this.rig.run(untilUs, (tickUs) => {
      this.collect(tickUs);
      onTick?.(tickUs);
    });
  }

  collect(atUs: number): number {
    const { sinks, wasm } = this.rig.lane.core;
    let all = 0;
    for (let sends = wasm.sendMixers(); sends > 0; sends = wasm.sendMixers()) {
      assert.ok(sends <= layout.MAX_SENDS);
      all += sends;
      for (let n = 0; n < sends; n++) {
        const packet = Buffer.from(sinks.packet(n));
        const { seq, timestamp } = { seq: packet.readUInt16BE(2), timestamp: packet.readUInt32BE(4) };
        const sent = this.sent.get(sinks.sinkOf(n))!;
        sent.push({ atUs, seq, timestamp, marker: packet[1]! > 127, packet, payload: packet.subarray(12) });
      }
    }
    return all;
  }
}

function noisePackets(seed: number, peak: number, seconds: number) {
  const random = randomNumbers(seed);
  return Array.from({ length: seconds * 50 }, (_, k) => {
    const pcm = Int16Array.from({ length: 160 }, () => Math.floor((random() * 2 - 1) * peak));
    const payload = Buffer.from(pcm.buffer).swap16();
    return { arrivalUs: (k + 1) * 20_000, bytes: rtp({ seq: k, timestamp: k * 160, payloadType: 96, payload }) };
  });
}

/** Numbers go on by one, timestamps by so many units; the first packet has the marker, and no other. */
function assertContinuous(sent: Sent[], units: number): void {
  for (const [n, { seq, timestamp, marker, packet }] of sent.entries()) {
    assert.equal(seq, (FIRST_SEQ + n) & 0xffff);
    assert.equal(timestamp, (FIRST_TIMESTAMP + n * units) >>> 0);
    assert.equal(marker, n === 0);
    assert.equal(packet[0], 0x80);
  }
}

test('what a receiver decodes is the sum of what the players have played, within the quantisation of the law', {
  skip: withoutFfmpeg,
}, () => {
  const mixed = new Mixed();
  const legs = [mixed.rig.listen({ codecs: [L16] }), mixed.rig.listen({ codecs: [L16] })];
  mixed.open(0, { sampleRate: 8000, players: legs });
  mixed.open(1, { sampleRate: 8000, players: legs }, L16_CODEC, 1);
  for (const [i, leg] of legs.entries()) mixed.rig.send(leg, noisePackets(i + 1, 9000, 2));
  const expected: number[] = [];
  mixed.run(1.8e6, () => {
    const [a, b] = legs.map((leg) => mixed.rig.readers[leg]!.read()!.pcm);
    expected.push(...a!.map((sample, i) => sample + b![i]!));
  });
  const inMulaw = Buffer.concat(mixed.sent.get(0)!.map(({ payload }) => payload));
  const decoded = int16(ffmpeg(inMulaw, '-f', 'mulaw', '-ar', '8000', '-ac', '1', '-i', 'pipe:0', '-f', 's16le'));
  const linear = int16(Buffer.from(Buffer.concat(mixed.sent.get(1)!.map(({ payload }) => payload))).swap16());
  assert.deepEqual([decoded.length, linear.length], [expected.length, expected.length]);
  // The first frame that is heard is faded in.
  const from = expected.findIndex((sample) => sample !== 0) + 80;
  assert.ok(from < 2000 && Math.max(...expected) > 15_000);
  for (let i = from; i < expected.length; i++) {
    assert.equal(linear[i], expected[i], `sample ${i}`);
    // Half a step of the segment, and the two bits that mu-law leaves out.
    assert.ok(Math.abs(decoded[i]! - expected[i]!) <= Math.abs(expected[i]!) / 32 + 8, `sample ${i}`);
  }
  assertContinuous(mixed.sent.get(0)!, 160);
  assertContinuous(mixed.sent.get(1)!, 80);
  for (const { payload } of mixed.sent.get(0)!) assert.equal(payload.length, 160);
  const counts = mixed.rig.lane.core.sinks.counts(0);
  assert.deepEqual([counts.packets, counts.octets], [90, 90 * 160]);
});

test('RFC 3550 5.1: members that change at random, or are none: a packet every ptime, numbers and timestamps go on', () => {
  const step = fc.record({ ticks: fc.integer({ min: 1, max: 12 }), members: fc.subarray([0, 1, 2]) });
  const codec = fc.constantFrom(PCMU, G722, L16_CODEC);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), codec, fc.integer({ min: 1, max: 6 }), (steps, kind, frames) => {
      const mixed = new Mixed();
      const wide = { ...L16, clockRate: 16_000 };
      const legs = [mixed.rig.listen(), mixed.rig.listen(), mixed.rig.listen({ codecs: [wide] })];
      const sampleRate = kind === PCMU ? 8000 : 16_000;
      mixed.open(0, { sampleRate, players: legs }, kind, frames);
      for (const leg of legs) mixed.rig.send(leg, noisePackets(leg, 9000, 5));
      const { mixers, wasm } = mixed.rig.lane.core;
      for (const { ticks, members } of steps) {
        mixed.run(mixed.rig.nowUs + ticks * 10_000);
        mixers.change(wasm, 0, members);
      }
      const sent = mixed.sent.get(0)!;
      assert.equal(sent.length, Math.floor(mixed.rig.nowUs / (frames * 10_000)));
      assertContinuous(sent, frames * (kind === L16_CODEC ? 160 : 80));
      for (const [n, { atUs, payload }] of sent.entries()) {
        assert.equal(atUs, ((n + 1) * frames - 1) * 10_000);
        assert.equal(payload.length, frames * (kind === L16_CODEC ? 320 : 80));
      }
    }),
    { numRuns: 40 },
  );
});

test('over a pause numbers go on without a gap and timestamps with the clock, and so when the lane has stood still', () => {
  const mixed = new Mixed();
  const { sinks } = mixed.rig.lane.core;
  mixed.open(0, { sampleRate: 8000, players: [] });
  mixed.run(200_000);
  sinks.setPaused(0, true);
  mixed.run(600_000);
  sinks.setPaused(0, false);
  mixed.run(1e6);
  const sent = mixed.sent.get(0)!;
  assert.equal(sent.length, 30);
  const resumed = sent[10]!;
  assert.deepEqual([sent[9]!.marker, resumed.marker, sent[11]!.marker], [false, true, false]);
  assert.deepEqual([resumed.seq, resumed.timestamp], [(FIRST_SEQ + 10) & 0xffff, (FIRST_TIMESTAMP + 30 * 160) >>> 0]);
  assert.equal(sinks.lastSentUs(0), 990_000);
  mixed.rig.nowUs += 3e6;
  mixed.run(mixed.rig.nowUs + 100_000);
  const after = sent[30]!;
  assert.equal(after.marker, true);
  assert.equal(after.seq, (FIRST_SEQ + 30) & 0xffff);
  assert.equal((after.timestamp - sent[29]!.timestamp) >>> 0, 160 + 300 * 80, 'what was left out is in the timestamp');
  const whole = sent.slice(30);
  for (let n = 1; n < whole.length; n++) assert.equal((whole[n]!.timestamp - whole[n - 1]!.timestamp) >>> 0, 160);
});

test('RFC 3550 6.4.1: a report has the timestamp that the clock has come to, our own time and name', () => {
  const mixed = new Mixed();
  const { core } = mixed.rig.lane;
  mixed.open(3, { sampleRate: 16_000, players: [] }, G722);
  mixed.run(500_000);
  const report = Buffer.from(core.sinkReport(3, 545_000n, 1_700_000_000_500, Buffer.from('test'))!);
  assert.equal(report[1], 200);
  assert.equal(report.readUInt32BE(4), SSRC + 3);
  assert.equal(report.readUInt32BE(8), 1_700_000_000 + 2_208_988_800);
  // The newest packet has the timestamp 24 * 160 and was complete at 490 ms.
  assert.equal(report.readUInt32BE(16), (FIRST_TIMESTAMP + 24 * 160 + 55 * 8) >>> 0);
  assert.deepEqual([report.readUInt32BE(20), report.readUInt32BE(24)], [25, 25 * 160]);
  assert.ok(report.subarray(28).includes('test'));
});

test('as many mixtures as a lane has, more than one outgoing batch: each gets every packet, and nothing is sent of those that are closed', () => {
  const mixed = new Mixed();
  const leg = mixed.rig.listen();
  mixed.rig.send(leg, noisePackets(1, 5000, 1));
  for (let n = 0; n < layout.MAX_MIXERS; n++) mixed.open(n, { sampleRate: 8000, players: [leg] });
  // Stood still for nine packets: all of them at once.
  mixed.rig.run(180_000);
  assert.equal(mixed.collect(180_000), 9 * layout.MAX_MIXERS);
  for (const sent of mixed.sent.values()) assertContinuous(sent, 160);
  for (let n = 0; n < layout.MAX_MIXERS; n++) if (n !== 100) mixed.close(n);
  mixed.rig.run(220_000);
  assert.equal(mixed.collect(220_000), 2);
  mixed.close(100);
  mixed.rig.lane.core.wasm.playerClose(leg);
  assert.equal(mixed.rig.lane.core.players.isClockRunning, false);
  assert.equal(mixed.collect(240_000), 0);
});

test('a sink of a mixture is none of a stream: what the stream gets is not copied to it', () => {
  const mixed = new Mixed();
  mixed.open(0, { sampleRate: 8000, players: [] });
  const { lane } = mixed.rig;
  mixed.rig.listen();
  lane.rtp(rtp({ seq: 1 }), 0);
  assert.equal(lane.core.wasm.replicate(1, 1), 0);
  mixed.close(0);
  lane.rtp(rtp({ seq: 2 }), 20_000);
  assert.equal(lane.core.wasm.replicate(1, 1), 0);
});

test('tshark reads a mixture whose members change as one clean stream', { skip: missing }, () => {
  const mixed = new Mixed();
  const legs = [mixed.rig.listen({ codecs: [L16] }), mixed.rig.listen({ codecs: [L16] })];
  for (const leg of legs) mixed.rig.send(leg, noisePackets(leg, 9000, 10));
  mixed.open(0, { sampleRate: 8000, players: legs });
  const random = randomNumbers(7);
  const { mixers, wasm } = mixed.rig.lane.core;
  mixed.run(10e6, () => {
    if (random() < 0.1)
      mixers.change(
        wasm,
        0,
        legs.filter(() => random() < 0.5),
      );
  });
  const [from, to] = [
    { address: '192.0.2.1', port: 20_000 },
    { address: '192.0.2.2', port: 30_000 },
  ];
  const records = mixed.sent.get(0)!.map(({ atUs, packet }) => pcapRecord(1e12 + atUs, from, to, packet));
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-mix-'));
  const file = path.join(folder, 'mix.pcap');
  writeFileSync(file, Buffer.concat([pcapFileHeader(), ...records]));
  const told = execFileSync('tshark', ['-r', file, '-d', 'udp.port==30000,rtp', '-q', '-z', 'rtp,streams']).toString();
  const streams = told.split('\n').filter((line) => line.includes(to.address));
  assert.equal(streams.length, 1);
  // 500 packets, none lost, every 20 ms to the microsecond, no problem.
  assert.match(streams[0]!, /0x0BADCAFE +g711U +500 +0 \(0\.0%\) +20\.000 +20\.000 +20\.000 .* 0\.000 *$/);
  rmSync(folder, { recursive: true });
});
