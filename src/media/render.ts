/**
 * The finaliser's side of the media core: one instance over a memory of its own, which indexes journal blocks, decodes
 * payloads into tracks and mixes tracks into the two channels of a file.
 *
 * Views are made once; the memory never grows. Nothing here knows a file or a clock.
 */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  CODEC_L16,
  CODEC_PCMA,
  CODEC_PCMU,
  ENTRY_ARRIVAL_US_AT,
  ENTRY_BYTES,
  ENTRY_EPOCH_AT,
  ENTRY_EXT_SEQ_AT,
  ENTRY_KIND_AT,
  ENTRY_MEDIA_AT_AT,
  ENTRY_MEDIA_BYTES_AT,
  ENTRY_PAYLOAD_AT_AT,
  ENTRY_PAYLOAD_BYTES_AT,
  ENTRY_PAYLOAD_TYPE_AT,
  ENTRY_SSRC_AT,
  ENTRY_STREAM_AT,
  ENTRY_TIMESTAMP_AT,
  FINALISER_CHANNEL_BYTES,
  FINALISER_CHANNELS_AT,
  FINALISER_G722_AT,
  FINALISER_INDEX_AT,
  FINALISER_INDEX_RECORDS,
  FINALISER_INPUT_AT,
  FINALISER_INPUT_BYTES,
  FINALISER_MEMORY_BYTES,
  FINALISER_NEXT_AT,
  FINALISER_OUTPUT_AT,
  FINALISER_OUTPUT_BYTES,
  FINALISER_SCRATCH_AT,
  FINALISER_SCRATCH_BYTES,
  FINALISER_TAPS_AT,
  FINALISER_TAPS_BYTES,
  FINALISER_TRACK_BYTES,
  FINALISER_TRACKS,
  FINALISER_TRACKS_AT,
  G722_STATE_BYTES,
  INTERPOLATION_MAX_PHASES,
  INTERPOLATION_TAPS,
  NOT_RTP,
  TRACK_MARGIN_SAMPLES,
} from '../../assembly/layout.ts';

const PAGE_BYTES = 65536;

/** What is used here of the WebAssembly namespace, which TypeScript otherwise has only with the browser's library. */
interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}
interface WasmModule {
  readonly __module?: never;
}
declare const WebAssembly: {
  Memory: new (o: { initial: number; maximum: number; shared: true }) => WasmMemory;
  compile(bytes: Uint8Array): Promise<WasmModule>;
  instantiate(module: WasmModule, imports: { env: { memory: WasmMemory } }): Promise<{ exports: unknown }>;
};

interface Exports {
  finaliserIndex(at: number, end: number, maxRecords: number): number;
  finaliserDecode(codec: number, source: number, bytes: number, channels: number, target: number): number;
  g722Init(state: number): void;
  g722Decode(state: number, source: number, bytes: number, target: number): void;
  finaliserClearChannels(frames: number): void;
  finaliserMix(channel: number, track: number, frames: number): void;
  finaliserMixResampled(c: number, track: number, frames: number, up: number, down: number, taps: number): void;
  finaliserInterleave(frames: number): void;
  finaliserAdvance(start: number, totalSamples: number, samples: number): void;
}

/** Positions of an entry's fields in `words` (32 bits each) from the entry's first word on. */
export const ENTRY = {
  words: ENTRY_BYTES / 4,
  kind: ENTRY_KIND_AT / 4,
  stream: ENTRY_STREAM_AT / 4,
  extSeq: ENTRY_EXT_SEQ_AT / 4,
  epoch: ENTRY_EPOCH_AT / 4,
  payloadAt: ENTRY_PAYLOAD_AT_AT / 4,
  payloadBytes: ENTRY_PAYLOAD_BYTES_AT / 4,
  payloadType: ENTRY_PAYLOAD_TYPE_AT / 4,
  timestamp: ENTRY_TIMESTAMP_AT / 4,
  ssrc: ENTRY_SSRC_AT / 4,
  mediaAt: ENTRY_MEDIA_AT_AT / 4,
  mediaBytes: ENTRY_MEDIA_BYTES_AT / 4,
  /** In `doubles` (64 bits each). */
  doubles: ENTRY_BYTES / 8,
  arrivalUs: ENTRY_ARRIVAL_US_AT / 8,
  /** Value of `payloadType` when there is no valid RTP header. */
  notRtp: NOT_RTP,
} as const;

/** Codecs without a memory, by RFC 3551 encoding name; what `decode` takes. */
export const DECODERS: Readonly<Record<string, number>> = { PCMU: CODEC_PCMU, PCMA: CODEC_PCMA, L16: CODEC_L16 };

