/** What the core writes into the journal: blocks and their check sums, source binding, pause, drops, notes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as layout from '../../assembly/layout.ts';
import { crc32c } from '../../src/journal/crc32c.ts';
import {
  type JournalRecord,
  KIND_DROPPED,
  KIND_NOTE,
  KIND_PAUSED,
  KIND_RTCP,
  KIND_RTP,
  NO_STREAM,
} from '../../src/journal/format.ts';
import { blocks } from '../../src/journal/reader.ts';
import { addressBytes } from '../../src/media/address.ts';
import { MediaCore } from '../../src/media/core.ts';
import { createLaneMemory } from '../../src/media/memory.ts';
import { uuidBytes } from '../../src/media/uuid.ts';
import { allRecords, RECORDING, Rig, randomNumbers, rtp, SOURCE, STATUS, senderReport } from './rig.ts';

const SECOND_RECORDING = '11111111-2222-4333-8444-555555555555';

test('RFC 3720 B.4: CRC32C of the standard, by the core', () => {
  const { core } = new Rig();
  const sum = (bytes: Uint8Array) => core.wasm.crc32c(core.memory.writeScratch(bytes), bytes.length) >>> 0;
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(sum(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(sum(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(sum(ascending), 0x46dd794e);
  assert.equal(sum(ascending.toReversed()), 0x113fdb5c);
  const readCommand =
    '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '02000000' + '00000000';
  assert.equal(sum(Buffer.from(readCommand, 'hex')), 0xd9963a56);
});

test('CRC32C of the core and of the journal reader agree at every length and alignment', () => {
  const { core } = new Rig();
  const random = randomNumbers(3720);
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, () => random() * 256);
    const at = core.memory.writeScratch(new Uint8Array(length % 8)) + (length % 8);
    core.memory.writeScratch(Buffer.concat([Buffer.alloc(length % 8), bytes]));
    assert.equal(core.wasm.crc32c(at, length) >>> 0, crc32c(bytes));
  }
});

test('one block per recording and flush, with all records in order', () => {
  const rig = new Rig();
  rig.core.memory.openRecording(1, uuidBytes(SECOND_RECORDING));
  rig.open(1, { recording: 1, index: 4 });
  for (let seq = 0; seq < 20; seq++) {
    const payload = Buffer.alloc(seq, seq);
    rig.rtp(rtp({ seq, payload }), seq * 1000, undefined, seq % 2);
  }
  const written = Buffer.from(rig.core.flush(123n, 456n));
  const found = [...blocks(written)];
  assert.equal(
    found.reduce((sum, block) => sum + block.bytes.length, 0),
    written.length,
  );
  const common = { recordCount: 10, monoUs: 123, wallUs: 456, laneId: 3 };
  for (const [i, recordingId] of [RECORDING, SECOND_RECORDING].entries()) {
    const { blockBytes, ...header } = found[i]!.header;
    assert.deepEqual(header, { ...common, recordingId, blockSeq: 1000n + BigInt(i) });
    const told = allRecords(found[i]!.bytes);
    assert.ok(told.every(({ stream }) => stream === (i === 0 ? 0 : 4)));
    assert.deepEqual(
      told.map(({ arrivalUs, payload }) => [arrivalUs, Buffer.from(payload.subarray(12))]),
      Array.from({ length: 10 }, (_, n) => [(2 * n + i) * 1000, Buffer.alloc(2 * n + i, 2 * n + i)]),
    );
  }
  assert.equal(rig.core.flush(0n, 0n).length, 0, 'nothing is told twice');
});

test('padding between records is zero, whatever was there before', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 1, payload: Buffer.alloc(500, 0xff) }));
  rig.core.flush(0n, 0n);
  rig.rtp(rtp({ seq: 2, payload: Buffer.alloc(1, 0xff) }));
  const block = Buffer.from(rig.core.flush(0n, 0n));
  assert.deepEqual(block.subarray(64 + 24 + 13), Buffer.alloc(3));
});

test('a forged source changes nothing but the count of the unauthorised', () => {
  const forgers = [
    { address: '192.0.2.8', port: SOURCE.rtpPort },
    { address: SOURCE.address, port: SOURCE.rtpPort + 20 },
    { address: '::ffff:192.0.2.8', port: SOURCE.rtpPort },
    { address: '2001:db8::c000:207', port: SOURCE.rtpPort },
  ];
  const [forged, untouched] = [new Rig(), new Rig()];
  for (let seq = 0; seq < 50; seq++) {
    for (const rig of [forged, untouched]) rig.rtp(rtp({ seq, timestamp: seq * 160 }), seq * 20_000);
    for (const from of forgers) {
      assert.equal(forged.rtp(rtp({ seq: 9_000 + seq, ssrc: 1 }), seq * 20_000, from), STATUS.unauthorised);
      assert.equal(forged.rtcp(senderReport(), seq * 20_000, from), STATUS.unauthorised);
    }
  }
  assert.deepEqual(forged.records(), untouched.records());
  assert.deepEqual(forged.report(2_000_000), untouched.report(2_000_000));
  const { unauthorised, ...counters } = forged.counters;
  assert.equal(unauthorised, 50 * 2 * forgers.length);
  assert.deepEqual({ ...counters, unauthorised: 0 }, { ...untouched.counters });
});

test('RFC 4961: a source that sends from another port than the signalled one is kept to that port', () => {
  const other = { address: SOURCE.address, port: 50_000 };
  const third = { address: SOURCE.address, port: 50_002 };
  const rig = new Rig();
  assert.equal(rig.rtp(Buffer.from('no RTP'), 0, third), STATUS.invalid, 'garbage teaches no port');
  assert.equal(rig.rtp(rtp({ seq: 1 }), 0, other), STATUS.received);
  assert.equal(rig.rtp(rtp({ seq: 2 }), 0, third), STATUS.unauthorised);
  assert.equal(rig.rtp(rtp({ seq: 2 }), 0, other), STATUS.received);
  assert.equal(rig.rtp(rtp({ seq: 3 })), STATUS.received, 'the signalled port is always right');
  assert.equal(rig.rtp(rtp({ seq: 4 }), 0, other), STATUS.unauthorised, 'and ends the exception');
});

test('an IPv4 source is the same when it is told as an IPv6 address', () => {
  const rig = new Rig();
  assert.equal(rig.rtp(rtp(), 0, { address: `::ffff:${SOURCE.address}`, port: SOURCE.rtpPort }), STATUS.received);
});

test('RTCP may come from the RTP port', () => {
  const rig = new Rig();
  assert.equal(rig.rtcp(senderReport(), 0, { address: SOURCE.address, port: SOURCE.rtpPort }), STATUS.rtcp);
});

test('the first sender of valid RTP becomes the source of a stream that has none', () => {
  const rig = new Rig({ remote: null });
  const [first, second] = [
    { address: '198.51.100.1', port: 5_004 },
    { address: '198.51.100.2', port: 5_004 },
  ];
  assert.equal(rig.rtcp(senderReport(), 0, second), STATUS.unauthorised, 'RTCP teaches nothing');
  assert.notEqual(rig.rtp(Buffer.from('no RTP at all'), 0, second), STATUS.received);
  assert.equal(rig.rtp(rtp({ seq: 1 }), 0, first), STATUS.received);
  assert.equal(rig.rtp(rtp({ seq: 2 }), 0, second), STATUS.unauthorised);
  assert.equal(rig.rtp(rtp({ seq: 2 }), 0, first), STATUS.received);
  assert.equal(rig.rtcp(senderReport(), 0, { ...first, port: first.port + 1 }), STATUS.rtcp);
});

test('a new source by an update is the only one from then on, and the epoch goes on', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 1 }));
  const moved = { address: '203.0.113.9', port: 7_000 };
  rig.core.memory.updateStream(0, {
    ...{ recording: 0, index: 0, clockRate: 8000, ownSsrc: 1, rtcpMux: false, firstEpoch: 0, isSrtp: false },
    remote: { address: addressBytes(moved.address), rtpPort: 7_000, rtcpPort: 7_001 },
  });
  assert.equal(rig.rtp(rtp({ seq: 2 })), STATUS.unauthorised);
  assert.equal(rig.rtp(rtp({ seq: 2 }), 0, { ...moved, port: 7_050 }), STATUS.received, 'from a port of its own');
  assert.deepEqual(
    rig.records().map(({ epoch, extSeq }) => [epoch, extSeq & 0xffff]),
    [
      [0, 1],
      [0, 2],
    ],
  );
});

test('while paused no byte of payload reaches the journal, and every packet is accounted for', () => {
  const rig = new Rig();
  const secret = Buffer.from('4111-1111-1111-1111');
  rig.core.memory.setPaused(0, true);
  for (let seq = 0; seq < 30; seq++) assert.equal(rig.rtp(rtp({ seq, payload: secret })), STATUS.paused);
  assert.equal(rig.rtp(rtp({ seq: 3, payload: secret })), STATUS.duplicate);
  rig.core.memory.setPaused(0, false);
  assert.equal(rig.rtp(rtp({ seq: 30 })), STATUS.received);
  const written = Buffer.from(rig.core.flush(0n, 0n));
  assert.equal(written.includes(secret.subarray(0, 8)), false);
  const told = allRecords(written);
  assert.equal(told.filter(({ kind }) => kind === KIND_PAUSED).length, 30);
  for (const { kind, payload } of told) if (kind === KIND_PAUSED) assert.equal(payload.length, 12);
  assert.equal(rig.core.memory.totals().paused, 30);
  assert.equal(rig.core.wasm.lost(0), 0);
});

test('notes stand in order with the packets', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 1 }));
  assert.equal(rig.core.note(0, Buffer.from('{"type":"event","name":"Größe"}'), 5n), true);
  rig.rtp(rtp({ seq: 2 }));
  const told = rig.records();
  assert.deepEqual(
    told.map(({ kind }) => kind),
    [KIND_RTP, KIND_NOTE, KIND_RTP],
  );
  assert.equal(told[1]!.stream, NO_STREAM);
  assert.deepEqual(JSON.parse(Buffer.from(told[1]!.payload).toString()), { type: 'event', name: 'Größe' });
});

test('a note that can never fit is the mistake of its caller', () => {
  const rig = new Rig();
  assert.throws(() => rig.core.note(0, new Uint8Array(1 << 20), 0n), RangeError);
});

/** Fills the staging region; gives the first sequence number that found no room. */
function fill(rig: Rig): number {
  const payload = new Uint8Array(1_988);
  for (let seq = 0; ; seq++) if (rig.rtp(rtp({ seq, payload }), seq) === STATUS.dropped) return seq;
}

