/** RFC 3550 section 6.3.5: a receiver that has reported and does no more is gone; one that never has is left alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceiverWatch } from '../../../src/client/media-server/receiver-watch.ts';

/** Looks each second; `report`: whether one comes then. @returns the second of the first fault. */
function watch(
  seconds: number,
  signs: (second: number) => { packets?: number; errors?: number; report?: boolean },
): number | null {
  const one = new ReceiverWatch();
  let [packets, sendErrors, reportMs] = [0, 0, null as number | null];
  for (let second = 1; second <= seconds; second++) {
    const { packets: sent = 50, errors = 0, report = false } = signs(second);
    packets += sent;
    sendErrors += errors;
    if (report) reportMs = second * 1000;
    const receiverReport = reportMs === null ? null : { atMs: reportMs };
    if (one.look({ packets, sendErrors, receiverReport }, second * 1000 + 100) !== null) return second;
  }
  return null;
}

test('reports that go on coming, or never came, are no fault', () => {
  assert.equal(
    watch(600, (second) => ({ report: second % 5 === 0 })),
    null,
  );
  assert.equal(
    watch(600, () => ({})),
    null,
  );
});

test('reports that stay away are a fault after 15 s, or three of their longest gaps', () => {
  assert.equal(
    watch(600, (second) => ({ report: second <= 50 && second % 5 === 0 })),
    65,
  );
  assert.equal(
    watch(600, (second) => ({ report: second <= 60 && second % 10 === 0 })),
    90,
  );
});

test('nothing is expected of the receiver of a stream that is silent or paused', () => {
  assert.equal(
    watch(600, (second) => ({ packets: second > 50 ? 0 : 50, report: second <= 50 && second % 5 === 0 })),
    null,
  );
  const resumed = watch(600, (second) => ({
    packets: second > 50 && second < 300 ? 0 : 50,
    report: second <= 50 && second % 5 === 0,
  }));
  assert.equal(resumed, 315);
});

test('a network that takes nothing is a fault after three looks; one that takes some is none', () => {
  assert.equal(
    watch(600, (second) => (second < 10 ? {} : { packets: 0, errors: 50 })),
    12,
  );
  assert.equal(
    watch(600, () => ({ packets: 40, errors: 10 })),
    null,
  );
});
