/** What sinks that look back get, against a model that knows only the source's packets and when sinks came, went and were paused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as layout from '../../assembly/layout.ts';
import { createLaneMemory } from '../../src/media/memory.ts';
import { Rig, rtp } from './rig.ts';

const SINK = { stream: 0, via: 0, clockRate: 8000, payloadTypes: [], paused: false, isSrtp: false };
const FIRST_SEQ = 1000;
const FIRST_TIMESTAMP = 0xffff_ff00;
const LOOK_BACK_SECONDS = 2;
const LOOK_BACK_US = LOOK_BACK_SECONDS * 1_000_000;
/** Chunks that no model uses up. */
const PLENTY = 1_000;
/** Of a round, as the lane's. */
const ROUND_US = 5_000;
/** What a source waits with its first packet, so that no time is negative. */
const START_US = 10_000_000;

interface Packet {
  /** Which of the source's packets, in the order in which they came. */
  number: number;
  ssrc: number;
  seq: number;
  timestamp: number;
  arrivalUs: number;
}

interface Sent extends Omit<Packet, 'ssrc' | 'arrivalUs'> {
  sink: number;
}

class Lane {
  readonly memory: WebAssembly.Memory;
  readonly rig: Rig;

  constructor({
    lookBackBytes,
    lookBackSeconds = LOOK_BACK_SECONDS,
  }: { lookBackBytes?: number; lookBackSeconds?: number } = {}) {
    this.memory = createLaneMemory(lookBackBytes);
    this.rig = new Rig({ lookBackSeconds }, this.memory);
  }

  /** Leaves so many chunks to all rings. */
  leaveChunks(chunks: number): void {
    const view = new DataView(this.memory.buffer);
    const taken = this.rig.core.memory.lookBack.maxBytes / layout.CHUNK_BYTES - chunks;
    view.setUint32(layout.LANE_AT + layout.LANE_TOUCHED_CHUNKS_AT, taken, true);
    view.setUint32(layout.LANE_AT + layout.LANE_TAKEN_CHUNKS_AT, taken, true);
  }

  open(sink: number, nowUs: number, lookBackUs = 0, stream = 0): void {
    const { sinks, wasm } = this.rig.core;
    sinks.write(sink, { ...SINK, stream, ssrc: 0x5000 + sink, firstSeq: FIRST_SEQ, firstTimestamp: FIRST_TIMESTAMP });
    wasm.openSink(sink);
    if (lookBackUs > 0) wasm.beginLookBack(sink, BigInt(lookBackUs), BigInt(nowUs));
  }

  pause(sink: number): void {
    this.rig.core.sinks.setPaused(sink, true);
    this.rig.core.wasm.endLookBack(sink);
  }

  receive({ number, ssrc, seq, timestamp, arrivalUs }: Packet, bytes = 4): Sent[] {
    const payload = Buffer.alloc(bytes);
    payload.writeUInt32BE(number);
    this.rig.rtp(rtp({ seq, ssrc, timestamp, payload }), arrivalUs);
    const { wasm } = this.rig.core;
    return this.#all((isFirst) => wasm.replicate(1, isFirst));
  }

  replay(nowUs: number): Sent[] {
    const { wasm } = this.rig.core;
    return this.#all((isFirst) => wasm.replay(BigInt(nowUs), isFirst));
  }

  #all(some: (isFirst: number) => number): Sent[] {
    const { sinks } = this.rig.core;
    const got: Sent[] = [];
    for (let sends = some(1); sends > 0; sends = some(0)) {
      for (let n = 0; n < sends; n++) got.push(parse(sinks.sinkOf(n), Buffer.from(sinks.packet(n))));
    }
    return got;
  }
}

function parse(sink: number, packet: Buffer): Sent {
  assert.equal(packet.readUInt32BE(8), 0x5000 + sink);
  const [seq, timestamp] = [packet.readUInt16BE(2), packet.readUInt32BE(4)];
  return { sink, seq, timestamp, number: packet.readUInt32BE(12) };
}

/** 20 ms each. */
const packet = (number: number): Packet => {
  return { number, ssrc: 1, seq: number, timestamp: number * 160, arrivalUs: START_US + number * 20_000 };
};

const numbersOf = (sent: Sent[]) => sent.map(({ number }) => number);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

