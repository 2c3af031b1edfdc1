/**
 * A life that waits for its beginning rehearses it: it opens a few streams, and closes them, some times over. V8 compiles what runs often, so that
 * the real beginning is fast from its first stream on.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { systemCalls } from '../journal/system-calls.ts';
import { Secret } from '../secret.ts';
import { MediaCore } from './core.ts';
import type { Beginning, StreamSetup } from './lane-protocol.ts';
import { LaneStreams } from './lane-streams.ts';
import { LaneWorker } from './lane-worker.ts';
import type { SocketsOptions } from './sockets.ts';
import type { SrtpKeys } from './srtp-suites.ts';

/** So few, for each has a file descriptor as long as it lasts. */
const STREAMS = 32;
const LIVES = 8;
const LOOPBACK = '127.0.0.1';

/** Until the real life begins, over a memory of its own, which is as new afterwards. What fails here is no matter. */
export async function rehearse(
  memory: WebAssembly.Memory,
  sockets: SocketsOptions,
  begun: Promise<unknown>,
): Promise<void> {
  const calls = systemCalls();
  if (!calls) return;
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  void begun.then(end, end);
  const bytes = new Uint8Array(memory.buffer);
  for (let life = 0; life < LIVES && !isOver; life++) {
    await live(memory, sockets).catch(() => {}); // the real one tells whoever is concerned
    calls.release(calls.addressOf(bytes), bytes.length);
  }
}

async function live(memory: WebAssembly.Memory, sockets: SocketsOptions): Promise<void> {
  const { port1: port } = new MessageChannel();
  const of = { laneId: 0, journalDir: '', life: 1, rehearsal: null };
  const streams = new LaneStreams(new MediaCore(memory), of.life);
  for (let n = 0; n < STREAMS; n++) streams.add(n, stream(n));
  const lane = new LaneWorker({ ...of, memory, port, standby: port, sockets }, streams, []);
  try {
    await lane.open(contents());
    await nextTurn();
  } finally {
    lane.stop(false);
    port.close();
  }
}

function contents(): Beginning {
  const setup = { id: new Uint8Array(16), paused: false, isRecorded: true, isLookBackPaused: false };
  const recordings = Array.from({ length: STREAMS }, (_, n): Beginning['recordings'][number] => [n, setup]);
  return { recordings, sinks: [], players: [], mixers: [], before: [] };
}

/** Port 0: any that is free. */
function stream(recording: number): StreamSetup {
  const local = { address: LOOPBACK, rtpPort: 0, rtcpPort: null, host: null };
  const remote = { address: new Uint8Array(16), rtpPort: 9, rtcpPort: 9 };
  const srtp = { receive: randomKeys(), send: randomKeys() };
  const of = { recording, index: 0, clockRate: 8000, ownSsrc: 1, rtcpMux: true };
  return { ...of, ...local, remote, reportTo: null, srtp };
}

function randomKeys(): SrtpKeys {
  return { suite: 'AES_CM_128_HMAC_SHA1_80', keys: [{ keyAndSalt: new Secret(randomBytes(30)), mki: null }] };
}
