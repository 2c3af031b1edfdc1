/**
 * The sockets of a lane: one for RTP and one for RTCP per stream. A driver fills the lane's batch of datagrams and says when it is to
 * be processed; it takes what is there and never waits for a batch to fill. It also runs the lane's loop, for it knows how to wait.
 *
 * Two drivers: `native` (./native-sockets.ts) receives batches straight into lane memory; `dgram` (./dgram-sockets.ts) runs everywhere.
 */
import type { CoreExports } from './core.ts';
import { DgramSockets } from './dgram-sockets.ts';
import { loadLibc } from './libc.ts';
import type { LaneMemory, Load } from './memory.ts';
import { NativeSockets } from './native-sockets.ts';

import type { SinkMemory } from './sink-memory.ts';

/** `auto`: native where it loads. */
export type SocketDriver = 'auto' | 'native' | 'dgram';

/** What a stream's sockets are bound to. */
export interface StreamPlace {
  address: string;
  rtpPort: number;
  rtcpPort: number | null;
  /** For many streams. */
  isSharedPort?: boolean;
}

export interface LaneSockets {
  /**
   * Binds both ports of a stream, or takes over those that the lane's life before has left open. Rejects with EADDRINUSE when one of
   * them is taken, EMFILE when there is no descriptor left; nothing is left bound then.
   */
  open(stream: number, at: StreamPlace): Promise<void>;
  /** Resolves when what had reached the stream's sockets before the call has been processed, and the kernel's drops are declared. */
  drain(stream: number): Promise<void>;
  close(stream: number): void;
  /** What comes stays in the stream's own sockets, or is kept as if it did, until it may be read or they are drained. */
  leaveUnread(stream: number, isUnread: boolean): void;
  /** One more waits for what the stream receives, or one less. What is only recorded is looked at later: a larger batch costs less. */
  awaitPackets(stream: number, waiting: 1 | -1): void;
  /**
   * Sends what lies in lane memory from the stream's socket of the channel, its RTP socket when it has no other. The network's errors are not
   * reported.
   */
  sendFrom(stream: number, channel: number, packet: Uint8Array, address: string, port: number): void;
  /** Where a sink's packets go, and the stream whose RTP socket they leave from. */
  openSink(sink: number, via: number, address: string, port: number): void;
  closeSink(sink: number): void;
  /** Sends the outgoing packets that the core has made. What the network does not take is counted with its sink. */
  send(packets: number): void;
  /**
   * Reads what has come to sockets that were taken over, then runs the lane until `end`: `turn` does what is due and gives the ms until there is
   * more to do.
   */
  run(turn: () => number): void;
  /** Since it was asked last: the share of the time that was not spent waiting, and the length of ticks. */
  load(): Load;
  /** Ends the loop. `keep`: sockets that can outlive the worker stay open for the next life. */
  end(keep: boolean): void;
}

export interface Batch {
  memory: LaneMemory;
  sinks: SinkMemory;
  /** The memory itself. */
  shared: WebAssembly.Memory;
  wasm: CoreExports;
  nowUs: () => bigint;
  /** Process the first `packets` slots. */
  process: (packets: number) => void;
}

export interface SocketsOptions {
  driver: 'native' | 'dgram';
  /** Differentiated services code point of what is sent (RFC 2474); native driver only. */
  dscp: number;
  /** eventfd(2) that wakes a waiting lane; -1 with node:dgram. */
  wakeFd: number;
}

/** Which driver `auto` is here, and why not the native one. @throws Error when the native one is asked for and cannot be had. */
export function chooseDriver(wanted: SocketDriver): { driver: 'native' | 'dgram'; reason: string | null } {
  if (wanted === 'dgram') return { driver: 'dgram', reason: 'as configured' };
  const libc = loadLibc();
  if (typeof libc !== 'string') return { driver: 'native', reason: null };
  if (wanted === 'native') throw new Error(`native media sockets cannot be used: ${libc}`);
  return { driver: 'dgram', reason: libc };
}

/** `before`: memories of the lane's lives before, whose sockets are taken over. */
export function openSockets(batch: Batch, options: SocketsOptions, before: WebAssembly.Memory[]): LaneSockets {
  const libc = options.driver === 'native' ? loadLibc() : 'dgram';
  return typeof libc === 'string' ? new DgramSockets(batch) : new NativeSockets(batch, libc, options, before);
}
