/** Mixtures of streams over real sockets: a supervisor, a conference, parties who are told by a tone; with SRTP, and over the death of a lane. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lifeOf } from '../../bench/system/contenders/lane-death.ts';
import { LaneFull, type MixOptions, type MixSink, type PayloadType, type StreamMedia } from '../../src/media/index.ts';
import { parseRtcp } from '../../src/media/rtcp.ts';
import { ffmpeg, int16, withoutFfmpeg } from '../ffmpeg.ts';
import { LOOPBACK, PCMU, Sender, TestEngine, until } from './loopback.ts';
import { newKeys, Receiver, sessionOf } from './receiver.ts';
import { rtp } from './rig.ts';
import { unprotectRtp } from './srtp/oracle.ts';

const STREAM = { label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: false };
const AS_PCMU = { payloadType: 0, encoding: 'PCMU' } as const;
const AS_L16 = { payloadType: 97, encoding: 'L16' } as const;
const DTMF: PayloadType = { payloadType: 101, encoding: 'telephone-event', clockRate: 8000, channels: 1, fmtp: '0-15' };
/** Octets of PCMU and what they stand for (G.711 table 2). */
const LOUD = { octet: 0x90, linear: 15_996 };
const SOFT = { octet: 0xc0, linear: 1884 };

/** Speaks 20 ms of PCMU whenever it is time, to the stream that it has. */
class Party {
  readonly sender: Sender;
  readonly heard: Buffer[] = [];
  media!: StreamMedia;
  #k = 0;
  readonly #startMs = performance.now();
  readonly #payload: (k: number) => Uint8Array;

  private constructor(sender: Sender, payload: (k: number) => Uint8Array) {
    this.sender = sender;
    this.#payload = payload;
    sender.rtp.on('message', (packet) => void this.heard.push(packet));
  }

  static async open(payload: (k: number) => Uint8Array): Promise<Party> {
    return new Party(await Sender.open(), payload);
  }

