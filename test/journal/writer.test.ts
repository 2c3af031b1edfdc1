/** The journal writer: what is there after which event, with disks that fail. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import {
  blocks,
  type JournalOptions,
  type JournalState,
  JournalWriter,
  leftOverSegments,
} from '../../src/journal/index.ts';
import { Segment } from '../../src/journal/segment.ts';
import { buildBlock, note } from '../recording/journal-builder.ts';

const root = mkdtempSync(path.join(tmpdir(), 'doubletrack-writer-'));
const opened: JournalWriter[] = [];
after(async () => {
  // Those that a failed test left open would keep the process.
  for (const writer of opened) await writer.close().catch(() => undefined);
  rmSync(root, { recursive: true });
});
let folders = 0;

interface Opened {
  writer: JournalWriter;
  dir: string;
  sealed: string[];
  states: JournalState[];
}

async function open(o: Partial<JournalOptions> = {}): Promise<Opened> {
  const dir = o.dir ?? path.join(root, String(folders++));
  const sealed: string[] = [];
  const states: JournalState[] = [];
  const writer = await JournalWriter.open({
    ...{ dir, laneId: 0, segmentBytes: 64 * 1024, syncMs: 5, reserveBytes: 4096 },
    ...{ onSealed: (file: string) => sealed.push(file), onState: (state: JournalState) => states.push(state) },
    ...o,
  });
  opened.push(writer);
  return { writer, dir, sealed, states };
}

function block(blockSeq: number, text = 'x'.repeat(100)): Buffer {
  return buildBlock([note({ text })], { blockSeq });
}

function seqsIn(files: string[]): number[] {
  return files.flatMap((file) => [...blocks(readFileSync(file))].map(({ header }) => Number(header.blockSeq)));
}

function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}

/** A segment whose calls fail as `fault` says; it gets the name of the call and the segment's number. */
function faulty(
  fault: (call: 'create' | 'write' | 'sync', segment: number) => string | null,
): NonNullable<JournalOptions['createSegment']> {
  let created = 0;
  const fail = (call: 'create' | 'write' | 'sync', segment: number) => {
    const code = fault(call, segment);
    if (code !== null) throw Object.assign(new Error(`${code} in ${call}`), { code });
  };
  return async (file, preallocateBytes, capacityBytes) => {
    const number = created++;
    fail('create', number);
    const segment = await Segment.create(file, preallocateBytes, capacityBytes);
    const { write, sync } = segment;
    segment.write = async (bytes) => {
      fail('write', number);
      await write.call(segment, bytes);
    };
    segment.sync = async () => {
      if (segment.syncedBytes < segment.writtenBytes) fail('sync', number);
      await sync.call(segment);
    };
    return segment;
  };
}

test('what was flushed is in the open segment, which is preallocated; close seals and cuts it', async () => {
  const { writer, dir, sealed } = await open();
  for (const seq of upTo(50)) assert.ok(writer.write(block(seq)));
  await writer.flushed();
  const [openSegment] = leftOverSegments(dir);
  assert.match(openSegment ?? '', /\.open$/);
  assert.equal(statSync(openSegment ?? '').size, 64 * 1024);
  assert.deepEqual(seqsIn([openSegment ?? '']), upTo(50));
  assert.equal(writer.stats().queuedBytes, 0);
  assert.equal(writer.stats().lagMs, 0);
  await writer.close();
  assert.equal(sealed.length, 1);
  assert.equal(statSync(sealed[0] ?? '').size, 50 * block(1).length);
  assert.deepEqual(readdirSync(dir), [path.basename(sealed[0] ?? '')]);
});

test('segments follow one another by size, blocks stay whole and in order', async () => {
  const { writer, sealed } = await open({ segmentBytes: 4096 });
  for (const seq of upTo(500)) {
    writer.write(block(seq, 'y'.repeat(seq)));
    if (seq % 17 === 0) await writer.flushed();
  }
  await writer.close();
  assert.ok(sealed.length > 10);
  assert.deepEqual(seqsIn(sealed), upTo(500));
  assert.equal(writer.stats().segments, sealed.length);
});

test('seal: onSealed comes before it resolves; an empty journal has nothing to seal', async () => {
  const { writer, sealed } = await open();
  await writer.seal();
  assert.deepEqual(sealed, []);
  writer.write(block(1));
  await writer.seal();
  assert.deepEqual(seqsIn(sealed), [1]);
  await writer.seal();
  assert.equal(sealed.length, 1);
  writer.write(block(2));
  await writer.close();
  assert.deepEqual(seqsIn(sealed), [1, 2]);
});