function declared(told: JournalRecord[]): number {
  const declarations = told.filter(({ kind }) => kind === KIND_DROPPED);
  return declarations.reduce((sum, { payload }) => sum + Buffer.from(payload).readUInt32LE(), 0);
}

test('a full staging region drops, counts, and declares in the journal what is missing', () => {
  const rig = new Rig();
  const firstDropped = fill(rig);
  const payload = new Uint8Array(1_988);
  for (let i = 1; i < 100; i++) assert.equal(rig.rtp(rtp({ seq: firstDropped + i, payload }), 0), STATUS.dropped);
  assert.equal(rig.counters.dropped, 100);
  assert.equal(rig.core.memory.totals().dropped, 100);
  const before = rig.records();
  assert.equal(before.filter(({ kind }) => kind === KIND_RTP).length, firstDropped);

  assert.equal(rig.rtp(rtp({ seq: firstDropped + 100 })), STATUS.received);
  assert.equal(rig.rtp(rtp({ seq: firstDropped + 101 })), STATUS.received);
  const told = rig.records();
  assert.deepEqual(
    told.map(({ kind }) => kind),
    [KIND_DROPPED, KIND_RTP, KIND_RTP],
  );
  // Some of the declarations still found room where the packets did not.
  assert.equal(declared([...before, ...told]), 100);
  assert.equal(rig.core.wasm.lost(0), 0, 'they were not lost by the network');
});