  speak(): void {
    for (; this.#k * 20 < performance.now() - this.#startMs; this.#k++) {
      const k = this.#k;
      this.sender.send(rtp({ seq: k, timestamp: k * 160, payload: this.#payload(k) }), this.media);
    }
  }
}

const steady = (octet: number) => () => new Uint8Array(160).fill(octet);

const linearOf = (packet: Buffer) => int16(Buffer.from(packet.subarray(12)).swap16());

const isSteady = (packet: Buffer, value: number) => linearOf(packet).every((sample) => sample === value);

/** Parties speak until then. */
async function whileSpeaking(parties: Party[], isTrue: () => boolean, what: string, withinMs = 8000): Promise<void> {
  await until(
    () => {
      for (const party of parties) party.speak();
      return isTrue();
    },
    what,
    withinMs,
  );
}

/** Numbers and timestamps of an SSRC go on, from the first packet to the last. */
function assertContinuous(packets: Buffer[], units: number): void {
  for (const [n, packet] of packets.entries()) {
    const first = packets[0]!;
    assert.equal(packet.readUInt32BE(8), first.readUInt32BE(8));
    assert.equal(packet.readUInt16BE(2), (first.readUInt16BE(2) + n) & 0xffff);
    assert.equal(packet.readUInt32BE(4), (first.readUInt32BE(4) + n * units) >>> 0);
    assert.equal(packet[1]! > 127, n === 0, 'the marker is that of the first');
  }
}

test('a supervisor hears two parties, then one of them, then none, in one stream without a gap', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const parties = [await Party.open(steady(LOUD.octet)), await Party.open(steady(SOFT.octet))];
  for (const [channel, party] of parties.entries()) {
    const options = { ...STREAM, channel, payloadTypes: [...PCMU, DTMF], remote: party.sender.remote };
    party.media = await session.addStream(options);
  }
  const receiver = await Receiver.open();
  const mix = await session.addMix({
    ...AS_L16,
    streams: [0, 1],
    remote: { address: LOOPBACK, rtpPort: receiver.port },
  });
  const hear = async (value: number, what: string) => {
    const from = receiver.packets.length;
    await whileSpeaking(parties, () => receiver.packets.slice(from).some((packet) => isSteady(packet, value)), what);
  };
  await hear(LOUD.linear + SOFT.linear, 'the sum of both');
  // A key is pressed (RFC 4733): it is no sound.
  const event = { payloadType: 101, payload: Uint8Array.of(5, 10, 0, 160) };
  for (let seq = 9000; seq < 9010; seq++) parties[0]!.sender.send(rtp({ ...event, seq, ssrc: 77 }), parties[0]!.media);
  await mix.setStreams([1]);
  await hear(SOFT.linear, 'one of them');
  assert.deepEqual(mix.streams, [1]);
  await mix.setStreams([]);
  await hear(0, 'silence');
  await mix.setStreams([1, 0, 1]);
  await hear(LOUD.linear + SOFT.linear, 'both again');
  await session.removeStream(1);
  assert.deepEqual(mix.streams, [0], 'a stream that ends leaves the mix');
  await hear(LOUD.linear, 'who is left');
  await mix.pause();
  const paused = receiver.packets.length;
  assert.equal(mix.stats().packets, paused);
  await mix.resume();
  await hear(LOUD.linear, 'after a pause');
  assertContinuous(receiver.packets.slice(0, paused), 160);
  assert.equal(receiver.packets[paused]!.readUInt16BE(2), (receiver.packets[0]!.readUInt16BE(2) + paused) & 0xffff);
  const values = new Set(receiver.packets.flatMap((packet) => [...linearOf(packet)]));
  assert.ok(
    Math.max(...values) <= LOUD.linear + SOFT.linear + 1 && Math.min(...values) >= -1,
    'no key, no other click',
  );
  const last = await mix.remove();
  assert.deepEqual([last.packets, last.octets], [receiver.packets.length, receiver.packets.length * 320]);
  assert.deepEqual(await mix.remove(), last);
  assert.throws(() => mix.stats(), RangeError);
  await mix.setStreams([0]); // without effect
  await session.close();
  receiver.close();
  for (const { sender } of parties) sender.close();
  await tested.close();
});

/** How much of the energy is at that frequency. */
function shareOf(pcm: Int16Array, hz: number): number {
  let [re, im, energy] = [0, 0, 1e-9];
  for (const [i, sample] of pcm.entries()) {
    re += sample * Math.cos((2 * Math.PI * hz * i) / 8000);
    im += sample * Math.sin((2 * Math.PI * hz * i) / 8000);
    energy += sample * sample;
  }
  return (2 * (re * re + im * im)) / (energy * pcm.length);
}

/** Packets of PCMU of 20 ms. */
function decoded(packets: Buffer[]): Int16Array[] {
  const octets = Buffer.concat(packets.map((packet) => packet.subarray(12)));
  const pcm = int16(ffmpeg(octets, '-f', 'mulaw', '-ar', '8000', '-ac', '1', '-i', 'pipe:0', '-f', 's16le'));
  return packets.map((_packet, n) => pcm.subarray(n * 160, n * 160 + 160));
}

test('a conference of three: each hears the two others and not itself, at the ports that it speaks to', {
  skip: withoutFfmpeg,
}, async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const tones = [400, 1000, 1700];
  const parties: Party[] = [];
  for (const [channel, hz] of tones.entries()) {
    const sound = `aevalsrc='0.25*sin(2*PI*${hz}*t)':d=1:s=8000`;
    const octets = ffmpeg(new Uint8Array(), '-f', 'lavfi', '-i', sound, '-f', 'mulaw');
    const party = await Party.open((k) => octets.subarray((k % 50) * 160, (k % 50) * 160 + 160));
    party.media = await session.addStream({ ...STREAM, channel, remote: null });
    parties.push(party);
  }
  const mixes: MixSink[] = [];
  for (const via of [0, 1, 2]) {
    const streams = [0, 1, 2].filter((index) => index !== via);
    mixes.push(await session.addMix({ ...AS_PCMU, streams, remote: 'learned', via }));
  }
  await until(() => mixes.every((mix) => mix.stats().undirected > 0), 'mixes that have nowhere to go yet');
  await whileSpeaking(parties, () => parties.every(({ heard }) => heard.length > 90), 'a conference');
  for (const [n, { heard, media }] of parties.entries()) {
    assertContinuous(heard, 160);
    assert.equal(mixes[n]!.local.rtpPort, media.rtpPort);
    // The median of packets: a sample that is left out to follow a clock is a jump of the phase.
    const pcm = decoded(heard.slice(-50));
    const shares = tones.map((hz) => pcm.map((one) => shareOf(one, hz)).toSorted((a, b) => a - b)[25]!);
    for (const [other, share] of shares.entries()) {
      assert.ok(other === n ? share < 0.001 : share > 0.4, `party ${n}: ${shares}`);
    }
  }
  await session.removeStream(2);
  assert.throws(() => mixes[2]!.stats(), RangeError, 'a mix goes with the stream that it leaves via');
  assert.deepEqual([mixes[0]!.streams, mixes[1]!.streams], [[1], [0]]);
  await session.close();
  for (const { sender } of parties) sender.close();
  await tested.close();
});

test('RFC 3711: a mix under keys of its own, as another implementation reads it; with reports, and BYE in the end', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const party = await Party.open(steady(SOFT.octet));
  party.media = await session.addStream({ ...STREAM, remote: party.sender.remote });
  const [receiver, reports] = [await Receiver.open(), await Receiver.open()];
  const srtp = newKeys('AEAD_AES_128_GCM');
  const secure = await session.addMix({
    ...{ ...AS_L16, clockRate: 16_000, ptimeMs: 10, streams: [0], srtp },
    remote: { address: LOOPBACK, rtpPort: receiver.port },
  });
  const tone = { frequencyHz: 440, onMs: 1000, everyMs: 1000, levelDbm0: -20 };
  const clear = await session.addMix({
    ...{ payloadType: 8, encoding: 'PCMA', streams: [], tone },
    remote: { address: LOOPBACK, rtpPort: reports.port, rtcpPort: reports.port },
  });
  const keys = sessionOf(srtp);
  const opened = () => receiver.packets.map((packet) => unprotectRtp(keys.rtp, 0, packet));
  await whileSpeaking([party], () => receiver.packets.length > 60, 'what is encrypted');
  assertContinuous(opened(), 160);
  assert.equal(opened()[0]!.readUInt32BE(8), secure.ssrc);
  assert.ok(
    opened()
      .slice(-10)
      .every((packet) => packet.length === 12 + 320 && isSteady(packet, SOFT.linear)),
  );
  const isRtcp = (packet: Buffer) => packet[1]! >= 200 && packet[1]! <= 204;
  await until(() => reports.packets.some((packet) => packet[1] === 200), 'a sender report', 8000);
  const { ssrc } = clear;
  await clear.remove();
  await until(() => isRtcp(reports.packets.at(-1)!), 'the last report');
  const sound = reports.packets.filter((packet) => !isRtcp(packet));
  assertContinuous(sound, 160);
  assert.ok(sound.length > 5 && sound.every((packet) => (packet[1]! & 127) === 8 && packet.length === 172));
  const said = parseRtcp(reports.packets.at(-1)!)!;
  assert.deepEqual(
    said.map(({ type }) => type),
    ['sr', 'sdes', 'bye'],
  );
  assert.ok(said[0]!.type === 'sr' && said[0]!.ssrc === ssrc && said[0]!.packets === sound.length);
  await session.close();
  for (const one of [receiver, reports]) one.close();
  party.sender.close();
  await tested.close();
});

