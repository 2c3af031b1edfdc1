/** kill -9 of the process that writes: what had been handed over is there, but for the last moment. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { blocks, demultiplex, leftOverSegments, markRecovered, packetFilePath } from '../../src/journal/index.ts';
import { RECORDING_ID, random } from '../recording/journal-builder.ts';

/** Age from which on a block must have survived. */
const BOUND_MS = 250;

for (const seed of [1, 2, 3, 4]) {
  test(`kill -9 (seed ${seed}): everything older than ${BOUND_MS} ms is there once and in order`, async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'doubletrack-kill-'));
    try {
      const journal = path.join(dir, 'journal');
      const victim = fork(path.join(import.meta.dirname, 'victim.ts'), [journal], { stdio: 'inherit' });
      const handedOver: Array<{ blockSeq: number; atMs: number }> = [];
      const afterBlocks = 100 + Math.floor(random(seed)() * 1500);
      const killedAtMs = await new Promise<number>((resolve) => {
        let isKilled = false;
        victim.on('message', (message) => {
          handedOver.push(message as (typeof handedOver)[number]);
          if (isKilled || (handedOver.at(-1)?.blockSeq ?? 0) < afterBlocks) return;
          isKilled = true;
          victim.kill('SIGKILL');
          resolve(Date.now());
        });
      });
      await once(victim, 'exit');
      const packets = path.join(dir, 'packets');
      for (const segment of leftOverSegments(journal)) await demultiplex(segment, packets);
      const packetFile = packetFilePath(packets, RECORDING_ID);
      const seqs = [...blocks(readFileSync(packetFile))].map(({ header }) => Number(header.blockSeq));
      assert.deepEqual(
        seqs,
        seqs.map((_, i) => i + 1),
      );
      const owed = Math.max(
        0,
        ...handedOver.filter(({ atMs }) => atMs <= killedAtMs - BOUND_MS).map((h) => h.blockSeq),
      );
      assert.ok(seqs.length >= owed, `${seqs.length} blocks of the ${owed} that must be there`);
      assert.equal(await markRecovered(packetFile, killedAtMs), true);
      assert.deepEqual(readdirSync(packets), [path.basename(packetFile)]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}