test('dropped copies and reports are counted, but not declared as missing packets', () => {
  const rig = new Rig();
  const firstDropped = fill(rig);
  while (rig.core.note(0, new Uint8Array(1), 0n)); // to the last byte
  const before = rig.counters.dropped;
  assert.equal(rig.rtp(rtp({ seq: firstDropped - 3 })), STATUS.dropped);
  assert.equal(rig.rtcp(senderReport()), STATUS.dropped);
  assert.equal(rig.counters.dropped, before + 2);
  const told = rig.records();
  assert.equal(rig.core.wasm.declareStreamDrops(0, 0n), 1);
  assert.equal(declared([...told, ...rig.records()]), 1, 'the one of fill()');
});

test('what there is no room to declare stays owed', () => {
  const rig = new Rig();
  fill(rig);
  while (rig.core.note(0, new Uint8Array(1), 0n));
  assert.equal(rig.core.wasm.declareStreamDrops(0, 0n), 0);
  rig.records();
  assert.equal(rig.core.wasm.declareStreamDrops(0, 0n), 1);
  assert.equal(rig.records()[0]!.kind, KIND_DROPPED);
  assert.equal(rig.core.wasm.declareStreamDrops(0, 0n), 1);
  assert.deepEqual(rig.records(), []);
});

test('drops of the kernel are declared and counted', () => {
  const rig = new Rig();
  rig.rtp(rtp());
  rig.core.wasm.countKernelDrops(0, 7);
  assert.equal(rig.core.wasm.declareStreamDrops(0, 99n), 1);
  assert.equal(declared(rig.records()), 7);
  assert.equal(rig.counters.dropped, 7);
});