/** Tracks for streams; one more serves patches. */
export const STREAM_TRACKS = FINALISER_TRACKS - 1;
export const PATCH_TRACK = FINALISER_TRACKS - 1;
/** Samples of a track's window. */
export const TRACK_SAMPLES = FINALISER_TRACK_BYTES / 2 - 2 * TRACK_MARGIN_SAMPLES;
/** How far a sample reaches into its neighbourhood when a track is resampled, in samples of the track. */
export const INTERPOLATION_REACH_SAMPLES = INTERPOLATION_TAPS / 2;
/** The most frames one call can mix or interleave. */
export const MAX_MIX_FRAMES = Math.min(FINALISER_CHANNEL_BYTES / 2, FINALISER_OUTPUT_BYTES / 4);
/** The longest block that `load` takes. */
export const MAX_INPUT_BYTES = FINALISER_INPUT_BYTES;

let compiled: Promise<WasmModule> | undefined;
/** Of this thread: a memory of its own for each of many short recordings would cost more than making them. */
const idle: FinaliserCore[] = [];

function compile(): Promise<WasmModule> {
  compiled ??= readFile(fileURLToPath(import.meta.resolve('#media.wasm'))).then((wasm) => WebAssembly.compile(wasm));
  return compiled;
}

/** One finaliser. Not to be shared: its tracks and views are those of one recording at a time. */
export class FinaliserCore {
  /** Everything in the core's memory; positions from entries index it. */
  readonly bytes: Uint8Array;
  /** The entries that `index` laid out; see ENTRY. */
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
  readonly #exports: Exports;
  readonly #next: Uint32Array;
  readonly #taps: Int16Array;
  readonly #ratios: Array<{ up: number; down: number } | null> = [];

