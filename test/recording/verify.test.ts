/** A finished recording against changes, and made again. */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Piscina } from 'piscina';
import { finalise, type RecordingTask, release, replay, verify } from '../../src/recording/index.ts';
import { buildBlock, endNote, packetFile, RECORDING_ID, recordingNote, rtp, streamNote } from './journal-builder.ts';

const root = mkdtempSync(path.join(tmpdir(), 'doubletrack-verify-'));
const original = path.join(root, 'original');
const packets = path.join(root, 'packets', `${RECORDING_ID}.packets`);
after(() => rmSync(root, { recursive: true }));

const RECORDS = [
  ...[recordingNote(), streamNote(0)],
  ...Array.from({ length: 50 }, (_, n) =>
    rtp({ seq: n, timestamp: n * 160, payload: Buffer.alloc(160, n), arrivalUs: 1e6 + n * 20_000 }),
  ).filter((_, n) => n !== 7),
  endNote(1_700_000_002_000),
];

before(async () => {
  mkdirSync(path.dirname(packets));
  writeFileSync(packets, packetFile(RECORDS));
  await finalise(packets, original);
});

let copies = 0;
function copy(): string {
  const dir = path.join(root, `copy-${copies++}`);
  cpSync(original, dir, { recursive: true });
  return dir;
}

function sameFiles(a: string, b: string): void {
  assert.deepEqual(readdirSync(a).sort(), readdirSync(b).sort());
  for (const name of readdirSync(a))
    assert.deepEqual(readFileSync(path.join(a, name)), readFileSync(path.join(b, name)));
}

test('what was not changed verifies, also when it is made again', async () => {
  assert.deepEqual(await verify(original), { ok: true });
  assert.deepEqual(await verify(original, { remake: true }), { ok: true });
});

test('a flipped bit anywhere in the media is found', async () => {
  for (const name of ['audio.wav', 'recording.packets']) {
    const whole = readFileSync(path.join(original, name));
    for (let at = 0; at < whole.length; at += 997) {
      const dir = copy();
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      writeFileSync(path.join(dir, name), changed);
      assert.deepEqual(await verify(dir), { ok: false, difference: `${name}: its content was changed` });
      rmSync(dir, { recursive: true });
    }
  }
});

test('a changed byte anywhere in the manifest is found', async () => {
  const text = readFileSync(path.join(original, 'manifest.json'), 'utf8');
  const dir = copy();
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === '1' ? '2' : '1';
    writeFileSync(path.join(dir, 'manifest.json'), text.slice(0, at) + other + text.slice(at + 1));
    const { ok, difference } = await verify(dir);
    assert.equal(ok, false, `byte ${at}`);
    assert.match(difference ?? '', /^manifest.json: /);
  }
});

test('missing, short and absent files are differences, not errors', async () => {
  const dir = copy();
  truncateSync(path.join(dir, 'audio.wav'), 1000);
  assert.match((await verify(dir)).difference ?? '', /^audio.wav: 1000 bytes instead of/);
  rmSync(path.join(dir, 'audio.wav'));
  assert.deepEqual(await verify(dir), { ok: false, difference: 'audio.wav: missing' });
  rmSync(path.join(dir, 'manifest.json'));
  assert.match((await verify(dir)).difference ?? '', /^manifest.json: /);
  assert.equal((await verify(path.join(root, 'nowhere'))).ok, false);
});

test('replay gives the same bytes: from the packet file, its folder, the recording, and a journal in parts', async () => {
  for (const source of [packets, path.dirname(packets), original]) {
    const out = path.join(root, `replayed-${copies++}`);
    const [recording, ...others] = await replay(source, out);
    assert.equal(others.length, 0);
    assert.equal(recording?.id, RECORDING_ID);
    assert.deepEqual(readdirSync(out), [RECORDING_ID]);
    sameFiles(original, path.join(out, RECORDING_ID));
  }
  // Half of it in a packet file, half still in segments: one sealed, one that a crash left open.
  const data = path.join(root, 'data');
  const blocks: Buffer[] = [];
  for (let i = 0; i < RECORDS.length; i += 7) {
    blocks.push(buildBlock(RECORDS.slice(i, i + 7), { blockSeq: blocks.length + 1 }));
  }
  mkdirSync(path.join(data, 'packets'), { recursive: true });
  mkdirSync(path.join(data, 'journal'));
  writeFileSync(path.join(data, 'packets', `${RECORDING_ID}.packets`), Buffer.concat(blocks.slice(0, 3)));
  writeFileSync(path.join(data, 'journal', 'lane-0.a-1.sealed'), Buffer.concat(blocks.slice(3, 5)));
  writeFileSync(path.join(data, 'journal', 'lane-0.a-2.open'), Buffer.concat([...blocks.slice(5), Buffer.alloc(999)]));
  const out = path.join(root, `replayed-${copies++}`);
  const before = readdirSync(data, { recursive: true });
  await replay(data, out);
  sameFiles(original, path.join(out, RECORDING_ID));
  assert.deepEqual(readdirSync(data, { recursive: true }), before);
});

test('release: the packet file goes only if the recording verifies', async () => {
  const dir = copy();
  const file = path.join(root, 'released.packets');
  writeFileSync(file, 'x');
  const manifest = readFileSync(path.join(dir, 'manifest.json'));
  writeFileSync(path.join(dir, 'manifest.json'), '{}');
  assert.equal(await release(file, dir), false);
  assert.ok(existsSync(file));
  writeFileSync(path.join(dir, 'manifest.json'), manifest);
  assert.equal(await release(file, dir), true);
  assert.ok(!existsSync(file));
  assert.equal(await release(file, dir), true);
});

test('the tasks of the pool: segment, recording, verdict, release', async () => {
  const data = path.join(root, 'pool');
  mkdirSync(data);
  const segment = path.join(data, 'lane-0.a-1.sealed');
  writeFileSync(segment, packetFile(RECORDS));
  const filename = new URL('../../src/recording/worker.ts', import.meta.url).href;
  const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1 });
  const run = (task: RecordingTask) => pool.run(task);
  const folders = { packetsDir: path.join(data, 'packets'), recordingsDir: path.join(data, 'recordings') };
  const recordingId = RECORDING_ID;
  assert.deepEqual(await run({ do: 'demux', segment, packetsDir: folders.packetsDir }), [RECORDING_ID]);
  const recording = await run({ do: 'finalise', recordingId, ...folders, keepPackets: true });
  assert.equal(recording.id, RECORDING_ID);
  assert.equal('files' in recording, false);
  const dir = path.join(folders.recordingsDir, RECORDING_ID);
  sameFiles(original, dir);
  assert.deepEqual(await run({ do: 'verify', dir }), { ok: true });
  assert.equal(await run({ do: 'release', recordingId, ...folders }), true);
  assert.deepEqual(readdirSync(folders.packetsDir), []);
  assert.deepEqual(await run({ do: 'verify', dir }), { ok: true });
  await pool.destroy();
});
