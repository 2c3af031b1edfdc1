/** What a system benchmark asks of a contender that forwards, whatever it is. */
import { PACKET_US } from './load/packets.ts';
import type { Route } from './load/sinks.ts';

/** A contender that has not done the work, and why. */
export class NotDone extends Error {
  override readonly name = 'NotDone';
}

/** The load was not what it should have been: what it says of the contender is not true. */
export class LoadTooSlow extends Error {
  override readonly name = 'LoadTooSlow';
}

const MAX_LATE_US = 250_000;

/** @throws LoadTooSlow */
export function checkLoad({ refused, maxLateUs }: { refused: number; maxLateUs: number }): void {
  if (refused > 0) throw new LoadTooSlow(`the kernel refused ${refused} packets of the load`);
  if (maxLateUs > MAX_LATE_US) throw new LoadTooSlow(`the load was ${Math.round(maxLateUs / 1000)} ms late`);
}

/** As taskset names them. */
export interface Cores {
  tested: string;
  load: string;
}

export interface ForwardSetup {
  streams: number;
  /** Ports of the sinks: each gets every stream. */
  sinkPorts: number[];
  /** Protect what is sent, with a key for each stream and sink. */
  isSrtp: boolean;
  /** That it runs on. */
  core: string;
}

export interface Forwarder {
  pid: number;
  /** Where each stream is to be sent. */
  ports: number[];
  routes: Route[];
  close(): Promise<void>;
}

export interface ForwardContender {
  name: string;
  /** Also protects what it sends. */
  hasSrtp: boolean;
  mostSinks: number;
  /** It is not asked to take more; left out: as many as the others. */
  mostStreams?: number;
  open(setup: ForwardSetup): Promise<Forwarder>;
}

/** Everything is on the loopback interface, in ranges that do not overlap; ephemeral ports begin at 32768. */
export const ADDRESS = '127.0.0.1';
export const SOURCE_PORT = 9_000;
export const CONTROL_PORT = 9_010;
export const FIRST_SINK_PORT = 9_100;
export const MEDIA_PORTS = { lo: 10_000, hi: 32_767 };

/** How every load is sent. */
export const LOAD = { address: ADDRESS, sourcePort: SOURCE_PORT, intervalUs: PACKET_US };

/** In the clear every sink gets every stream. */
export function clearRoutes({ streams, sinkPorts }: ForwardSetup): Route[] {
  return sinkPorts.flatMap((_, sink) => Array.from({ length: streams }, (_, stream) => ({ sink, stream, srtp: null })));
}
