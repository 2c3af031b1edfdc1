/** The lives of a lane in a certificate: what is missing between two of them is lost, what another source sends is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EPOCHS_PER_LIFE } from '../../src/journal/format.ts';
import { type BuiltRecord, recordingNote, rtp, streamNote } from './journal-builder.ts';
import { make } from './make.ts';

/** Packets of one epoch, 20 ms each; `first` of all that were sent. */
function packets(epoch: number, firstSeq: number, first: number, count: number, ssrc = 7): BuiltRecord[] {
  return Array.from({ length: count }, (_, n) => {
    const [seq, position] = [(firstSeq + first) & 0xffff, first + n];
    const payload = new Uint8Array(160);
    return rtp({ epoch, ssrc, seq: seq + n, timestamp: position * 160, arrivalUs: position * 20_000, payload });
  });
}

async function countsOf(records: BuiltRecord[]) {
  const { recording, manifest } = await make([recordingNote(), streamNote(0), ...records]);
  return { counts: recording.streams[0]!.packets, sources: manifest.streams[0]!.sources };
}

test('what is missing between two lives of a lane is lost, at any number and over its wrap', async () => {
  const [seqs, counts] = [fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 1, max: 40 })];
  const property = fc.asyncProperty(seqs, counts, fc.nat(200), counts, async (firstSeq, before, missing, after) => {
    const first = packets(0, firstSeq, 0, before);
    const second = packets(EPOCHS_PER_LIFE, firstSeq, before + missing, after);
    const { counts: told, sources } = await countsOf([...first, ...second]);
    assert.equal(told.received, before + after);
    assert.equal(told.lost, missing);
    assert.equal(told.expected, before + missing + after);
    const { firstSeq: from, lastSeq: to, received, lost } = sources[1]!;
    assert.equal(to! - from! + 1, received + lost.packets);
  });
  await fc.assert(property, { numRuns: 30 });
});

test('another source of the next life, and a jump within one life, lose nothing', async () => {
  const first = packets(0, 100, 0, 10);
  assert.equal((await countsOf([...first, ...packets(EPOCHS_PER_LIFE, 100, 50, 10, 8)])).counts.lost, 0);
  assert.equal((await countsOf([...first, ...packets(1, 100, 50, 10)])).counts.lost, 0);
});