test('a sink that looks back gets the past four times faster, what comes meanwhile behind it, and then what comes', () => {
  const lane = new Lane();
  for (let n = 0; n < 150; n++) assert.deepEqual(lane.receive(packet(n)), []);
  const joinedUs = packet(149).arrivalUs;
  lane.open(3, joinedUs, LOOK_BACK_US);
  const got: Sent[] = [];
  for (let us = joinedUs; got.length < 134; us += ROUND_US) {
    assert.ok(us <= joinedUs + LOOK_BACK_US / 3 + 3 * ROUND_US, 'it takes a third of the look-back');
    if ((us - joinedUs) % 20_000 === 0 && us > joinedUs) {
      assert.deepEqual(lane.receive(packet(149 + (us - joinedUs) / 20_000)), [], 'not before the past');
    }
    got.push(...lane.replay(us));
    const dueUs = packet(49).arrivalUs + 4 * (us - joinedUs);
    assert.ok(packet(got.at(-1)!.number).arrivalUs <= dueUs, 'not faster');
  }
  assert.deepEqual(numbersOf(got), range(49, 183));
  assert.equal(lane.rig.core.sinks.areLookingBack, false);
  assert.deepEqual(numbersOf(lane.receive(packet(183))), [183], 'it has caught up');
  assert.deepEqual(
    got.map(({ seq, timestamp }) => [seq, timestamp]),
    got.map((_, n) => [FIRST_SEQ + n, (FIRST_TIMESTAMP + n * 160) >>> 0]),
  );
  assert.equal(lane.rig.core.sinks.counts(3).lookBackPackets, 134);
  assert.equal(lane.rig.core.sinks.counts(3).packets, 135);
});

test('an hour goes first, then what comes', () => {
  const lane = new Lane({ lookBackSeconds: 3_600 });
  const past = 3_600 * 50;
  for (let n = 0; n < past; n++) lane.receive(packet(n));
  lane.open(0, packet(past).arrivalUs, 3_600_000_000);
  const got: Sent[] = [];
  for (let n = past; n <= past + past / 3 + 10; n++) {
    got.push(...lane.receive(packet(n)));
    for (let us = 0; us < 20_000; us += ROUND_US) got.push(...lane.replay(packet(n).arrivalUs + us));
  }
  assert.equal(lane.rig.core.sinks.areLookingBack, false);
  assert.deepEqual(numbersOf(got), range(0, past + past / 3 + 11));
  const astray = got.find(
    ({ number, seq, timestamp }) =>
      seq !== ((FIRST_SEQ + number) & 0xffff) || timestamp !== (FIRST_TIMESTAMP + number * 160) >>> 0,
  );
  assert.equal(astray, undefined);
});

test('a sink may look back less far than the stream, and gets what comes when there is nothing to look back to', () => {
  const lane = new Lane();
  lane.open(0, START_US, LOOK_BACK_US);
  assert.deepEqual(numbersOf(lane.receive(packet(0))), [0]);
  for (let n = 1; n < 100; n++) lane.receive(packet(n));
  lane.open(1, packet(99).arrivalUs, 200_000);
  assert.equal(lane.replay(packet(99).arrivalUs + 1_000_000)[0]!.number, 89);
  lane.open(2, packet(99).arrivalUs + LOOK_BACK_US + 1, LOOK_BACK_US);
  assert.equal(lane.rig.core.sinks.counts(2).packets, 0);
  const later = { ...packet(100), arrivalUs: packet(99).arrivalUs + LOOK_BACK_US + 2 };
  assert.ok(lane.receive(later).some(({ sink }) => sink === 2));
});

test('of a paused recording nothing is kept; what came before is', () => {
  const lane = new Lane();
  const { memory, wasm } = lane.rig.core;
  for (let n = 0; n < 60; n++) {
    memory.setPaused(0, n >= 20 && n < 40);
    lane.receive(packet(n));
  }
  lane.open(0, packet(59).arrivalUs, LOOK_BACK_US);
  const got = range(0, 10).flatMap(() => lane.replay(packet(59).arrivalUs + LOOK_BACK_US));
  assert.deepEqual(numbersOf(got), [...range(0, 20), ...range(40, 60)]);
  wasm.closeSink(0);
  wasm.forgetLookBack(0);
  assert.equal(memory.lookBack.usedBytes, 0);
});

