/** The media engine, to be embedded: `import … from 'doubletrack/media'`. */
export {
  type EngineOptions,
  type LaneEvent,
  type LaneStats,
  MediaEngine,
  type Overload,
} from './engine.ts';
export type { Destination } from './lane-protocol.ts';
export type { ListenedFrame, Listening, ListeningStats, ListenOptions } from './listening.ts';
export type { Tone } from './mixer-memory.ts';
export { type MixOptions, MixSink } from './mixes.ts';
export { OfflineLane, OfflineRecording, type OfflineStreamOptions } from './offline-lane.ts';
export type { FrameKind, PlayedFrame, PlayerLedger, PlayerStats } from './player-memory.ts';
export { NoPortLeft } from './ports.ts';
export {
  MediaSession,
  type PayloadType,
  type StreamCounters,
  type StreamMedia,
  type StreamOptions,
} from './session.ts';
export type { SinkReport } from './sink-memory.ts';
export { Sink, type SinkOptions, type SinkStats } from './sinks.ts';
export { LaneFull } from './slots.ts';
export type { SocketDriver } from './sockets.ts';
export {
  isSrtpSuite,
  type SrtpKeys,
  type SrtpMasterKey,
  type SrtpSuite,
  type StreamSrtp,
} from './srtp-suites.ts';
