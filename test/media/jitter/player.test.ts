/** What a player makes of streams as networks and senders spoil them, held against the ramp that was sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlayedFrame } from '../../../src/media/player-memory.ts';
import { randomNumbers, rtp } from '../rig.ts';
import { imbalance, type Packet, PlayerRig, rampPackets, rampPayload, readAll, type Sender } from './rig.ts';

const steady = () => 10_000;

function play(sender: Partial<Sender>, more: Packet[] = [], seconds = sender.seconds ?? 4) {
  const rig = new PlayerRig();
  const player = rig.listen();
  rig.send(player, [...rampPackets({ seconds, network: steady, ...sender }), ...more]);
  const frames = rig.frames(player, seconds * 1e6);
  const stats = rig.stats(player);
  assert.equal(imbalance(stats.ledger), 0, 'the ledger is exact');
  assert.equal(frames.length, seconds * 100);
  return { frames, stats };
}

/** All samples of the frames in a row. */
function samples(frames: PlayedFrame[]): number[] {
  return frames.flatMap((frame) => [...frame.pcm]);
}

/** How many samples stand in a run of the ramp that never breaks, from the first sample that is not silence on. */
function unbrokenSamples(frames: PlayedFrame[]): number {
  const pcm = samples(frames);
  const first = pcm.findIndex((sample) => sample !== 0);
  assert.equal(pcm[first], -10_000, 'it begins with the first sample that was sent');
  for (let i = first; i < pcm.length; i++) if (pcm[i] !== ((i - first) % 20_000) - 10_000) return i - first;
  return pcm.length - first;
}

/** True when every sample of the frame is the one that its timestamp names. */
function isTrue({ pcm, rtpTimestamp }: PlayedFrame, firstTimestamp = 5000): boolean {
  const first = (rtpTimestamp - firstTimestamp) >>> 0;
  return pcm.every((sample, i) => sample === ((first + i) % 20_000) - 10_000);
}

const count = (frames: PlayedFrame[], kind: string) => frames.filter((frame) => frame.kind === kind).length;

test('an even stream is played sample by sample after the first delay, with its timestamps', () => {
  const { frames, stats } = play({});
  assert.ok(unbrokenSamples(frames) > 3.9 * 8000);
  const speech = frames.filter(({ kind }) => kind === 'speech');
  assert.ok(speech.slice(1).every((frame) => isTrue(frame)));
  assert.equal(stats.ledger.concealed + stats.ledger.discarded + stats.ledger.insertedExpand, 0);
  // 20 ms until a packet is whole, 10 ms on its way, 40 ms of delay before anything is known: 70 ms of silence.
  assert.equal(stats.ledger.silence, 560);
});

for (const ptime of [10, 20, 30, 40, 60]) {
  test(`a ptime of ${ptime} ms`, () => {
    const { frames, stats } = play({ ptimeMs: () => ptime });
    assert.ok(unbrokenSamples(frames) > 3.8 * 8000);
    assert.equal(stats.packets.late, 0);
  });
}

test('changes of ptime in mid-stream', () => {
  const ptimes = [20, 10, 60, 30, 40];
  const { frames, stats } = play({ ptimeMs: (k) => ptimes[Math.floor(k / 15) % 5]! });
  assert.ok(count(frames, 'speech') > 385);
  assert.equal(stats.packets.late + stats.packets.overflow, 0);
  assert.ok(stats.ledger.concealed <= 400, 'at most what longer packets come later');
});

test('RFC 3550 5.1: sequence number and timestamp wrap', () => {
  const firstTimestamp = 0xffff_ffff - 12_000;
  const { frames } = play({ firstSeq: 65_500, firstTimestamp });
  assert.ok(unbrokenSamples(frames) > 3.9 * 8000);
  const speech = frames.filter(({ kind }) => kind === 'speech').slice(1);
  assert.ok(speech.every((frame) => isTrue(frame, firstTimestamp)));
});