test('a stream without look-back takes no chunk, and one that is closed gives all of them back', () => {
  const lane = new Lane();
  lane.rig.open(1);
  lane.rig.rtp(rtp(), START_US, undefined, 1);
  lane.rig.core.wasm.replicate(1, 1);
  assert.equal(lane.rig.core.memory.lookBack.usedBytes, 0);
  for (let n = 0; n < 1_000; n++) lane.receive(packet(n), 1_200);
  const { usedBytes } = lane.rig.core.memory.lookBack;
  assert.ok(usedBytes > 100 * 1_200 && usedBytes < 130 * 1_300, `${usedBytes} bytes for two seconds`);
  lane.rig.core.wasm.forgetLookBack(0);
  assert.equal(lane.rig.core.memory.lookBack.usedBytes, 0);
});

test('a lane that stands still forgets nothing that a sink has still to get', () => {
  const lane = new Lane();
  for (let n = 0; n < 100; n++) lane.receive(packet(n), 1_200);
  lane.open(0, packet(99).arrivalUs, LOOK_BACK_US);
  for (let n = 100; n < 200; n++) assert.deepEqual(lane.receive(packet(n), 1_200), []);
  const got = range(0, 30).flatMap(() => lane.replay(packet(199).arrivalUs));
  assert.deepEqual(numbersOf(got), range(0, 200));
  lane.receive(packet(200), 1_200);
  assert.ok(lane.rig.core.memory.lookBack.usedBytes < 130 * 1_300, 'then what is too old goes');
});

test('an exhausted pool costs a stream its own past, and nobody else anything', () => {
  const lane = new Lane();
  lane.rig.open(1, { lookBackSeconds: LOOK_BACK_SECONDS });
  lane.leaveChunks(3);
  const other = (n: number) => {
    lane.rig.rtp(rtp({ seq: n, timestamp: n * 160 }), packet(n).arrivalUs, undefined, 1);
    lane.rig.core.wasm.replicate(1, 1);
  };
  for (let n = 0; n < 50; n++) other(n);
  for (let n = 0; n < 100; n++) lane.receive(packet(n), 1_200);
  lane.open(0, packet(99).arrivalUs, LOOK_BACK_US);
  assert.deepEqual(numbersOf(lane.replay(packet(99).arrivalUs)), [78], 'two chunks of thirteen at most');
  for (let n = 100; n < 130; n++) lane.receive(packet(n), 1_200);
  const { skipped } = lane.rig.core.sinks.counts(0);
  assert.ok(skipped > 0);
  const got = range(0, 10).flatMap(() => lane.replay(packet(130).arrivalUs + LOOK_BACK_US));
  assert.deepEqual(numbersOf(got), range(79 + skipped, 130));
  assert.deepEqual(
    got.map(({ seq }) => seq),
    got.map(({ number }) => FIRST_SEQ + number - 78),
    'what it has not got is missing in its numbers',
  );
  assert.equal(lane.rig.core.memory.lookBack.shortPackets, 104);
  lane.open(9, packet(49).arrivalUs, LOOK_BACK_US, 1);
  assert.equal(range(0, 10).flatMap(() => lane.replay(packet(130).arrivalUs + LOOK_BACK_US)).length, 50);
});

test('a flood takes no more of the pool than the share of a stream', () => {
  const lane = new Lane();
  for (let n = 0; n < 100; n++) lane.receive({ ...packet(n), arrivalUs: START_US + n * 100 }, 16_000);
  const share = (LOOK_BACK_SECONDS + 1) * layout.CHUNKS_PER_SECOND;
  const { usedBytes, shortPackets } = lane.rig.core.memory.lookBack;
  assert.equal(usedBytes, share * layout.CHUNK_BYTES);
  assert.equal(shortPackets, 100 - share);
});

test('a small pool is shared too, however far its streams look back', () => {
  const lane = new Lane({ lookBackBytes: 80 * layout.CHUNK_BYTES });
  for (let n = 0; n < 100; n++) lane.receive({ ...packet(n), arrivalUs: START_US + n * 100 }, 16_000);
  const { usedBytes, maxBytes, shortPackets } = lane.rig.core.memory.lookBack;
  const chunks = maxBytes / layout.CHUNK_BYTES;
  assert.ok(chunks >= 80 && chunks < 84);
  assert.equal(usedBytes, 10 * layout.CHUNK_BYTES);
  assert.equal(shortPackets, 90);
});

