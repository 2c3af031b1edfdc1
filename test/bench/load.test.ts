/**
 * The load of the system benchmarks with real sockets: contenders that do the work are measured, and one that does not is found out. What
 * they take is not looked at.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { nodeDgram, rtpengine } from '../../bench/peers/forwarders.ts';
import { Rtpengine } from '../../bench/peers/rtpengine.ts';
import { coresToMeasureOn } from '../../bench/pin.ts';
import { ADDRESS, type ForwardContender, MEDIA_PORTS, NotDone } from '../../bench/system/contender.ts';
import { type ForwardingPlan, forwarding } from '../../bench/system/forwarding.ts';
import { RecordingRig } from '../../bench/system/recording.ts';
import { Remote } from '../../bench/system/remote.ts';

const cores = coresToMeasureOn();
const hasKoffi = spawnSync(process.execPath, ['-e', "require('koffi')"]).status === 0;
const skip = cores && hasKoffi ? false : 'needs Linux, taskset and koffi';
const SHORT = { warmUpMs: 100, measureMs: 300, cores: cores! };
const PLAN: ForwardingPlan = { ...SHORT, streams: 10, sinks: 1, isSrtp: false, isTimed: true };

test('ours records: every packet is in the journal as it was sent', { skip }, async () => {
  for (const isSrtp of [true, false]) {
    const rig = await RecordingRig.start({ ...SHORT, isSrtp }, 5);
    try {
      await rig.open(5);
      const { packets, cpuUs } = await rig.load(SHORT.warmUpMs, SHORT.measureMs);
      assert.equal(packets, 150);
      assert.ok(cpuUs > 0);
      assert.equal(await rig.missing(), 0);
      await rig.check();
    } finally {
      await rig.close();
    }
  }
});

test('node:dgram forwards to three sinks: every packet is timed', { skip }, async () => {
  const { latency } = await forwarding(nodeDgram, { ...PLAN, sinks: 3 });
  assert.equal(latency?.packets, 450);
  assert.ok(latency.p50Us <= latency.p99Us && latency.p99Us <= latency.maxUs + 1);
});

test('a contender that cannot begin is told, and nothing of it is left', { skip }, async (t) => {
  const squatter = createSocket('udp4').bind(MEDIA_PORTS.lo, ADDRESS);
  t.after(() => squatter.close());
  await once(squatter, 'listening');
  const started = t.mock.method(Remote, 'start');
  await assert.rejects(forwarding(nodeDgram, PLAN), /EADDRINUSE/);
  const pids = started.mock.calls.map(({ result }) => result!.pid);
  assert.equal(pids.length, 2);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('a contender that loses a stream is found out', { skip }, async () => {
  const liar: ForwardContender = {
    ...nodeDgram,
    open: async (setup) => {
      const forwarder = await nodeDgram.open(setup);
      return { ...forwarder, ports: forwarder.ports.with(3, 1) };
    },
  };
  await assert.rejects(forwarding(liar, PLAN), (error) => error instanceof NotDone && /received/.test(error.message));
});

test('a contender that mixes streams up is found out', { skip }, async () => {
  const liar: ForwardContender = {
    ...nodeDgram,
    open: async (setup) => {
      const forwarder = await nodeDgram.open(setup);
      return { ...forwarder, routes: forwarder.routes.filter(({ stream }) => stream !== 3) };
    },
  };
  await assert.rejects(forwarding(liar, PLAN), NotDone);
});

const noPeer = Rtpengine.version() === null && 'rtpengine is not installed';

test('rtpengine forwards a call, and publishes to subscribers, with SRTP too', { skip: skip || noPeer }, async () => {
  await forwarding(rtpengine, PLAN);
  await forwarding(rtpengine, { ...PLAN, streams: 4, sinks: 3 });
  await forwarding(rtpengine, { ...PLAN, streams: 4, sinks: 3, isSrtp: true });
});
