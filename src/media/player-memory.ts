/**
 * Players in lane memory as TypeScript sees them: what they are opened with, what they have counted, and the frames that they, and mixers,
 * have played, which any thread may read without a lock.
 */
import * as layout from '../../assembly/layout.ts';

export { MAX_PLAYERS } from '../../assembly/layout.ts';

export type FrameKind = 'speech' | 'concealed' | 'comfort-noise' | 'silence';

/** 10 ms of sound, mono. */
export interface PlayedFrame {
  pcm: Int16Array;
  kind: FrameKind;
  /** RTP timestamp of its first sample. */
  rtpTimestamp: number;
  sampleRate: number;
}

export interface PlayerSetup {
  stream: number;
  sampleRate: number;
  /** Samples per unit of the RTP clock. */
  samplesPerUnit: number;
  codecs: { payloadType: number; codec: number }[];
  /** Players of one group have the same playout delay; 0: none. */
  group: number;
  minDelayMs: number;
  maxDelayMs: number;
}

/** Accounts in samples: played = decoded + concealed + comfort + silence + inserted - removed - discarded - buffered. */
export interface PlayerLedger {
  played: number;
  decoded: number;
  concealed: number;
  comfort: number;
  silence: number;
  insertedSkew: number;
  insertedExpand: number;
  removedSkew: number;
  removedAccelerate: number;
  discarded: number;
  buffered: number;
}

export interface PlayerStats {
  ledger: PlayerLedger;
  frames: number;
  packets: {
    received: number;
    waiting: number;
    late: number;
    overflow: number;
    oversize: number;
    unknown: number;
    undecodable: number;
  };
  /** The delay that the player wants of itself. */
  targetDelayMs: number;
  /** How much faster than ours the sender's clock runs. */
  skewPpm: number;
  /** Changes of source or of timestamps. */
  anchored: number;
}

export interface PlayerExports {
  playAll(nowUs: bigint): number;
  playerOpen(
    player: number,
    stream: number,
    sampleRate: number,
    samplesPerUnit: number,
    group: number,
    minDelayUs: number,
    maxDelayUs: number,
  ): void;
  playerClose(player: number): void;
  playerDecoded(player: number, samples: number): void;
  playerTargetUs(player: number): number;
}

/** A decoder outside of the core. It writes 16-bit mono PCM at the player's rate into `pcm` from `at` on. */
export interface OutsideDecoder {
  /** @returns how many samples the payload has made; 0 if it is damaged, or makes more than `room`. */
  decode(player: number, payload: Uint8Array, pcm: Int16Array, at: number, room: number): number;
  /** So many samples in place of a packet that is lost, or was not sent. @returns 0 if it cannot. */
  makeUp(player: number, samples: number, pcm: Int16Array, at: number): number;
}

const KINDS: Record<number, FrameKind> = {
  [layout.FRAME_SPEECH]: 'speech',
  [layout.FRAME_CONCEALED]: 'concealed',
  [layout.FRAME_COMFORT_NOISE]: 'comfort-noise',
  [layout.FRAME_SILENCE]: 'silence',
};

/** A codec that `play` needs its decoder for. */
export function isDecodedOutside(codec: number): boolean {
  return codec === layout.CODEC_OPUS;
}

/** What the core, or the decoder outside of it, knows: codec, rate of the PCM, samples per unit of the RTP clock. */
export function playerCodec(encoding: string, clockRate: number, channels: number) {
  const name = encoding.toUpperCase();
  if (name === 'OPUS') return { codec: layout.CODEC_OPUS, sampleRate: 48_000, samplesPerUnit: 1 };
  if (channels !== 1) return null;
  if (name === 'CN') return { codec: layout.CODEC_COMFORT_NOISE, sampleRate: clockRate, samplesPerUnit: 1 };
  if (name === 'L16' && [8000, 16_000, 48_000].includes(clockRate)) {
    return { codec: layout.CODEC_L16, sampleRate: clockRate, samplesPerUnit: 1 };
  }
  if (clockRate !== 8000) return null;
  // Its clock runs at 8 kHz although it is sampled at 16 (RFC 3551 section 4.5.2).
  if (name === 'G722') return { codec: layout.CODEC_G722, sampleRate: 16_000, samplesPerUnit: 2 };
  if (name === 'PCMU') return { codec: layout.CODEC_PCMU, sampleRate: 8000, samplesPerUnit: 1 };
  if (name === 'PCMA') return { codec: layout.CODEC_PCMA, sampleRate: 8000, samplesPerUnit: 1 };
  return null;
}

