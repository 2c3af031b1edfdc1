/** A life of a lane takes over the sockets of the one before with what that was told of them, whatever it was ended in. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MediaCore } from '../../src/media/core.ts';
import { Epoll } from '../../src/media/epoll.ts';
import { CHANNEL_RTP, IoMemory, LATER_EPOLL, SOON_EPOLL } from '../../src/media/io-memory.ts';
import { type Libc, loadLibc } from '../../src/media/libc.ts';
import { createLaneMemory } from '../../src/media/memory.ts';
import { type LaneSockets, openSockets } from '../../src/media/sockets.ts';
import { openWake } from '../../src/media/wake.ts';
import { freePort } from '../interop/srtp-peers.ts';
import { openSockets as descriptors } from './descriptors.ts';
import { LOOPBACK, noNative, Sender, until } from './loopback.ts';
import { rtp } from './rig.ts';

const libc = loadLibc() as Libc;
const STREAM = 0;
const RTP_SOCKET = 2 * STREAM + CHANNEL_RTP;

/** One stream, over sockets whose loop runs when it is told to. */
class Life {
  readonly memory = createLaneMemory(0);
  readonly io: IoMemory;
  readonly sockets: LaneSockets;
  received = 0;
  readonly #port: number;

  constructor(port: number, wakeFd: number, before: Life[]) {
    const { memory, sinks, wasm } = new MediaCore(this.memory);
    this.#port = port;
    this.io = new IoMemory(this.memory, libc.addressOf);
    const process = (packets: number) => {
      wasm.process(packets);
      this.received += packets;
    };
    const batch = { memory, sinks, shared: this.memory, wasm, nowUs: () => 1n, process };
    const options = { driver: 'native', dscp: 0, wakeFd } as const;
    this.sockets = openSockets(
      batch,
      options,
      before.map((life) => life.memory),
    );
    const media = { recording: 0, index: 0, clockRate: 8000, ownSsrc: 1, rtcpMux: true, firstEpoch: 0, remote: null };
    memory.openStream(STREAM, { ...media, isSrtp: false });
  }

  open(): Promise<void> {
    return this.sockets.open(STREAM, { address: LOOPBACK, rtpPort: this.#port, rtcpPort: null });
  }

  /** What the kernel tells of one of its sets of sockets: it does not tell it again. */
  told(epoll: number, timeoutMs: number): number {
    return new Epoll(libc, this.io, epoll).wait(timeoutMs);
  }
}

/** A life with its stream open, whose next one is to be made. */
async function begun(t: TestContext) {
  const descriptorsBefore = descriptors().length;
  const sender = await Sender.open();
  const port = await freePort();
  const wake = openWake('native');
  const lives: Life[] = [];
  const next = () => {
    const life = new Life(port, wake.fd, [...lives]);
    lives.push(life);
    return life;
  };
  t.after(async () => {
    for (const life of lives) life.sockets.end(false);
    wake.close();
    sender.close();
    await until(() => descriptors().length === descriptorsBefore, 'all descriptors to be closed');
  });
  const first = next();
  await first.open();
  const send = () => sender.sent(rtp({ seq: 1 }), { rtpPort: port });
  return { first, send, next };
}

test('what a life was told of and did not read is read by the next', { skip: noNative }, async (t) => {
  const { first, send, next } = await begun(t);
  await send();
  assert.equal(first.told(LATER_EPOLL, 1_000), 1);
  first.sockets.end(true);
  const second = next();
  await second.open();
  assert.equal(second.told(LATER_EPOLL, 0), 0, 'the kernel does not tell it again');
  second.sockets.run(() => 1);
  assert.equal(second.received, 1);
});

test('a stream that the life before was waiting for, and nobody is now, is among the others', {
  skip: noNative,
}, async (t) => {
  const { first, send, next } = await begun(t);
  first.sockets.awaitPackets(STREAM, 1);
  assert.equal(first.io.socketEpoll(RTP_SOCKET), SOON_EPOLL);
  first.sockets.end(true);
  const second = next();
  await second.open();
  assert.equal(second.io.socketEpoll(RTP_SOCKET), LATER_EPOLL);
  second.told(SOON_EPOLL, 0); // of what wakes it
  await send();
  assert.equal(second.told(LATER_EPOLL, 1_000), 1);
  assert.equal(second.told(SOON_EPOLL, 0), 0);
});

test('a stream is left unread, too, whose socket the life before was about to move', { skip: noNative }, async (t) => {
  const { first, send, next } = await begun(t);
  first.sockets.awaitPackets(STREAM, 1);
  first.io.setSocketEpoll(RTP_SOCKET, 0); // as it stands in between
  first.sockets.end(true);
  const second = next();
  await second.open();
  second.sockets.leaveUnread(STREAM, true);
  second.told(SOON_EPOLL, 0); // of what wakes it
  await send();
  assert.equal(second.told(LATER_EPOLL, 20), 0);
  assert.equal(second.told(SOON_EPOLL, 0), 0);
  second.sockets.run(() => 1);
  assert.equal(second.received, 0);
  second.sockets.leaveUnread(STREAM, false);
  await until(() => second.received === 1, 'the packet that has waited');
});
