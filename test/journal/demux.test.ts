/** From segments to packet files: nothing lost and nothing twice, wherever it was interrupted. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { blocks, demultiplex, leftOverSegments, markRecovered, packetFilePath } from '../../src/journal/index.ts';
import { buildBlock, note } from '../recording/journal-builder.ts';

const root = mkdtempSync(path.join(tmpdir(), 'doubletrack-demux-'));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

const IDS = [1, 2, 3].map((n) => `0000000${n}-0000-4000-8000-000000000000`);

function block(recording: number, blockSeq: number, json: object = { n: blockSeq }): Buffer {
  return buildBlock([note(json)], { blockSeq, recordingId: IDS[recording] ?? '' });
}

function folder(segments: Record<string, Buffer>): { journal: string; packets: string } {
  const dir = path.join(root, String(folders++));
  const journal = path.join(dir, 'journal');
  mkdirSync(journal, { recursive: true });
  for (const [name, bytes] of Object.entries(segments)) writeFileSync(path.join(journal, name), bytes);
  return { journal, packets: path.join(dir, 'packets') };
}

function seqs(packets: string, recording: number): number[] {
  const file = packetFilePath(packets, IDS[recording] ?? '');
  return existsSync(file) ? [...blocks(readFileSync(file))].map(({ header }) => Number(header.blockSeq)) : [];
}

async function all(journal: string, packets: string): Promise<string[]> {
  const ids: string[] = [];
  for (const segment of leftOverSegments(journal)) ids.push(...(await demultiplex(segment, packets)));
  return ids;
}

const FIRST = Buffer.concat([block(0, 1), block(1, 2), block(0, 3), Buffer.alloc(4096)]);
const SECOND = Buffer.concat([block(2, 4), block(0, 5), block(0, 6).subarray(0, 70)]);

test('each recording gets its blocks in order; the segments are gone', async () => {
  const { journal, packets } = folder({ 'lane-0.a-2.open': SECOND, 'lane-0.a-1.sealed': FIRST });
  assert.deepEqual(await all(journal, packets), [IDS[0], IDS[1], IDS[2], IDS[0]]);
  assert.deepEqual(
    [0, 1, 2].map((n) => seqs(packets, n)),
    [[1, 3, 5], [2], [4]],
  );
  assert.deepEqual(readdirSync(journal), []);
  assert.equal(readdirSync(packets).length, 3);
  assert.deepEqual(await demultiplex(path.join(journal, 'lane-0.a-1.sealed'), packets), []);
});

test('segments are found in the order of their lanes and of time; anything else in the folder is left', () => {
  const names = ['lane-10.000a-1.sealed', 'lane-2.000b-1.open', 'lane-2.000a-2.torn', 'lane-2.000a-1.sealed'];
  const { journal } = folder(Object.fromEntries([...names, 'lane-2.reserve', 'x'].map((name) => [name, FIRST])));
  assert.deepEqual(
    leftOverSegments(journal).map((file) => path.basename(file)),
    ['lane-2.000a-1.sealed', 'lane-2.000a-2.torn', 'lane-2.000b-1.open', 'lane-10.000a-1.sealed'],
  );
});

test('a torn segment is read up to its first damage: the next one repeats what follows', async () => {
  const torn = Buffer.concat([block(0, 1), block(0, 2), block(0, 3)]);
  const at = block(0, 1).length + 70;
  torn[at] = (torn[at] ?? 0) ^ 1;
  const { journal, packets } = folder({
    'lane-0.a-1.torn': torn,
    'lane-0.a-2.sealed': Buffer.concat([block(0, 2), block(0, 3)]),
  });
  await all(journal, packets);
  assert.deepEqual(seqs(packets, 0), [1, 2, 3]);
});

test('interrupted anywhere: the second attempt gives what one attempt would have given', async () => {
  // A crash leaves some prefix of: plan, appended bytes, segment deleted, plan deleted.
  const { journal, packets } = folder({ 'lane-0.a-1.sealed': FIRST });
  await all(journal, packets);
  writeFileSync(path.join(journal, 'lane-0.a-2.open'), SECOND);
  const lengthOf = (n: number) => readFileSync(packetFilePath(packets, IDS[n] ?? '')).length;
  const plan = JSON.stringify({ [IDS[2] ?? '']: -1, [IDS[0] ?? '']: lengthOf(0) });
  const added = [block(2, 4), block(0, 5)];
  for (let appended = 0; appended <= 2; appended++) {
    for (const torn of [0, 1, 70]) {
      const copy = path.join(root, String(folders++));
      cpSync(path.dirname(journal), copy, { recursive: true });
      const there = path.join(copy, 'packets');
      writeFileSync(path.join(there, 'lane-0.a-2.plan'), plan);
      for (const [i, bytes] of added.entries()) {
        const part = i < appended ? bytes : i === appended ? bytes.subarray(0, torn) : Buffer.alloc(0);
        writeFileSync(packetFilePath(there, IDS[i === 0 ? 2 : 0] ?? ''), part, { flag: 'a' });
      }
      await all(path.join(copy, 'journal'), there);
      assert.deepEqual(
        [0, 1, 2].map((n) => seqs(there, n)),
        [[1, 3, 5], [2], [4]],
        `${appended} and ${torn}`,
      );
      assert.equal(readdirSync(there).filter((name) => name.endsWith('.plan')).length, 0);
    }
  }
});

test('a segment of nothing but damage is no error', async () => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(300), Buffer.alloc(300, 0xff), block(0, 1).subarray(0, 50)]) {
    const { journal, packets } = folder({ 'lane-0.a-1.open': bytes });
    assert.deepEqual(await all(journal, packets), []);
    assert.deepEqual(readdirSync(journal), []);
  }
});

test('a recording without an end is marked once; one with an end is left as it is', async () => {
  const { journal, packets } = folder({
    'lane-0.a-1.open': Buffer.concat([block(0, 1), block(1, 2), block(1, 3, { type: 'end', atMs: 1 })]),
  });
  await all(journal, packets);
  const [running, ended] = [packetFilePath(packets, IDS[0] ?? ''), packetFilePath(packets, IDS[1] ?? '')];
  writeFileSync(running, block(0, 9).subarray(0, 66), { flag: 'a' });
  assert.equal(await markRecovered(running, 1_700_000_000_123), true);
  const marked = readFileSync(running);
  const found = [...blocks(marked)];
  assert.equal(found.length, 2);
  assert.match(Buffer.from(found[1]?.bytes ?? []).toString('latin1'), /\{"type":"recovered","atMs":1700000000123\}/);
  assert.equal(await markRecovered(running, 5), false);
  assert.deepEqual(readFileSync(running), marked);
  const before = readFileSync(ended);
  assert.equal(await markRecovered(ended, 5), false);
  assert.deepEqual(readFileSync(ended), before);
});