export class PlayerMemory {
  readonly #bytes: Uint8Array;
  readonly #samples: Int16Array;
  readonly #view: DataView;

  constructor(memory: WebAssembly.Memory) {
    this.#bytes = new Uint8Array(memory.buffer);
    this.#samples = new Int16Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  open(wasm: PlayerExports, player: number, setup: PlayerSetup): void {
    const { stream, sampleRate, samplesPerUnit, group, minDelayMs, maxDelayMs } = setup;
    wasm.playerOpen(player, stream, sampleRate, samplesPerUnit, group, minDelayMs * 1000, maxDelayMs * 1000);
    this.setCodecs(player, setup.codecs);
  }

  setCodecs(player: number, codecs: PlayerSetup['codecs']): void {
    const at = playerAt(player) + layout.PLAYER_CODECS_AT;
    this.#bytes.fill(0, at, at + 128);
    for (const { payloadType, codec } of codecs) this.#bytes[at + payloadType] = codec;
  }

  /** All frames that are due by `nowUs`, with the help of `outside` for what the core cannot decode. */
  play(wasm: PlayerExports, nowUs: bigint, outside: OutsideDecoder): void {
    for (let waiting = wasm.playAll(nowUs); waiting !== 0; waiting = wasm.playAll(nowUs)) {
      const player = waiting - 1;
      wasm.playerDecoded(player, this.#decodeOutside(player, outside));
    }
  }

  #decodeOutside(player: number, outside: OutsideDecoder): number {
    const at = playerAt(player);
    const packet = this.#view.getUint32(at + layout.PLAYER_EXTERNAL_AT, true);
    const buffered = this.#view.getUint32(at + layout.PLAYER_BUFFERED_SAMPLES_AT, true);
    const end = (at + layout.PLAYER_PCM_AT) / 2 + buffered;
    if (packet === 0) {
      const asked = this.#view.getUint32(at + layout.PLAYER_ASKED_SAMPLES_AT, true);
      return outside.makeUp(player, asked, this.#samples, end);
    }
    const payload = packet + layout.PACKET_PAYLOAD_AT;
    const bytes = this.#view.getUint32(packet + layout.PACKET_BYTES_AT, true);
    const coded = this.#bytes.subarray(payload, payload + bytes);
    return outside.decode(player, coded, this.#samples, end, layout.PCM_SAMPLES - buffered);
  }

  /** Ticks that the lane has left out, for it had stood still. */
  get skippedFrames(): number {
    return this.#view.getUint32(layout.PLAYOUT_AT + layout.PLAYOUT_SKIPPED_FRAMES_AT, true);
  }

  /** Whose packets it plays. */
  streamOf(player: number): number {
    return this.#view.getUint32(playerAt(player) + layout.PLAYER_STREAM_AT, true);
  }

  /** There is a player or a mixer: frames are to be played. */
  get isClockRunning(): boolean {
    const open = (at: number) => this.#view.getUint32(layout.PLAYOUT_AT + at, true);
    return open(layout.PLAYOUT_OPEN_PLAYERS_AT) > 0 || open(layout.PLAYOUT_OPEN_MIXERS_AT) > 0;
  }

  stats(player: number): PlayerStats {
    const at = playerAt(player);
    const count = (offset: number) => this.#view.getUint32(at + offset, true);
    const real = (offset: number) => this.#view.getFloat64(at + offset, true);
    return {
      ledger: this.#ledger(at),
      frames: count(layout.PLAYER_FRAME_COUNT_AT),
      packets: {
        received: count(layout.PLAYER_RECEIVED_AT),
        waiting: count(layout.PLAYER_WAITING_PACKETS_AT),
        late: count(layout.PLAYER_LATE_AT),
        overflow: count(layout.PLAYER_OVERFLOW_AT),
        oversize: count(layout.PLAYER_OVERSIZE_AT),
        unknown: count(layout.PLAYER_UNKNOWN_AT),
        undecodable: count(layout.PLAYER_UNDECODABLE_AT),
      },
      targetDelayMs: real(layout.PLAYER_TARGET_F64_AT) / 1000,
      skewPpm: real(layout.PLAYER_SKEW_F64_AT) * 1e6,
      anchored: count(layout.PLAYER_ANCHORED_AT),
    };
  }

  #ledger(at: number): PlayerLedger {
    const count = (offset: number) => this.#view.getUint32(at + offset, true);
    const account = (offset: number) => Number(this.#view.getBigInt64(at + offset, true));
    return {
      played: count(layout.PLAYER_FRAME_COUNT_AT) * count(layout.PLAYER_FRAME_SAMPLES_AT),
      decoded: account(layout.PLAYER_DECODED_I64_AT),
      concealed: account(layout.PLAYER_CONCEALED_I64_AT),
      comfort: account(layout.PLAYER_COMFORT_I64_AT),
      silence: account(layout.PLAYER_SILENCE_I64_AT),
      insertedSkew: account(layout.PLAYER_INSERTED_SKEW_I64_AT),
      insertedExpand: account(layout.PLAYER_INSERTED_EXPAND_I64_AT),
      removedSkew: account(layout.PLAYER_REMOVED_SKEW_I64_AT),
      removedAccelerate: account(layout.PLAYER_REMOVED_ACCELERATE_I64_AT),
      discarded: account(layout.PLAYER_DISCARDED_I64_AT),
      buffered: count(layout.PLAYER_BUFFERED_SAMPLES_AT),
    };
  }
}

/** Reads the frames of one player or mixer, from those played after it was made. It holds nobody up: what it is too slow for it misses. */
export class FrameReader {
  readonly #words: Uint32Array;
  readonly #samples: Int16Array;
  readonly #countAt: number;
  readonly #framesAt: number;
  #next: number;
  #missed = 0;

  private constructor(memory: WebAssembly.Memory, countAt: number, framesAt: number) {
    this.#words = new Uint32Array(memory.buffer);
    this.#samples = new Int16Array(memory.buffer);
    this.#countAt = countAt;
    this.#framesAt = framesAt;
    this.#next = this.#count();
  }

  static ofPlayer(memory: WebAssembly.Memory, player: number): FrameReader {
    const at = playerAt(player);
    return new FrameReader(memory, at + layout.PLAYER_FRAME_COUNT_AT, at + layout.PLAYER_FRAMES_AT);
  }

  static ofMixer(memory: WebAssembly.Memory, mixer: number): FrameReader {
    const at = layout.MIXERS_AT + mixer * layout.MIXER_BYTES;
    return new FrameReader(memory, at + layout.MIXER_FRAME_COUNT_AT, at + layout.MIXER_FRAMES_AT);
  }

  /** Frames that were overwritten before they were read. */
  get missedFrames(): number {
    return this.#missed;
  }

  /** The next frame, null when none is there yet. */
  read(): PlayedFrame | null {
    for (;;) {
      const count = this.#count();
      if (this.#next === count) return null;
      this.#skipTo(count);
      const frame = this.#copy(this.#framesAt + (this.#next % layout.RING_FRAMES) * layout.FRAME_BYTES);
      // While it was copied, the lane may have come round to it.
      if (!this.#isOverwritten(this.#count())) {
        this.#next = (this.#next + 1) >>> 0;
        return frame;
      }
    }
  }

  /** The frame behind the newest is being written: its place holds nothing that can be relied on. */
  #isOverwritten(count: number): boolean {
    return (count - this.#next) >>> 0 >= layout.RING_FRAMES;
  }

  #skipTo(count: number): void {
    if (!this.#isOverwritten(count)) return;
    const oldest = (count - layout.RING_FRAMES / 2) >>> 0;
    this.#missed += (oldest - this.#next) >>> 0;
    this.#next = oldest;
  }

  #count(): number {
    return Atomics.load(this.#words, this.#countAt / 4);
  }

  #copy(at: number): PlayedFrame {
    const word = (offset: number) => this.#words[(at + offset) / 4] ?? 0;
    const from = (at + layout.FRAME_PCM_AT) / 2;
    return {
      pcm: this.#samples.slice(from, from + Math.min(word(layout.FRAME_SAMPLES_AT), MAX_FRAME_SAMPLES)),
      kind: KINDS[word(layout.FRAME_KIND_AT)] ?? 'silence',
      rtpTimestamp: word(layout.FRAME_TIMESTAMP_AT),
      sampleRate: word(layout.FRAME_SAMPLE_RATE_AT),
    };
  }
}

const MAX_FRAME_SAMPLES = 480;

function playerAt(player: number): number {
  return layout.PLAYERS_AT + player * layout.PLAYER_BYTES;
}
