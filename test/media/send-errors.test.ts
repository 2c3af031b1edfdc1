/** What the network does not take from a sink is counted with it, and holds up neither the stream nor its other sinks. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { MessageChannel } from 'node:worker_threads';
import { MediaCore } from '../../src/media/core.ts';
import type { WireSinkSetup } from '../../src/media/lane-protocol.ts';
import { LaneStreams } from '../../src/media/lane-streams.ts';
import { LaneWorker } from '../../src/media/lane-worker.ts';
import { type Libc, loadLibc } from '../../src/media/libc.ts';
import { createLaneMemory } from '../../src/media/memory.ts';
import { chooseDriver } from '../../src/media/sockets.ts';
import { openWake } from '../../src/media/wake.ts';
import { freePort } from '../interop/srtp-peers.ts';
import { LOOPBACK, noNative, Sender, until } from './loopback.ts';
import { rtp } from './rig.ts';

/** A link that nobody reads from and that takes 8 kbit/s, in a namespace that goes with its last process. */
const NETWORK = `
  ip link set lo up &&
  ip link add slow0 type veth peer name slow1 &&
  ip addr add 10.9.0.1/24 dev slow0 && ip link set slow0 up && ip link set slow1 up &&
  ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev slow0 &&
  tc qdisc add dev slow0 root tbf rate 8kbit burst 2000 limit 100000000`;

interface Told {
  sent: number;
  arrived: number;
  received: number;
  sinks: Record<'near' | 'slow' | 'nowhere', { packets: number; sendErrors: number }>;
}

function whyNot(): string | false {
  if (chooseDriver('auto').driver !== 'native') return 'node:dgram queues what the kernel does not take';
  const made = spawnSync('unshare', ['-n', 'sh', '-c', NETWORK], { encoding: 'utf8' });
  return made.status === 0 ? false : 'needs root, iproute2 and the kernel modules veth and sch_tbf';
}

test('EAGAIN and ENETUNREACH of a sink are counted, and nobody waits', { skip: whyNot() }, async () => {
  const script = path.join(import.meta.dirname, 'send-errors.ts');
  const args = ['-n', 'sh', '-c', `${NETWORK} && exec "$0" "$1"`, process.execPath, script];
  const { stdout } = await promisify(execFile)('unshare', args, { timeout: 60_000 });
  const { sent, arrived, received, sinks } = JSON.parse(stdout) as Told;
  assert.equal(received, sent, 'all of it is recorded');
  assert.equal(arrived, sent, 'the near sink has all of it');
  assert.equal(sinks.near.sendErrors, 0);
  assert.ok(
    sinks.slow.sendErrors > 0 && sinks.slow.sendErrors < sent,
    `${sinks.slow.sendErrors} found the buffer full`,
  );
  assert.equal(sinks.nowhere.sendErrors, sent);
});

/** Linux tells UDP of ENOBUFS only where IP_RECVERR is set (ip(7)), and no socket here has it: so sendmmsg itself says it, each second time. */
function refuseEachSecondSend(libc: Libc): { restore: () => void } {
  const { sendmmsg, errno } = libc;
  let calls = 0;
  let isRefused = false;
  libc.sendmmsg = (...args) => {
    isRefused = calls++ % 2 === 0;
    return isRefused ? -1 : sendmmsg(...args);
  };
  libc.errno = () => {
    if (!isRefused) return errno();
    isRefused = false;
    return constants.errno.ENOBUFS;
  };
  return { restore: () => Object.assign(libc, { sendmmsg, errno }) };
}

function sinkTo(rtpPort: number): WireSinkSetup {
  const media = {
    ssrc: rtpPort,
    firstSeq: 1,
    firstTimestamp: 0,
    clockRate: 8000,
    payloadTypes: [],
    lookBackSeconds: 0,
  };
  const open = { paused: false, keepAliveMs: 15_000, srtp: null, receiveSrtp: null };
  return { ...media, ...open, stream: 0, via: 0, remote: { address: LOOPBACK, rtpPort } };
}

test('ENOBUFS is counted with the sink whose packet it was, and nobody waits', { skip: noNative }, async (t) => {
  const packets = 200;
  const [sender, ...sinks] = await Promise.all([Sender.open(), Sender.open(), Sender.open()]);
  const wake = openWake('native');
  const sockets = { driver: 'native', dscp: 0, wakeFd: wake.fd } as const;
  const memory = createLaneMemory(0);
  const core = new MediaCore(memory);
  const streams = new LaneStreams(core, 0);
  const rtpPort = await freePort();
  const place = { address: LOOPBACK, rtpPort, rtcpPort: null, host: null, reportTo: null, srtp: null };
  streams.add(0, { ...place, recording: 0, index: 0, clockRate: 8000, ownSsrc: 1, rtcpMux: true, remote: null });
  const { port1: port } = new MessageChannel();
  const task = { laneId: 0, journalDir: '', life: 0, rehearsal: null, memory, port, standby: port, sockets };
  const lane = new LaneWorker(task, streams, []);
  const fault = refuseEachSecondSend(loadLibc() as Libc);
  t.after(() => {
    fault.restore();
    lane.stop(false);
    wake.close();
    port.close();
    for (const socket of [sender, ...sinks]) socket.close();
  });
  const id = new Uint8Array(16);
  await lane.open({
    recordings: [[0, { id, paused: false, isRecorded: false, isLookBackPaused: false }]],
    sinks: sinks.map((sink, n) => [n, sinkTo(sink.remote.rtpPort)]),
    ...{ players: [], mixers: [], before: [] },
  });
  const refusedOf = (sink: number) => core.sinks.counts(sink).sendErrors;
  for (let seq = 1; seq <= packets; seq++) {
    await sender.sent(rtp({ seq, timestamp: seq * 160 }), { rtpPort });
    await until(() => core.memory.streamCounters(0).received === seq, `packet ${seq}`);
  }
  for (const [n, sink] of sinks.entries())
    await until(() => sink.reports.length + refusedOf(n) === packets, `all of sink ${n}, sent or counted`);
  assert.ok(refusedOf(0) + refusedOf(1) > 0);
});
