/** What a sink gets, against a model that knows only the source's packets and when the sink was paused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rig, rtp } from './rig.ts';

const SINK = { stream: 0, via: 0, clockRate: 8000, payloadTypes: [{ from: 0, to: 8 }], paused: false, isSrtp: false };
const FIRST_SEQ = 1000;
const FIRST_TIMESTAMP = 0xffff_ff00;

interface Sent {
  ssrc: number;
  seq: number;
  timestamp: number;
  marker: boolean;
  payloadType: number;
  payload: number;
}

class Replicated {
  readonly rig = new Rig();
  readonly #opened = new Set<number>();

  open(sink: number): void {
    const { sinks, wasm } = this.rig.core;
    sinks.write(sink, { ...SINK, ssrc: 0x5000 + sink, firstSeq: FIRST_SEQ, firstTimestamp: FIRST_TIMESTAMP });
    wasm.openSink(sink);
    this.#opened.add(sink);
  }

  close(sink: number): void {
    this.rig.core.wasm.closeSink(sink);
    this.#opened.delete(sink);
  }

  /** @returns what each sink gets of a packet. */
  receive(packet: Uint8Array, atUs: number): Map<number, Sent> {
    this.rig.rtp(packet, atUs);
    const { sinks, wasm } = this.rig.core;
    const got = new Map<number, Sent>();
    for (let sends = wasm.replicate(1, 1); sends > 0; sends = wasm.replicate(1, 0)) {
      for (let n = 0; n < sends; n++) {
        assert.ok(this.#opened.has(sinks.sinkOf(n)) && !got.has(sinks.sinkOf(n)));
        got.set(sinks.sinkOf(n), parse(Buffer.from(sinks.packet(n))));
      }
    }
    return got;
  }
}

function parse(packet: Buffer): Sent {
  return {
    ssrc: packet.readUInt32BE(8),
    seq: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    marker: packet[1]! > 127,
    payloadType: packet[1]! & 127,
    payload: packet.readUInt16BE(12),
  };
}

const source = (seq: number, ssrc = 1, timestamp = seq * 160) =>
  rtp({ seq, ssrc, timestamp, payload: Buffer.from([seq >> 8, seq & 255]) });

test('RFC 3550 5.1: a sink has SSRC, numbers, timestamps and payload types of its own', () => {
  const to = new Replicated();
  to.open(7);
  const first = to.receive(source(65_534), 0).get(7);
  const marked = { ssrc: 0x5007, marker: true, payloadType: 8 };
  assert.deepEqual(first, { ...marked, seq: FIRST_SEQ, timestamp: FIRST_TIMESTAMP, payload: 65_534 });
  const third = to.receive(source(65_536), 40_000).get(7);
  const after = { seq: FIRST_SEQ + 2, timestamp: (FIRST_TIMESTAMP + 320) >>> 0, payload: 0 };
  assert.deepEqual(third, { ...marked, ...after, marker: false }, 'what the source has lost is missing');
  const second = to.receive(source(65_535), 41_000).get(7);
  assert.equal(second?.seq, FIRST_SEQ + 1, 'a late packet keeps its place');
  assert.equal(to.receive(source(65_535), 42_000).size, 0, 'a copy is not sent');
});

test('numbers go on without a gap; timestamps as those of the source over a pause, and with the clock over another source', () => {
  const to = new Replicated();
  to.open(0);
  to.receive(source(10), 0);
  to.rig.core.sinks.setPaused(0, true);
  for (let seq = 11; seq < 59; seq++) assert.equal(to.receive(source(seq), (seq - 10) * 20_000).size, 0);
  to.rig.core.sinks.setPaused(0, false);
  const resumed = to.receive(source(60), 1_003_000).get(0)!;
  assert.deepEqual(
    [resumed.seq, resumed.timestamp, resumed.marker],
    [FIRST_SEQ + 1, (FIRST_TIMESTAMP + 8000) >>> 0, true],
  );
  assert.equal(to.receive(source(59), 1_004_000).size, 0, 'from before the pause ended');
  const other = to.receive(source(30_000, 2, 77), 1_023_000).get(0)!;
  assert.deepEqual([other.seq, other.timestamp, other.marker], [FIRST_SEQ + 2, (resumed.timestamp + 160) >>> 0, true]);
  assert.equal(other.ssrc, resumed.ssrc);
  assert.equal(to.rig.core.sinks.counts(0).late, 1);
});

test('sinks that come, go and pause at random get what the source sent meanwhile, each packet once', () => {
  const step = fc.record({
    sink: fc.nat(5),
    act: fc.constantFrom('open', 'close', 'pause', 'resume', 'none'),
    lost: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const to = new Replicated();
      const sinks = new Map<number, { paused: boolean; expected: number[]; got: Sent[] }>();
      for (const [seq, { sink, act, lost }] of steps.entries()) {
        const state = sinks.get(sink);
        if (act === 'open' && !state) {
          to.open(sink);
          sinks.set(sink, { paused: false, expected: [], got: [] });
        } else if (act === 'close' && state) {
          to.close(sink);
          assertClean(state);
          sinks.delete(sink);
        } else if ((act === 'pause' || act === 'resume') && state) {
          state.paused = act === 'pause';
          to.rig.core.sinks.setPaused(sink, state.paused);
        }
        if (lost && seq > 0) continue;
        const got = to.receive(source(seq), seq * 20_000);
        for (const [number, one] of sinks) {
          if (!one.paused) one.expected.push(seq);
          const sent = got.get(number);
          if (sent) one.got.push(sent);
        }
      }
      for (const state of sinks.values()) assertClean(state);
    }),
    { numRuns: 100 },
  );
});

/** As sent, in order; a gap in the numbers only where the source has one, or none after a marker. */
function assertClean({ expected, got }: { expected: number[]; got: Sent[] }): void {
  assert.deepEqual(
    got.map(({ payload }) => payload),
    expected,
  );
  for (let n = 1; n < got.length; n++) {
    const [before, after] = [got[n - 1]!, got[n]!];
    const sourceSteps = after.payload - before.payload;
    assert.equal(after.seq - before.seq, after.marker ? 1 : sourceSteps);
    assert.equal((after.timestamp - before.timestamp) >>> 0, sourceSteps * 160);
  }
}

test('more sinks than one outgoing batch holds: all get every packet', () => {
  const to = new Replicated();
  for (let sink = 0; sink < 1000; sink++) to.open(sink);
  assert.equal(to.receive(source(1), 0).size, 1000);
  for (let sink = 0; sink < 1000; sink += 2) to.close(sink);
  assert.deepEqual(
    [...to.receive(source(2), 20_000).keys()].toSorted((a, b) => a - b),
    Array.from({ length: 500 }, (_, n) => 2 * n + 1),
  );
});

test('of a paused recording nothing is sent', () => {
  const to = new Replicated();
  to.open(0);
  to.receive(source(1), 0);
  to.rig.core.memory.setPaused(0, true);
  assert.equal(to.receive(source(2), 20_000).size, 0);
  to.rig.core.memory.setPaused(0, false);
  assert.equal(to.receive(source(3), 40_000).get(0)?.payload, 3);
});