test('more sinks than a round serves: all get all, in turn', () => {
  const lane = new Lane();
  for (let n = 0; n < 20; n++) lane.receive(packet(n));
  for (let sink = 0; sink < 1_000; sink++) lane.open(sink, packet(19).arrivalUs, LOOK_BACK_US);
  const perSink = new Map<number, number[]>();
  const laterUs = packet(19).arrivalUs + LOOK_BACK_US;
  for (let round = 0; lane.rig.core.sinks.areLookingBack; round++) {
    assert.ok(round < 13);
    const sent = lane.replay(laterUs);
    assert.ok(sent.length <= layout.REPLAY_SINKS * layout.REPLAY_PACKETS);
    for (const { sink, number } of sent) perSink.set(sink, [...(perSink.get(sink) ?? []), number]);
    const counts = [...perSink.values()].map(({ length }) => length);
    if (perSink.size === 1_000) assert.ok(Math.max(...counts) - Math.min(...counts) <= 8, 'nobody is far ahead');
  }
  for (const numbers of perSink.values()) assert.deepEqual(numbers, range(0, 20));
  assert.equal(perSink.size, 1_000);
});

interface SinkModel {
  /** What the source sent for it, as far as no pause has dropped it. */
  expected: Expected[];
  got: Sent[];
  paused: boolean;
  pauses: number;
}

interface Expected extends Packet {
  /** Of the sink, before it. */
  pauses: number;
}