test('a lane that is started again sends its mixes on, as other sources', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const party = await Party.open(steady(LOUD.octet));
  party.media = await session.addStream({ ...STREAM, remote: party.sender.remote });
  const receiver = await Receiver.open();
  const mix = await session.addMix({ ...AS_L16, streams: [0], remote: { address: LOOPBACK, rtpPort: receiver.port } });
  const ofThisLife = () => receiver.packets.filter((packet) => packet.readUInt32BE(8) === mix.ssrc);
  const isHeard = () => ofThisLife().length > 0 && isSteady(ofThisLife().at(-1)!, LOUD.linear);
  await whileSpeaking([party], isHeard, 'the first life');
  const before = mix.ssrc;
  await Promise.all(lifeOf(0).pool.threads.map((thread) => thread.terminate()));
  await until(() => tested.events.some(({ type }) => type === 'lane-restarted'), 'the restart');
  assert.notEqual(mix.ssrc, before);
  await whileSpeaking([party], isHeard, 'the second life');
  assertContinuous(ofThisLife(), 160);
  await mix.setStreams([]);
  await whileSpeaking([party], () => isSteady(receiver.packets.at(-1)!, 0), 'nobody');
  await session.close();
  receiver.close();
  party.sender.close();
  await tested.close();
});

test('a party that changes its codec to one of another rate is heard on', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  const party = await Party.open(steady(LOUD.octet));
  party.media = await session.addStream({ ...STREAM, remote: party.sender.remote });
  const receiver = await Receiver.open();
  const mix = await session.addMix({ ...AS_L16, streams: [0], remote: { address: LOOPBACK, rtpPort: receiver.port } });
  const isHeard = () => receiver.packets.length > 0 && isSteady(receiver.packets.at(-1)!, LOUD.linear);
  await whileSpeaking([party], isHeard, 'PCMU');
  const dtmfOnly = { ...STREAM, payloadTypes: [DTMF], remote: party.sender.remote };
  await session.updateStream(0, dtmfOnly);
  await whileSpeaking([party], () => isSteady(receiver.packets.at(-1)!, 0), 'nothing that could be heard');
  const wide = [{ payloadType: 98, encoding: 'L16', clockRate: 16_000, channels: 1, fmtp: null }];
  await session.updateStream(0, { ...dtmfOnly, payloadTypes: wide });
  const payload = Buffer.alloc(640);
  for (let i = 0; i < 320; i++) payload.writeInt16BE(3000, i * 2);
  const startMs = performance.now();
  let k = 0;
  await until(() => {
    for (; k * 20 < performance.now() - startMs; k++) {
      party.sender.send(rtp({ seq: 500 + k, timestamp: k * 320, ssrc: 5, payloadType: 98, payload }), party.media);
    }
    return isSteady(receiver.packets.at(-1)!, 3000);
  }, 'L16 at 16 kHz');
  assert.deepEqual(mix.streams, [0]);
  assertContinuous(receiver.packets, 160);
  await session.close();
  receiver.close();
  party.sender.close();
  await tested.close();
});

