/** The journal's blocks, against files that were written from the text of the format alone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { crc32c } from '../../src/journal/crc32c.ts';
import { checkBlock, noteBlock, readBlockHeader, records, uuidBytes, uuidText } from '../../src/journal/format.ts';
import { blocks, type ReadReport, readBlocks } from '../../src/journal/index.ts';
import {
  buildBlock,
  NOTE,
  note,
  packetFile,
  RECORDING_ID,
  RTP,
  random,
  rtp,
  slowCrc32c,
} from '../recording/journal-builder.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'doubletrack-format-'));
after(() => rmSync(dir, { recursive: true }));

function sample(): Buffer[] {
  const random01 = random(5);
  return Array.from({ length: 6 }, (_, b) =>
    buildBlock(
      Array.from({ length: 1 + (b % 3) }, (_, i) =>
        rtp({
          seq: b * 10 + i,
          timestamp: i * 160,
          arrivalUs: b * 100 + i,
          payload: Buffer.from(Array.from({ length: b * 7 + i }, () => Math.floor(random01() * 256))),
        }),
      ),
      { blockSeq: b + 1 },
    ),
  );
}

function report(): ReadReport {
  return { validBytes: 0, damagedBytes: 0 };
}

async function fileBlocks(bytes: Uint8Array, chunkBytes: number): Promise<{ seqs: bigint[]; report: ReadReport }> {
  const file = path.join(dir, 'blocks');
  writeFileSync(file, bytes);
  const found = report();
  const seqs: bigint[] = [];
  for await (const { header } of readBlocks(file, { report: found, chunkBytes })) seqs.push(header.blockSeq);
  return { seqs, report: found };
}

test('RFC 3720 B.4: CRC32C test patterns', () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
});

test('CRC32C agrees with one bit at a time, for every length and offset', () => {
  const next = random(1);
  const bytes = Uint8Array.from({ length: 80 }, () => next() * 256);
  for (let start = 0; start < 9; start++) {
    for (let end = start; end <= bytes.length; end++) {
      assert.equal(crc32c(bytes, start, end), slowCrc32c(bytes.subarray(start, end)));
    }
  }
});

test('a block and its records read as they were written', () => {
  const record = rtp({
    seq: 7,
    timestamp: 99,
    arrivalUs: 123_456_789_012,
    payload: Buffer.from('abc'),
    epoch: 3,
    stream: 2,
  });
  const block = buildBlock([note({ type: 'x' }, 5), record], { blockSeq: 2n ** 60n + 1n, laneId: 4, monoUs: 77 });
  assert.equal(checkBlock(block, 0), 'block');
  const header = readBlockHeader(block, 0);
  assert.equal(header.recordingId, RECORDING_ID);
  assert.equal(header.blockSeq, 2n ** 60n + 1n);
  assert.equal(header.laneId, 4);
  assert.equal(header.monoUs, 77);
  assert.equal(header.wallUs, 1_700_000_000_000_077);
  const [first, second, ...none] = records(block);
  assert.equal(none.length, 0);
  assert.equal(first?.kind, NOTE);
  assert.equal(Buffer.from(first?.payload ?? []).toString(), '{"type":"x"}');
  assert.equal(second?.kind, RTP);
  assert.equal(second?.extSeq, 65543);
  assert.equal(second?.epoch, 3);
  assert.equal(second?.stream, 2);
  assert.equal(second?.arrivalUs, 123_456_789_012);
  assert.deepEqual(Buffer.from(second?.payload ?? []), record.payload);
});

test('a note block is a block', () => {
  const header = {
    recordingId: RECORDING_ID,
    blockSeq: 9n,
    monoUs: 1,
    wallUs: 1_700_000_000_000_001,
    laneId: 0xffffffff,
  };
  const block = noteBlock(header, [{ type: 'recovered', atMs: 5 }]);
  const same = buildBlock([note({ type: 'recovered', atMs: 5 }, 1)], { blockSeq: 9, laneId: 0xffffffff, monoUs: 1 });
  assert.deepEqual(Buffer.from(block), same);
});

test('RFC 9562 4: UUIDs in bytes and text', () => {
  assert.equal(uuidText(uuidBytes(RECORDING_ID)), RECORDING_ID);
  for (const wrong of ['', '../../etc/passwd', `${RECORDING_ID}0`]) assert.throws(() => uuidBytes(wrong), TypeError);
});

test('cut at each byte: the whole blocks before the cut, and nothing else', async () => {
  const parts = sample();
  const whole = Buffer.concat(parts);
  for (let cut = 0; cut <= whole.length; cut++) {
    const expected = parts.filter((_, i) => Buffer.concat(parts.slice(0, i + 1)).length <= cut).length;
    const found = report();
    assert.equal([...blocks(whole.subarray(0, cut), found)].length, expected, `cut at ${cut}`);
    assert.equal(
      found.validBytes,
      parts.slice(0, expected).reduce((sum, part) => sum + part.length, 0),
    );
  }
});

test('preallocated zeros end a segment, whatever the chunk', async () => {
  const parts = sample();
  const whole = Buffer.concat([...parts, Buffer.alloc(5000)]);
  for (const chunkBytes of [64, 65, 100, 333, 1 << 16]) {
    const { seqs, report: found } = await fileBlocks(whole, chunkBytes);
    assert.deepEqual(seqs, [1n, 2n, 3n, 4n, 5n, 6n]);
    assert.deepEqual(found, { validBytes: whole.length - 5000, damagedBytes: 0 });
  }
});

test('a flipped bit costs its block alone, unless it is in the length; the file reads as the buffer does', async () => {
  const parts = sample();
  const whole = Buffer.concat(parts);
  const third = (parts[0]?.length ?? 0) + (parts[1]?.length ?? 0);
  for (let at = third; at < third + (parts[2]?.length ?? 0); at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0x08;
    const found = report();
    const seqs = [...blocks(damaged, found)].map(({ header }) => header.blockSeq);
    const isLength = at >= third + 4 && at < third + 8;
    assert.deepEqual(seqs, isLength ? [1n, 2n] : [1n, 2n, 4n, 5n, 6n], `byte ${at - third}`);
    assert.ok(found.damagedBytes > 0);
    const fromFile = await fileBlocks(damaged, 200);
    assert.deepEqual(fromFile.seqs, seqs, `byte ${at - third} from the file`);
    assert.ok(fromFile.report.damagedBytes > 0);
    assert.equal([...blocks(damaged, undefined, true)].length, 2);
  }
});

test('no mutation throws, and none makes a block that was not written', () => {
  const whole = Buffer.concat(sample());
  const next = random(7);
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(whole);
    for (let i = 1 + Math.floor(next() * 4); i > 0; i--)
      bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    const cut = next() < 0.3 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes;
    for (const block of blocks(cut)) {
      assert.ok(block.header.blockSeq >= 1n && block.header.blockSeq <= 6n);
      for (const record of records(block.bytes)) assert.ok(record.payload.length <= block.bytes.length);
    }
  }
});

test('a forged block inside a packet is never found, whatever is damaged before it', () => {
  const forged = buildBlock([note({ type: 'end' })], { blockSeq: 99 });
  const carrier = buildBlock([{ kind: RTP, payload: Buffer.concat([Buffer.alloc(12, 0x80), forged]) }], {
    blockSeq: 1,
  });
  const whole = Buffer.concat([carrier, packetFile([note({ type: 'x' })])]);
  for (let at = 0; at < carrier.length; at++) {
    if (at >= 4 && at < 8) continue; // the length may lead anywhere; the next test covers it
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    assert.ok([...blocks(damaged)].every(({ header }) => header.blockSeq !== 99n));
  }
});

test('lengths in records that lead out of the block end it', () => {
  const block = buildBlock([rtp({ seq: 1, timestamp: 0, arrivalUs: 0, payload: Buffer.alloc(20) })], { blockSeq: 1 });
  block.writeUInt32LE(0xfffffff0, 64);
  assert.deepEqual([...records(block)], []);
});