const step = fc.record({
  sink: fc.nat(5),
  act: fc.constantFrom('open', 'open', 'live', 'close', 'pause', 'resume', 'none', 'none', 'none'),
  lookBackUs: fc.constantFrom(LOOK_BACK_US, 300_000, 1),
  waitUs: fc.constantFrom(0, 1_000, 20_000, 20_000, 20_000, 70_000),
  packet: fc.constantFrom('next', 'next', 'next', 'lost', 'swapped', 'copy', 'other', 'paused', 'none'),
  bytes: fc.constantFrom(4, 160, 4_000, 4_000),
  replays: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Model {
  readonly lane = new Lane();
  readonly sinks = new Map<number, SinkModel>();
  readonly #kept: Packet[] = [];
  readonly #chunks: number;
  /** A ring that is short of chunks has forgotten the model's packets, nobody but the core knows which. */
  readonly #isShort: boolean;
  #nowUs = START_US;
  #seq = 65_000;
  #ssrc = 1;
  #number = 0;
  #held: Packet | null = null;

  constructor(chunks: number) {
    this.#chunks = chunks;
    this.#isShort = chunks < PLENTY;
    this.lane.leaveChunks(chunks);
  }

  take({ sink, act, lookBackUs, waitUs, packet: what, bytes, replays }: Step): void {
    this.#nowUs += waitUs;
    this.#act(sink, act, lookBackUs);
    if (what !== 'none') this.#send(what, bytes);
    if (replays) this.#got(this.lane.replay(this.#nowUs));
  }

  /** Until all have caught up. */
  end(): void {
    for (let round = 0; this.lane.rig.core.sinks.areLookingBack; round++) {
      assert.ok(round < 1_000, 'all catch up');
      this.#nowUs += ROUND_US;
      this.#got(this.lane.replay(this.#nowUs));
    }
    for (const sink of [...this.sinks.keys()]) this.#close(sink, true);
    this.lane.rig.core.wasm.forgetLookBack(0);
    const { usedBytes, maxBytes } = this.lane.rig.core.memory.lookBack;
    assert.equal(usedBytes, maxBytes - this.#chunks * layout.CHUNK_BYTES, 'no chunk is lost');
  }

  #act(sink: number, act: Step['act'], lookBackUs: number): void {
    const state = this.sinks.get(sink);
    if ((act === 'open' || act === 'live') && !state) {
      const isBack = act === 'open';
      this.lane.open(sink, this.#nowUs, isBack ? lookBackUs : 0);
      const first = this.#kept.findIndex(({ arrivalUs }) => arrivalUs >= this.#nowUs - lookBackUs);
      const past = isBack && first >= 0 ? this.#kept.slice(first) : [];
      const expected = past.map((one) => ({ ...one, pauses: 0 }));
      this.sinks.set(sink, { expected, got: [], paused: false, pauses: 0 });
    } else if (act === 'close' && state) this.#close(sink, false);
    else if (act === 'pause' && state && !state.paused) {
      this.lane.pause(sink);
      const last = state.expected.findLastIndex(({ number }) => number === state.got.at(-1)?.number);
      state.expected.length = last + 1; // the rest of a look-back is dropped
      state.pauses++;
      state.paused = true;
    } else if (act === 'resume' && state) {
      this.lane.rig.core.sinks.setPaused(sink, false);
      state.paused = false;
    }
  }

  #close(sink: number, isEnd: boolean): void {
    const { expected, got } = this.sinks.get(sink)!;
    const { skipped, late, packets, lookBackPackets } = this.lane.rig.core.sinks.counts(sink);
    assert.equal(packets, got.length);
    assert.ok(lookBackPackets <= packets);
    if (this.#isShort) assertCounted(expected, got, skipped + late);
    else {
      const predicted = predict(sink, expected);
      assert.equal(skipped, 0);
      assert.deepEqual(got, isEnd ? predicted : predicted.slice(0, got.length));
    }
    this.lane.rig.core.wasm.closeSink(sink);
    this.sinks.delete(sink);
  }

  #send(what: Step['packet'], bytes: number): void {
    if (what === 'other' && !this.#held) {
      this.#ssrc++;
      this.#seq += 20_000;
    }
    const sent: Packet = {
      number: this.#number++,
      ssrc: this.#ssrc,
      seq: this.#seq,
      timestamp: this.#seq * 160,
      arrivalUs: this.#nowUs,
    };
    this.#seq++;
    if (what === 'lost') return;
    if (what === 'swapped' && !this.#held) {
      this.#held = sent;
      return;
    }
    this.#receive(sent, bytes, what === 'paused');
    if (what === 'copy') this.#got(this.lane.receive({ ...sent, number: this.#number++ }, bytes));
    if (!this.#held) return;
    const held = { ...this.#held, arrivalUs: this.#nowUs };
    this.#held = null;
    if (held.ssrc === sent.ssrc) this.#receive(held, bytes, false);
  }

  #receive(sent: Packet, bytes: number, isPaused: boolean): void {
    const { memory } = this.lane.rig.core;
    memory.setPaused(0, isPaused);
    if (!isPaused) {
      this.#kept.push(sent);
      for (const state of this.sinks.values()) {
        if (!state.paused) state.expected.push({ ...sent, pauses: state.pauses });
      }
    }
    this.#got(this.lane.receive(sent, bytes));
  }

  #got(sent: Sent[]): void {
    for (const one of sent) this.sinks.get(one.sink)!.got.push(one);
  }
}

/** In order, each once, and what is missing between the first and the last was counted. */
function assertCounted(expected: Expected[], got: Sent[], missing: number): void {
  const places = got.map(({ number }) => expected.findIndex((one) => one.number === number));
  for (const [n, place] of places.entries())
    assert.ok(place > (places[n - 1] ?? -1), "out of order, or not the sink's");
  if (got.length > 0) assert.ok(places.at(-1)! - places[0]! < got.length + missing);
}

/** By RFC 3550 section 5.1 and the packets' own arrivals: a source keeps its spacing, over pauses too, another one goes on with the clock. */
function predict(sink: number, expected: Expected[]): Sent[] {
  const sent: Sent[] = [];
  let run = '';
  let source = 0;
  let step = 0;
  let newest = { seq: FIRST_SEQ - 1, timestamp: FIRST_TIMESTAMP, arrivalUs: 0 };
  let [anchor, seqOffset, timestampOffset] = [0, 0, 0];
  for (const { ssrc, pauses, seq, timestamp, arrivalUs, number } of expected) {
    if (run !== `${ssrc} ${pauses}`) {
      const elapsed = run === '' ? 0 : Math.max(1, step, Math.floor(((arrivalUs - newest.arrivalUs) * 8_000) / 1e6));
      anchor = newest.seq + 1;
      seqOffset = anchor - seq;
      if (ssrc !== source) timestampOffset = newest.timestamp + elapsed - timestamp;
      run = `${ssrc} ${pauses}`;
      source = ssrc;
    }
    const own = { seq: seq + seqOffset, timestamp: timestamp + timestampOffset, arrivalUs };
    if (own.seq < anchor) continue; // from before its start
    if (own.seq === newest.seq + 1 && own.seq !== anchor) step = own.timestamp - newest.timestamp;
    if (own.seq > newest.seq) newest = own;
    sent.push({ sink, seq: own.seq & 0xffff, timestamp: own.timestamp % 2 ** 32, number });
  }
  return sent;
}

test('sinks that come, look back, go and pause at random get every packet from their start to their end, once, in order', () => {
  const chunks = fc.constantFrom(PLENTY, PLENTY, 1, 3);
  fc.assert(
    fc.property(chunks, fc.array(step, { minLength: 50, maxLength: 400 }), (left, steps) => {
      const model = new Model(left);
      for (const one of steps) model.take(one);
      model.end();
    }),
    { numRuns: 150 },
  );
});
