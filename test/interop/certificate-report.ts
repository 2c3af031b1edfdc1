/** The certificate of a recording beside the account of who sent it. */
import assert from 'node:assert/strict';
import type { CallReport } from '../../src/client/caller/index.ts';
import type { Recording } from '../../src/store/recording.ts';

function assertSums(recording: Recording): void {
  for (const { packets: p } of recording.streams) assert.equal(p.expected, p.received + p.lost + p.dropped + p.paused);
}

/** What was withheld is lost, what was sent is received, what was sent twice is a duplicate. */
export function assertEqualsReport(recording: Recording, call: CallReport): void {
  assertSums(recording);
  for (const { label, ssrc, packets: sent } of call.streams) {
    const stream = recording.streams.find((one) => one.label === label)!;
    assert.deepEqual(stream.ssrcs, [ssrc]);
    const { expected, received, lost, dropped, duplicate, unauthenticated } = stream.packets;
    const mine = { expected, received, lost, dropped, duplicate, unauthenticated };
    assert.deepEqual(mine, {
      ...{ expected: sent.sent + sent.withheld, received: sent.sent, lost: sent.withheld },
      ...{ dropped: 0, duplicate: sent.duplicated, unauthenticated: 0 },
    });
  }
}