test('the queue is bounded: what does not fit is refused, what was taken arrives', async () => {
  let stuck = true;
  const createSegment = faulty((call) => (stuck && call === 'create' ? 'ENOSPC' : null));
  const { writer, sealed, states } = await open({ maxQueuedBytes: 4096, createSegment });
  const taken = upTo(100).filter((seq) => writer.write(block(seq)));
  assert.deepEqual(taken, upTo(Math.floor(4096 / block(1).length)));
  assert.equal(writer.stats().queuedBytes, taken.length * block(1).length);
  const flushed = writer.flushed();
  while (!states.some(({ full }) => full)) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(writer.write(block(102)), false);
  stuck = false;
  await flushed;
  assert.ok(writer.write(block(101)));
  await writer.close();
  assert.deepEqual(seqsIn(sealed), [...taken, 101]);
});

test('EIO in fdatasync: it is not repeated; the segment is given up and the bytes go into a fresh one', async () => {
  const synced: number[] = [];
  const createSegment = faulty((call, segment) => {
    if (call === 'sync') synced.push(segment);
    return call === 'sync' && segment === 0 ? 'EIO' : null;
  });
  const { writer, sealed, states } = await open({ createSegment });
  for (const seq of upTo(20)) writer.write(block(seq));
  await writer.flushed();
  await writer.close();
  assert.deepEqual(
    synced.filter((segment) => segment === 0),
    [0],
  );
  assert.match(sealed[0] ?? '', /\.torn$/);
  const [, ...good] = sealed;
  assert.deepEqual(seqsIn(good), upTo(20));
  assert.deepEqual(
    states.map(({ error }) => error),
    ['EIO in sync', undefined],
  );
});

test('EIO in write and in making the next segment: nothing is lost, order is kept, the second folder takes over', async () => {
  const failures = new Set(['write0', 'create1', 'write2']);
  const createSegment = faulty((call, segment) => (failures.has(call + segment) ? 'EIO' : null));
  const fallbackDir = path.join(root, 'second');
  const { writer, sealed } = await open({ createSegment, fallbackDir });
  for (const seq of upTo(20)) writer.write(block(seq));
  await writer.flushed();
  await writer.close();
  assert.deepEqual(seqsIn(sealed), upTo(20));
  assert.ok(sealed.some((file) => file.startsWith(fallbackDir)));
});

test('ENOSPC: state full, the reserve is released, writing goes on; room brings the state back', async () => {
  let room = 1;
  const createSegment = faulty((call, segment) => (call === 'create' && segment >= room ? 'ENOSPC' : null));
  const { writer, dir, sealed, states } = await open({ segmentBytes: 2048, createSegment });
  assert.ok(existsSync(path.join(dir, 'lane-0.reserve')));
  for (const seq of upTo(10)) {
    writer.write(block(seq));
    await writer.flushed();
  }
  for (const seq of upTo(10)) writer.write(block(10 + seq));
  const flushed = writer.flushed();
  while (!states.some(({ full }) => full)) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!existsSync(path.join(dir, 'lane-0.reserve')));
  room = Infinity;
  await flushed;
  // The reserve is tried again with the next ticks of the sync timer.
  while (states.at(-1)?.full) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(existsSync(path.join(dir, 'lane-0.reserve')));
  await writer.close();
  assert.deepEqual(seqsIn(sealed), upTo(20));
});

test('close says so when bytes cannot be written, and leaves the segment to the recovery', async () => {
  const createSegment = faulty((call) => (call === 'sync' ? 'EIO' : null));
  const { writer, dir } = await open({ createSegment, closeTimeoutMs: 50 });
  writer.write(block(1));
  const flushed = assert.rejects(writer.flushed(), /closed/);
  await assert.rejects(writer.close(), /1 bytes|bytes could not be written/);
  await flushed;
  assert.ok(seqsIn(leftOverSegments(dir)).includes(1));
});

test('what a dead writer of the lane left is handed over first; other lanes are left alone', async () => {
  const dir = path.join(root, String(folders++));
  const dead = await open({ dir });
  dead.writer.write(block(1));
  await dead.writer.seal();
  await dead.writer.close();
  const left = dead.sealed[0] ?? '';
  writeFileSync(left.replace('.sealed', '.open').replace('-000000.', '-zzz.'), block(2));
  writeFileSync(path.join(dir, 'lane-7.000000000-000000.open'), block(3));
  const { writer, sealed } = await open({ dir });
  assert.deepEqual(seqsIn(sealed), [1, 2]);
  assert.ok(sealed.every((file) => file.endsWith('.sealed')));
  await writer.close();
  assert.equal(leftOverSegments(dir, 7).length, 1);
});