test('packets that overtake one another within the delay, and copies of them, change nothing', () => {
  const network = (_: number, k: number) => (k % 5 === 3 ? 35_000 : 10_000);
  const packets = rampPackets({ seconds: 4, network });
  const copies = packets.map(({ arrivalUs, bytes }) => ({ arrivalUs: arrivalUs + 3000, bytes }));
  const { frames, stats } = play({ network }, copies);
  assert.ok(unbrokenSamples(frames) > 3.9 * 8000);
  assert.equal(stats.packets.late, 0);
  assert.ok(stats.packets.received <= 200);
});

test('what is lost is concealed for as long, and what comes behind it is in its place', () => {
  const { frames, stats } = play({ network: (_, k) => (k > 10 && k % 20 === 0 ? null : 10_000) });
  assert.equal(stats.ledger.concealed, 9 * 160);
  assert.equal(count(frames, 'concealed'), 18);
  const good = frames.filter((frame, i) => frame.kind === 'speech' && frames[i - 1]?.kind === 'speech');
  assert.ok(good.length > 350 && good.slice(1).every((frame) => isTrue(frame)));
});

test('a long gap is concealed for 100 ms, then silent', () => {
  const { frames, stats } = play({ network: (sentUs) => (sentUs > 1.5e6 && sentUs < 2.5e6 ? null : 10_000) });
  assert.equal(stats.ledger.concealed, 800);
  const silent = frames.slice(100).filter(({ kind }) => kind === 'silence').length;
  assert.ok(silent >= 88 && silent <= 91, `${silent} frames of silence`);
  assert.ok(isTrue(frames.at(-1)!));
});

test('a spike makes the delay longer at once: the packets behind it are played, and time shrinks again', () => {
  const network = (sentUs: number) => Math.max(10_000, sentUs > 2e6 && sentUs < 2.12e6 ? 2.13e6 - sentUs : 0);
  const { frames, stats } = play({ network, seconds: 60 });
  assert.equal(stats.packets.late, 0, 'none is lost to it');
  assert.ok(stats.ledger.insertedExpand >= 400, `${stats.ledger.insertedExpand} inserted`);
  assert.ok(stats.ledger.removedAccelerate >= stats.ledger.insertedExpand - 300, 'and taken out again');
  assert.ok(stats.targetDelayMs < 45);
  assert.equal(count(frames, 'silence'), 7);
});

test('a packet that is later than the longest delay is counted', () => {
  const { stats } = play({ network: (_, k) => (k === 50 ? 400_000 : 10_000) });
  assert.equal(stats.packets.late, 1);
  assert.equal(stats.ledger.concealed, 160);
  assert.ok(stats.targetDelayMs > 150 && stats.targetDelayMs <= 200);
});

test('a way that becomes longer for good costs less than two seconds', () => {
  const { frames, stats } = play({ network: (sentUs) => (sentUs > 2e6 ? 310_000 : 10_000), seconds: 8 });
  assert.ok(stats.packets.late < 60, `${stats.packets.late} late`);
  assert.ok(frames.slice(-300).every(({ kind }) => kind === 'speech'));
});

test('another SSRC goes on where the first has ended', () => {
  const first = rampPackets({ seconds: 2, network: steady });
  const second = rampPackets({ seconds: 2, network: steady, ssrc: 77, firstSeq: 9, firstTimestamp: 4_000_000_000 });
  const rig = new PlayerRig();
  const player = rig.listen();
  rig.send(player, [...first, ...second.map(({ arrivalUs, bytes }) => ({ arrivalUs: arrivalUs + 2e6, bytes }))]);
  const frames = rig.frames(player, 4e6);
  const { ledger, anchored } = rig.stats(player);
  assert.equal(anchored, 1);
  assert.equal(imbalance(ledger), 0);
  assert.ok(ledger.concealed + ledger.silence <= 700, `${ledger.concealed} concealed`);
  assert.ok(isTrue(frames.at(-1)!, 4_000_000_000));
});

test('timestamps that leap while sequence numbers go on are anchored anew', () => {
  const packets = rampPackets({ seconds: 4, network: steady });
  for (const { bytes } of packets.slice(100)) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset);
    view.writeUInt32BE((view.readUInt32BE(4) + 100_000) >>> 0, 4);
  }
  const rig = new PlayerRig();
  const player = rig.listen();
  rig.send(player, packets);
  const frames = rig.frames(player, 4e6);
  assert.equal(rig.stats(player).anchored, 1);
  assert.equal(imbalance(rig.stats(player).ledger), 0);
  assert.ok(count(frames, 'speech') > 380);
});

