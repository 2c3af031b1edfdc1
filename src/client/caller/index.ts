// The caller: a SIPREC recording client (RFC 7866) that places calls and knows exactly what it sent.

export type { CallReport, StreamReport } from './call.ts';
export {
  CallerOptionError,
  type CallerOptions,
  type CallerReport,
  type Percentiles,
  placeCalls,
} from './caller.ts';
export { CODEC_NAMES, sendCodec } from './codecs.ts';
export type { SentPackets } from './ledger.ts';
export type { PortRange } from './leg-socket.ts';
export type { Party } from './metadata.ts';
export type { PacingStats } from './pacer.ts';
export { type SpeechRequest, synthesiseSpeech } from './speech.ts';
