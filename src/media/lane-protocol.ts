/** What the main thread and a lane's worker say to each other. One message per change of a session, none per packet. */
import type { StreamState } from './memory.ts';

export interface LaneTask {
  memory: WebAssembly.Memory;
  port: import('node:worker_threads').MessagePort;
  laneId: number;
  journalDir: string;
  /** Memory of the lane's life before, in which records may wait still. */
  before: WebAssembly.Memory | null;
  /** Epochs go on behind those of the lives before. */
  firstEpoch: number;
}

export interface StreamSetup extends Omit<StreamState, 'firstEpoch'> {
  address: string;
  rtpPort: number;
  rtcpPort: number | null;
  /** Where receiver reports go; null: nowhere. */
  reportTo: { address: string; port: number } | null;
}

/** All of them can be sent again to a lane that was started again. */
export type LaneCommand =
  | { do: 'open-recording'; slot: number; id: Uint8Array; paused: boolean }
  | { do: 'close-recording'; slot: number }
  | { do: 'open-stream'; slot: number; setup: StreamSetup }
  | { do: 'update-stream'; slot: number; setup: StreamSetup }
  | { do: 'close-stream'; slot: number }
  | { do: 'pause'; slot: number; paused: boolean }
  /** UTF-8 JSON. Done when it is on the disk. */
  | { do: 'note'; slot: number; note: Uint8Array }
  | { do: 'seal' }
  | { do: 'stop' };

export type LaneRequest = LaneCommand & { request: number };

export type LaneMessage =
  | { type: 'ready' }
  | { type: 'done'; request: number }
  | { type: 'failed'; request: number; code: string; message: string }
  | { type: 'journal-sealed'; path: string }
  | { type: 'journal-state'; full: boolean; error: string | null };