test('RFC 3389: comfort noise of the level that was sent, until speech goes on in its place', () => {
  const packets = rampPackets({ seconds: 6, network: steady }).filter((_, k) => k < 100 || k >= 200);
  const noise = rtp({ seq: 1100, timestamp: 5000 + 16_000, payloadType: 13, payload: Uint8Array.of(40) });
  for (const { bytes } of packets.slice(100)) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset);
    view.writeUInt16BE(view.readUInt16BE(2) - 99, 2); // nothing was sent in the pause
  }
  const rig = new PlayerRig();
  const player = rig.listen();
  rig.send(player, [...packets, { arrivalUs: 2.02e6 + 10_000, bytes: noise }]);
  const frames = rig.frames(player, 6e6);
  const { ledger } = rig.stats(player);
  assert.equal(imbalance(ledger), 0);
  assert.equal(ledger.concealed, 0);
  assert.ok(Math.abs(ledger.comfort - 16_000) <= 160, `${ledger.comfort} samples of noise`);
  const pcm = samples(frames.filter(({ kind }) => kind === 'comfort-noise'));
  const power = pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length;
  const dBov = 10 * Math.log10(power / 32_768 ** 2);
  assert.ok(Math.abs(dBov + 40) < 0.5, `${dBov} dBov`);
  assert.ok(isTrue(frames.at(-1)!));
});

test('a sender that pauses without a word is silent, not concealed, when it goes on', () => {
  const packets = rampPackets({ seconds: 4, network: steady }).filter((_, k) => k < 60 || k >= 120);
  const { bytes } = packets[60]!;
  assert.equal(Buffer.from(bytes).readUInt16BE(2), 1120);
  for (const { bytes: later } of packets.slice(60)) {
    const view = Buffer.from(later.buffer, later.byteOffset);
    view.writeUInt16BE(view.readUInt16BE(2) - 60, 2);
  }
  const rig = new PlayerRig();
  const player = rig.listen();
  rig.send(player, packets);
  const frames = rig.frames(player, 4e6);
  const { ledger } = rig.stats(player);
  assert.equal(ledger.concealed, 800);
  assert.ok(Math.abs(ledger.silence - 560 - (60 * 160 - 800)) < 160);
  assert.ok(isTrue(frames.at(-1)!));
});

test('a pause that is known of before it is played is not concealed at all', () => {
  const packets = rampPackets({ seconds: 2, network: steady }).filter((_, k) => k < 60 || k >= 63);
  for (const { bytes } of packets.slice(60)) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset);
    view.writeUInt16BE(view.readUInt16BE(2) - 3, 2);
  }
  const rig = new PlayerRig();
  const player = rig.listen({ minDelayMs: 150 });
  rig.send(player, packets);
  const frames = rig.frames(player, 1.9e6);
  const { ledger } = rig.stats(player);
  assert.equal(ledger.concealed, 0);
  assert.equal(ledger.silence, (20 + 10 + 150) * 8 + 3 * 160);
  assert.ok(isTrue(frames.at(-1)!));
});

test('RFC 3551: PCMU and PCMA as the tables of G.711 say', () => {
  for (const [payloadType, octet, linear] of [
    [0, 0x80, 32_124],
    [8, 0xaa, 32_256],
  ] as const) {
    const rig = new PlayerRig();
    const player = rig.listen();
    const packets = Array.from({ length: 50 }, (_, k) => ({
      arrivalUs: k * 20_000,
      bytes: rtp({ seq: k, timestamp: k * 160, payloadType, payload: new Uint8Array(160).fill(octet) }),
    }));
    rig.send(player, packets);
    const last = rig.frames(player, 1e6).at(-1)!;
    assert.ok(last.kind === 'speech' && last.pcm.every((sample) => sample === linear));
  }
});