  private constructor(exports: Exports, memory: WasmMemory) {
    this.#exports = exports;
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer, FINALISER_INDEX_AT, (FINALISER_INDEX_RECORDS * ENTRY_BYTES) / 4);
    this.doubles = new Float64Array(memory.buffer, FINALISER_INDEX_AT, (FINALISER_INDEX_RECORDS * ENTRY_BYTES) / 8);
    this.#next = new Uint32Array(memory.buffer, FINALISER_NEXT_AT, 1);
    this.#taps = new Int16Array(memory.buffer, FINALISER_TAPS_AT, (FINALISER_TAPS_BYTES / 2) * FINALISER_TRACKS);
  }

  static async create(): Promise<FinaliserCore> {
    const pages = FINALISER_MEMORY_BYTES / PAGE_BYTES;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const instance = await WebAssembly.instantiate(await compile(), { env: { memory } });
    return new FinaliserCore(instance.exports as Exports, memory);
  }

  /** Lends `work` a core. One that failed is not used again, for its memory may be half changed. */
  static async use<T>(work: (core: FinaliserCore) => Promise<T>): Promise<T> {
    const core = idle.pop() ?? (await FinaliserCore.create());
    const result = await work(core);
    idle.push(core);
    return result;
  }

  /** Copies a journal block in; `next` then walks its records. Throws a RangeError if it is too long. */
  load(block: Uint8Array): { at: number; end: number } {
    if (block.length > MAX_INPUT_BYTES) throw new RangeError(`a block of ${block.length} bytes`);
    this.bytes.set(block, FINALISER_INPUT_AT);
    return { at: FINALISER_INPUT_AT, end: FINALISER_INPUT_AT + block.length };
  }

  /** Lays out entries for the next records between `at` and `end`; 0 when there are no more. Moves `at`. */
  index(range: { at: number; end: number }): number {
    const count = this.#exports.finaliserIndex(range.at, range.end, FINALISER_INDEX_RECORDS);
    range.at = this.#next[0] as number;
    return count;
  }

  /** Silences a track and says how it relates to the channels: `up` frames for every `down` samples. */
  openTrack(track: number, rateHz: number, outputRateHz: number): void {
    this.bytes.fill(0, trackStart(track), trackStart(track) + FINALISER_TRACK_BYTES);
    if (rateHz === outputRateHz) {
      this.#ratios[track] = null;
      return;
    }
    const ratio = mixingRatio(rateHz, outputRateHz);
    if (!ratio) throw new RangeError(`${rateHz} Hz does not go into ${outputRateHz} Hz`);
    this.#ratios[track] = ratio;
    this.#taps.set(interpolationTaps(ratio.up), (track * FINALISER_TAPS_BYTES) / 2);
  }

  /**
   * Decodes a payload in this memory into a track, `at` samples behind the start of its window. Returns the number of
   * samples. The caller has seen to it that they fit.
   */
  decode(codec: number, mediaAt: number, mediaBytes: number, channels: number, track: number, at: number): number {
    return this.#exports.finaliserDecode(codec, mediaAt, mediaBytes, channels, sampleAddress(track, at));
  }

  /** The state of a G.722 decoder that has heard nothing yet. */
  newG722(): Uint8Array {
    this.#exports.g722Init(FINALISER_G722_AT);
    return this.bytes.slice(FINALISER_G722_AT, FINALISER_G722_AT + G722_STATE_BYTES);
  }

  /** As `decode`, two samples for each octet of G.722. `state` moves on. */
  decodeG722(state: Uint8Array, mediaAt: number, mediaBytes: number, track: number, at: number): void {
    this.bytes.set(state, FINALISER_G722_AT);
    this.#exports.g722Decode(FINALISER_G722_AT, mediaAt, mediaBytes, sampleAddress(track, at));
    state.set(this.bytes.subarray(FINALISER_G722_AT, FINALISER_G722_AT + G722_STATE_BYTES));
  }

  /** Copies a payload in that has been kept for later; stays until the next decoding. Gives its position. */
  loadPayload(payload: Uint8Array): number {
    if (payload.length > FINALISER_SCRATCH_BYTES) throw new RangeError(`a payload of ${payload.length} bytes`);
    this.bytes.set(payload, FINALISER_SCRATCH_AT);
    return FINALISER_SCRATCH_AT;
  }

  /** Samples `[from, to)` of a track's window, as a view. */
  samples(track: number, from: number, to: number): Int16Array {
    return new Int16Array(this.bytes.buffer, sampleAddress(track, from), to - from);
  }

  clearChannels(frames: number): void {
    this.#exports.finaliserClearChannels(frames);
  }

  /** Adds `frames` of a track, from sample `from` of its window on, to a channel; saturating. */
  mix(channel: number, track: number, from: number, frames: number): void {
    const ratio = this.#ratios[track];
    const at = sampleAddress(track, from);
    if (!ratio) this.#exports.finaliserMix(channel, at, frames);
    else {
      const taps = FINALISER_TAPS_AT + track * FINALISER_TAPS_BYTES;
      this.#exports.finaliserMixResampled(channel, at, frames, ratio.up, ratio.down, taps);
    }
  }

  /** One channel as mixed, as a view. */
  channel(channel: number, frames: number): Int16Array {
    return new Int16Array(this.bytes.buffer, FINALISER_CHANNELS_AT + channel * FINALISER_CHANNEL_BYTES, frames);
  }

  /** Both channels interleaved, little endian, as a view that is valid until the next call. */
  interleave(frames: number): Uint8Array {
    this.#exports.finaliserInterleave(frames);
    return this.bytes.subarray(FINALISER_OUTPUT_AT, FINALISER_OUTPUT_AT + frames * 4);
  }

  /** Moves a track's window on by `samples`. */
  advance(track: number, samples: number): void {
    this.#exports.finaliserAdvance(trackStart(track), FINALISER_TRACK_BYTES / 2, samples);
  }
}

function trackStart(track: number): number {
  return FINALISER_TRACKS_AT + track * FINALISER_TRACK_BYTES;
}

function sampleAddress(track: number, at: number): number {
  return trackStart(track) + (TRACK_MARGIN_SAMPLES + at) * 2;
}

/** `up` output frames for every `down` samples of a track; null if the two rates cannot be brought together. */
export function mixingRatio(rateHz: number, outputRateHz: number): { up: number; down: number } | null {
  if (!Number.isInteger(rateHz) || rateHz <= 0 || rateHz > outputRateHz) return null;
  const divisor = greatestCommonDivisor(rateHz, outputRateHz);
  const up = outputRateHz / divisor;
  return up <= INTERPOLATION_MAX_PHASES ? { up, down: rateHz / divisor } : null;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Windowed sinc (Hann) for `up` phases, 14 fractional bits. Phase 0 is the sample itself, so what was sampled comes
 * out unchanged and only what lies between is interpolated.
 */
function interpolationTaps(up: number): Int16Array {
  const taps = new Int16Array(up * INTERPOLATION_TAPS);
  const half = INTERPOLATION_TAPS / 2;
  for (let phase = 0; phase < up; phase++) {
    for (let tap = 0; tap < INTERPOLATION_TAPS; tap++) {
      const x = tap - (half - 1) - phase / up;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      const hann = 0.5 * (1 + Math.cos((Math.PI * x) / half));
      taps[phase * INTERPOLATION_TAPS + tap] = Math.round(sinc * hann * (1 << 14));
    }
  }
  return taps;
}
