/** Writes numbered blocks into a journal until it is killed, and reports each one handed over, with the time. */
import { JournalWriter } from '../../src/journal/index.ts';
import { buildBlock, note } from '../recording/journal-builder.ts';

const [dir = ''] = process.argv.slice(2);
const writer = await JournalWriter.open({
  ...{ dir, laneId: 0, segmentBytes: 256 * 1024 },
  ...{ onSealed: () => undefined, onState: () => undefined },
});
let blockSeq = 0;
setInterval(() => {
  for (let i = 0; i < 5; i++) writer.write(buildBlock([note({ text: 'x'.repeat(300) })], { blockSeq: ++blockSeq }));
  process.send?.({ blockSeq, atMs: Date.now() });
}, 2);
