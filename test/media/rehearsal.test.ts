/** A life that waits rehearses its beginning, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLaneMemory, LaneMemory } from '../../src/media/memory.ts';
import { rehearse } from '../../src/media/rehearsal.ts';
import { openWake } from '../../src/media/wake.ts';
import { openSockets } from './descriptors.ts';
import { noNative } from './loopback.ts';

/** Streams that have been opened over any memory. */
let opened = 0;
const { openStream } = LaneMemory.prototype;
LaneMemory.prototype.openStream = function (this: LaneMemory, ...args: Parameters<typeof openStream>) {
  opened += 1;
  openStream.apply(this, args);
};

test('it opens streams, closes their sockets, and its memory is as new', { skip: noNative }, async () => {
  const wake = openWake('native');
  const before = openSockets();
  const memory = createLaneMemory(0);
  opened = 0;
  await rehearse(memory, { driver: 'native', dscp: 0, wakeFd: wake.fd }, new Promise(() => {}));
  assert.ok(opened >= 100, `${opened} streams`);
  assert.deepEqual(openSockets(), before);
  assert.ok(new Uint32Array(memory.buffer).every((word) => word === 0));
  wake.close();
});

test('it ends as soon as the real life begins', { skip: noNative }, async () => {
  const wake = openWake('native');
  const memory = createLaneMemory(0);
  opened = 0;
  await rehearse(memory, { driver: 'native', dscp: 0, wakeFd: wake.fd }, Promise.resolve());
  assert.ok(opened < 100, `${opened} streams`);
  assert.ok(new Uint32Array(memory.buffer).every((word) => word === 0));
  wake.close();
});
