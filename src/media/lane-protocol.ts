/** What the main thread and a lane's worker say to each other. One message per change of a session, none per packet. */
import type { StreamState } from './memory.ts';

export interface LaneTask {
  memory: WebAssembly.Memory;
  port: import('node:worker_threads').MessagePort;
  laneId: number;
  journalDir: string;
}

export interface StreamSetup extends StreamState {
  address: string;
  rtpPort: number;
  rtcpPort: number | null;
  /** Where receiver reports go; null: nowhere until the source is known. */
  reportTo: { address: string; port: number } | null;
}

export type LaneCommand =
  | { do: 'open-recording'; slot: number; id: Uint8Array; paused: boolean }
  | { do: 'close-recording'; slot: number }
  | { do: 'open-stream'; slot: number; setup: StreamSetup }
  | { do: 'update-stream'; slot: number; setup: StreamSetup }
  | { do: 'close-stream'; slot: number }
  | { do: 'pause'; slot: number; paused: boolean }
  | { do: 'note'; slot: number; json: object }
  | { do: 'seal' }
  | { do: 'stop' };

export type LaneRequest = LaneCommand & { request: number };

export type LaneMessage =
  | { type: 'ready' }
  | { type: 'done'; request: number }
  | { type: 'failed'; request: number; code: string; message: string }
  | { type: 'journal-sealed'; path: string }
  | { type: 'journal-state'; full: boolean; error: string | null };
