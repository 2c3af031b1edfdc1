/** Recordings made of packet files: finalised, verified, made again. */

export type { MissingRanges, SourceCertificate } from './certificate.ts';
export {
  AUDIO_NAME,
  type Finalised,
  type FinaliseOptions,
  finalise,
  MANIFEST_NAME,
  PACKETS_NAME,
  readManifest,
} from './finalise.ts';
export { type Manifest, manifestText, parseManifest } from './manifest.ts';
export type { FileDigest } from './output-file.ts';
export { release } from './release.ts';
export { replay } from './replay.ts';
export { type Verdict, type VerifyOptions, verify } from './verify.ts';
export type { RecordingTask } from './worker.ts';