test('the kernel counts up as long as a socket is open, and from 0 again for the next one', () => {
  const rig = new Rig();
  rig.rtp(rtp());
  for (const total of [5, 5, 9]) rig.core.wasm.countKernelDrops(0, total);
  assert.equal(rig.counters.dropped, 9);
  rig.core.memory.forgetKernelDrops(0);
  rig.core.wasm.countKernelDrops(0, 3);
  assert.equal(rig.counters.dropped, 12);
});

test('a recording that is opened again where one has records waiting does not disturb them', () => {
  const rig = new Rig();
  rig.rtp(rtp({ seq: 1 }));
  rig.core.memory.openRecording(0, uuidBytes(RECORDING));
  rig.rtp(rtp({ seq: 2 }));
  assert.equal(rig.records().length, 2);
  rig.rtp(rtp({ seq: 3 }));
  assert.equal(rig.records().length, 1);
});

test('every stream and recording at once, flushed as one', () => {
  const rig = new Rig();
  const recordings = 2048;
  for (let slot = 0; slot < recordings; slot++) {
    const id = Buffer.from(uuidBytes(RECORDING));
    id.writeUInt32BE(slot);
    rig.core.memory.openRecording(slot, id);
    for (const stream of [0, 1]) rig.open(2 * slot + stream, { recording: slot, index: stream });
  }
  for (let round = 0; round < 2; round++) {
    for (let stream = 0; stream < 2 * recordings; stream++) {
      assert.equal(rig.rtp(rtp({ seq: round }), 0, undefined, stream), STATUS.received);
      if (round === 1) rig.rtcp(senderReport(), 0, undefined, stream);
    }
    const found = [...blocks(Buffer.from(rig.core.flush(0n, 0n)))];
    assert.equal(new Set(found.map(({ header }) => header.recordingId)).size, recordings);
    const kinds = round === 0 ? [KIND_RTP, KIND_RTP] : [KIND_RTP, KIND_RTCP, KIND_RTP, KIND_RTCP];
    for (const block of found)
      assert.deepEqual(
        allRecords(block.bytes).map(({ kind }) => kind),
        kinds,
      );
  }
});

test('a closed stream takes nothing', () => {
  const rig = new Rig();
  rig.core.memory.closeStream(0);
  assert.equal(rig.rtp(rtp()), STATUS.closed);
  assert.deepEqual(rig.records(), []);
});

test('records that a dead core left staged are flushed whole by another one over the same memory', () => {
  const memory = createLaneMemory();
  const rig = new Rig({}, memory);
  rig.rtp(rtp({ seq: 1 }));
  rig.core.flush(0n, 0n);
  rig.rtp(rtp({ seq: 2 }));
  rig.core.note(0, Buffer.from('{}'), 0n);
  const next = new MediaCore(memory);
  const [block] = [...blocks(Buffer.from(next.flush(0n, 0n)))];
  assert.equal(block!.header.blockSeq, 1001n, 'the number goes on');
  assert.deepEqual(
    allRecords(block!.bytes).map(({ kind }) => kind),
    [KIND_RTP, KIND_NOTE],
  );
});

test('chains of a damaged memory that lead in circles end all the same', () => {
  const memory = createLaneMemory();
  const rig = new Rig({}, memory);
  rig.rtp(rtp({ seq: 1 }));
  const view = new DataView(memory.buffer);
  view.setUint32(layout.RECORDINGS_AT + layout.RECORDING_NEXT_DIRTY_AT, 1, true); // itself
  const head = view.getUint32(layout.RECORDINGS_AT + layout.RECORDING_HEAD_AT, true);
  view.setUint32(head, head, true);
  view.setUint32(layout.RECORDINGS_AT + layout.RECORDING_COUNT_AT, 1000, true);
  const outcome = () => new MediaCore(memory).flush(0n, 0n);
  try {
    outcome();
  } catch (error) {
    assert.ok(error instanceof WebAssembly.RuntimeError);
  }
});