test('unknown payload types, payloads too long, and more than fits are counted', () => {
  const { stats } = play({}, [
    { arrivalUs: 1e6, bytes: rtp({ seq: 2000, payloadType: 101 }) },
    { arrivalUs: 1e6, bytes: rtp({ seq: 2001, payloadType: 96, payload: new Uint8Array(2100) }) },
  ]);
  assert.equal(stats.packets.unknown, 1);
  assert.equal(stats.packets.oversize, 1);
  const rig = new PlayerRig();
  const player = rig.listen();
  const burst = Array.from({ length: 100 }, (_, k) => ({
    arrivalUs: 0,
    bytes: rtp({ seq: k, timestamp: k * 80, payloadType: 96, payload: rampPayload(k * 80, 80) }),
  }));
  rig.send(player, burst);
  rig.run(2e6);
  assert.equal(rig.stats(player).packets.overflow, 36);
  assert.equal(imbalance(rig.stats(player).ledger), 0);
});

test('a reader that is too slow sees what is there still, and counts what it has missed', () => {
  const rig = new PlayerRig();
  const player = rig.listen();
  rig.send(player, rampPackets({ seconds: 3, network: steady }));
  rig.run(2e6);
  const reader = rig.readers[player]!;
  const frames = readAll(reader);
  assert.equal(frames.length + reader.missedFrames, 200);
  assert.equal(frames.length, 32);
  assert.ok(frames.every((frame) => isTrue(frame)));
  rig.run(2.3e6);
  assert.equal(readAll(reader).length, 30);
  assert.equal(reader.missedFrames, 168);
});

test('what is inserted and removed of a tone is not heard: no step is larger and no period fainter than its own', () => {
  const [amplitude, hertz, seconds] = [8000, 300, 120];
  const steepest = amplitude * 2 * Math.PI * (hertz / 8000);
  const packets = Array.from({ length: seconds * 50 }, (_, k) => {
    const payload = Buffer.alloc(320);
    for (let i = 0; i < 160; i++) {
      payload.writeInt16BE(Math.round(amplitude * Math.sin((2 * Math.PI * hertz * (k * 160 + i)) / 8000)), i * 2);
    }
    // Sixty milliseconds more for twenty seconds: the delay grows by pitch periods, and shrinks by them again.
    const way = k > 500 && k < 1500 ? 70_000 : 10_000;
    return {
      arrivalUs: (k + 1) * 20_000 * (1 - 200e-6) + way,
      bytes: rtp({ seq: k, timestamp: k * 160, payloadType: 96, payload }),
    };
  });
  const rig = new PlayerRig();
  const player = rig.listen({ minDelayMs: 20 });
  rig.send(player, packets);
  const pcm = samples(rig.frames(player, (seconds - 1) * 1e6)).slice(800);
  const { ledger } = rig.stats(player);
  assert.ok(ledger.insertedExpand >= 300 && ledger.removedAccelerate >= 400 && ledger.removedSkew >= 10);
  assert.equal(imbalance(ledger), 0);
  let worst = 0;
  for (let i = 1; i < pcm.length; i++) worst = Math.max(worst, Math.abs(pcm[i]! - pcm[i - 1]!));
  assert.ok(worst <= steepest * 1.05, `a step of ${worst}, the tone has ${steepest}`);
  let faintest = amplitude;
  for (let i = 0; i + 27 <= pcm.length; i += 27) {
    faintest = Math.min(faintest, Math.max(...pcm.slice(i, i + 27).map(Math.abs)));
  }
  assert.ok(faintest > amplitude * 0.75, `a period whose peak is ${faintest}`);
});

test('a sender 300 ppm fast or slow is followed without concealment', () => {
  const random = randomNumbers(5);
  for (const ppm of [300, -300]) {
    const { stats } = play({ ppm, seconds: 301, network: () => 10_000 + random() * 8000 }, [], 300);
    assert.ok(Math.abs(stats.skewPpm - ppm) < 20, `${stats.skewPpm} ppm`);
    assert.equal(stats.ledger.concealed, 0);
    const { insertedSkew, removedSkew, insertedExpand, removedAccelerate } = stats.ledger;
    const net = removedSkew + removedAccelerate - insertedSkew - insertedExpand;
    assert.ok(Math.abs(net - ppm * 0.008 * 300) < 200, `${net} samples`);
  }
});
