/** What the main thread and a lane's worker say to each other. One message per change of a session, none per packet. */
import type { MessagePort } from 'node:worker_threads';
import { Secret } from '../secret.ts';
import type { StreamState } from './memory.ts';
import type { MixerSetup } from './mixer-memory.ts';
import type { PlayerSetup } from './player-memory.ts';
import type { SinkState } from './sink-memory.ts';
import type { SocketsOptions } from './sockets.ts';
import type { SrtpKeys, StreamSrtp } from './srtp-suites.ts';

export interface LaneTask {
  memory: WebAssembly.Memory;
  /** Of commands, and answers to them. */
  port: MessagePort;
  /** Of what is open, as it changes; then of the order to begin. Closed without one: the lane is closed. */
  standby: MessagePort;
  laneId: number;
  journalDir: string;
  sockets: SocketsOptions;
  /** Lives before this one: numbers of epochs and SRTCP indices go on behind theirs. */
  life: number;
  /** Where it may rehearse while it waits; null: it is to begin at once. */
  rehearsal: WebAssembly.Memory | null;
}

/**
 * To a life that waits for its beginning. A lane may have thousands of streams, which take long to open: it has them in its memory when the life
 * before dies.
 */
export type StandbyMessage =
  /** Null: it is closed. */
  { stream: number; setup: WireSetup | null } | { begin: Beginning };

/** By slot: what is open beside the streams. */
export interface Beginning {
  recordings: [number, RecordingSetup][];
  sinks: [number, WireSinkSetup][];
  players: [number, PlayerSetup][];
  mixers: [number, MixerSetup][];
  /** Memories of lives before, in which records may wait still, and which hold the sockets: of the last, and of those that it had not taken over. */
  before: WebAssembly.Memory[];
}

/** A stream that was open and could not be opened again. */
export interface RefusedStream {
  slot: number;
  message: string;
}

/** `isRecorded`: what it receives goes into the journal. `isLookBackPaused`: nothing of it is kept for sinks to come. */
export interface RecordingSetup {
  id: Uint8Array;
  paused: boolean;
  isRecorded: boolean;
  isLookBackPaused: boolean;
}

export interface StreamSetup extends Omit<StreamState, 'firstEpoch' | 'isSrtp' | 'host'> {
  host: number | null;
  address: string;
  rtpPort: number;
  rtcpPort: number | null;
  /** Where receiver reports go; null: nowhere. */
  reportTo: { address: string; port: number } | null;
  /** Null: its packets come in the clear. */
  srtp: StreamSrtp | null;
}

/** Where a sink goes; its reports nowhere without `rtcpPort`. */
export interface Destination {
  address: string;
  rtpPort: number;
  rtcpPort?: number;
}

export interface SinkSetup extends Omit<SinkState, 'isSrtp' | 'hasReportKeys'> {
  /** `learned`: where the packets of the stream `via` come from. */
  remote: Destination | 'learned';
  /** Null: it goes in the clear. */
  srtp: SrtpKeys | null;
  /** What its receiver reports under; null: not known. */
  receiveSrtp: SrtpKeys | null;
  keepAliveMs: number;
  /** How much of what its stream has kept it gets first. */
  lookBackSeconds: number;
}

/** All of them can be sent again to a lane that was started again. */
export type LaneCommand =
  /** The lives before have closed theirs. Done when it has been begun, with what they had left. */
  | { do: 'open-journal' }
  | { do: 'open-recording'; slot: number; setup: RecordingSetup }
  | { do: 'close-recording'; slot: number }
  | { do: 'open-stream'; slot: number; setup: WireSetup }
  | { do: 'update-stream'; slot: number; setup: WireSetup }
  | { do: 'close-stream'; slot: number }
  | { do: 'open-player'; slot: number; setup: PlayerSetup }
  | { do: 'update-player'; slot: number; setup: PlayerSetup }
  | { do: 'close-player'; slot: number }
  | { do: 'open-mixer'; slot: number; setup: MixerSetup }
  /** Others are heard. */
  | { do: 'update-mixer'; slot: number; setup: MixerSetup }
  | { do: 'close-mixer'; slot: number }
  | { do: 'pause'; slot: number; paused: boolean }
  | { do: 'pause-look-back'; slot: number; paused: boolean }
  /** UTF-8 JSON, for each of these recordings. Done when it is on the disk. */
  | { do: 'note'; slots: number[]; note: Uint8Array }
  | { do: 'open-sink'; slot: number; setup: WireSinkSetup }
  | { do: 'pause-sink'; slot: number; paused: boolean }
  | { do: 'close-sink'; slot: number }
  | { do: 'seal' }
  | { do: 'stop' };

export type LaneRequest = LaneCommand & { request: number };

/** A secret does not cross to another thread, its bytes do: no other messages carry them. */
export type WireSetup = Omit<StreamSetup, 'srtp'> & {
  srtp: (Omit<StreamSrtp, 'receive' | 'send'> & { receive: WireKeys; send: WireKeys }) | null;
};
export type WireSinkSetup = Omit<SinkSetup, 'srtp' | 'receiveSrtp'> & {
  srtp: WireKeys | null;
  receiveSrtp: WireKeys | null;
};
type WireKeys = Omit<SrtpKeys, 'keys'> & { keys: { keyAndSalt: Uint8Array; mki: Uint8Array | null }[] };

export function toWire(setup: StreamSetup): WireSetup {
  const { srtp } = setup;
  return { ...setup, srtp: srtp && { ...srtp, receive: keysToWire(srtp.receive), send: keysToWire(srtp.send) } };
}

export function fromWire(setup: WireSetup): StreamSetup {
  const { srtp } = setup;
  return { ...setup, srtp: srtp && { ...srtp, receive: keysFromWire(srtp.receive), send: keysFromWire(srtp.send) } };
}

export function sinkToWire(setup: SinkSetup): WireSinkSetup {
  const { srtp, receiveSrtp } = setup;
  return { ...setup, srtp: srtp && keysToWire(srtp), receiveSrtp: receiveSrtp && keysToWire(receiveSrtp) };
}

export function sinkFromWire(setup: WireSinkSetup): SinkSetup {
  const { srtp, receiveSrtp } = setup;
  return { ...setup, srtp: srtp && keysFromWire(srtp), receiveSrtp: receiveSrtp && keysFromWire(receiveSrtp) };
}

function keysToWire(keys: SrtpKeys): WireKeys {
  return { ...keys, keys: keys.keys.map(({ keyAndSalt, mki }) => ({ keyAndSalt: keyAndSalt.reveal(), mki })) };
}

function keysFromWire(wire: WireKeys): SrtpKeys {
  const keys = wire.keys.map(({ keyAndSalt, mki }) => {
    const secret = new Secret(keyAndSalt);
    keyAndSalt.fill(0);
    return { keyAndSalt: secret, mki };
  });
  return { ...wire, keys };
}

export type LaneMessage =
  | { type: 'ready'; refused: RefusedStream[] }
  /** Said at once: the task itself ends when its journal is closed. */
  | { type: 'died'; message: string }
  | { type: 'done'; request: number }
  | { type: 'failed'; request: number; code: string; message: string }
  | { type: 'journal-sealed'; path: string }
  | { type: 'journal-state'; full: boolean; error: string | null };