test('what cannot be is said at once, and a lane that is full says so; both leave nothing behind', async () => {
  const tested = await TestEngine.start();
  const session = await tested.engine.openSession();
  await session.addStream({ ...STREAM, remote: null });
  await session.addStream({ ...STREAM, channel: 1, payloadTypes: [DTMF], remote: null });
  const remote = { address: LOOPBACK, rtpPort: 9 };
  const good: MixOptions = { ...AS_PCMU, streams: [0], remote };
  const bad: Partial<MixOptions>[] = [
    { streams: [2] },
    { streams: [1] },
    { ptimeMs: 25 },
    { ptimeMs: 70 },
    { payloadType: 128 },
    { clockRate: 16_000 },
    { encoding: 'opus' as 'PCMU' },
    { encoding: 'L16', clockRate: 48_000, ptimeMs: 20 },
    { via: 7 },
    { remote: 'learned' },
    { minDelayMs: 300 },
    { tone: { frequencyHz: 4000, onMs: 1, everyMs: 2, levelDbm0: 0 } },
    { tone: { frequencyHz: 400, onMs: 3, everyMs: 2, levelDbm0: 0 } },
    { tone: { frequencyHz: 400, onMs: 1, everyMs: 2, levelDbm0: 4 } },
  ];
  for (const options of bad)
    await assert.rejects(session.addMix({ ...good, ...options }), RangeError, JSON.stringify(options));
  const mix = await session.addMix(good);
  for (const streams of [[0, 1], [5]]) await assert.rejects(mix.setStreams(streams), RangeError);
  assert.deepEqual(mix.streams, [0]);
  const others = await Promise.all(Array.from({ length: 255 }, () => session.addMix(good)));
  await assert.rejects(session.addMix(good), LaneFull);
  await others[0]!.remove();
  await session.addMix(good);
  // At the same time: whoever goes is no member of anybody.
  await Promise.all([session.removeStream(0), session.removeStream(1)]);
  assert.deepEqual(mix.streams, []);
  await session.close();
  await assert.rejects(session.addMix(good), RangeError);
  await tested.close();
});
