/**
 * Listening to a recording while it runs: players of its streams in the lane, a mixer over them if it is wanted, and the frames that
 * they give, read out of the lane's memory.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lane } from './lane.ts';
import {
  FrameReader,
  MIXER_MEMBERS,
  type PlayedFrame,
  PlayerMemory,
  type PlayerSetup,
  type PlayerStats,
  playerCodec,
} from './player-memory.ts';
import type { PayloadType } from './session.ts';

export interface ListenOptions {
  /** Numbers of the recording's streams; all that are open when left out. */
  streams?: number[];
  /** One mixture of them instead of a frame of each. */
  mix?: boolean;
  /** Bounds of the playout delay; 20 and 200. The first who listens to a stream sets them. */
  minDelayMs?: number;
  maxDelayMs?: number;
}

/** 10 ms of one stream, or of the mixture. */
export interface ListenedFrame extends PlayedFrame {
  stream: number | 'mix';
}

export interface ListeningStats {
  /** Frames that were overwritten before they were read. */
  missedFrames: number;
  streams: (PlayerStats & { stream: number })[];
}

/** Comfort noise at 8 kHz is sent without having been signalled (RFC 3551 section 6: payload type 13). */
const STATIC_NOISE: PayloadType = { payloadType: 13, encoding: 'CN', clockRate: 8000, channels: 1, fmtp: null };

/** A stream of a recording as far as listening to it is concerned. */
interface Listened {
  slot: number;
  payloadTypes: PayloadType[];
}

interface SharedPlayer {
  setup: PlayerSetup;
  slot: Promise<number>;
  listeners: number;
}

const FRAME_MS = 10;
const DEFAULT_MIN_DELAY_MS = 20;
const DEFAULT_MAX_DELAY_MS = 200;
/** What the histogram of delays reaches. */
const LONGEST_DELAY_MS = 500;

/** The players of one recording: whoever listens to the same stream hears the same player. */
export class Listeners {
  readonly #lane: Lane;
  readonly #group: number;
  readonly #players = new Map<number, SharedPlayer>();
  readonly #open = new Set<Listening>();

  /** @param group from 1 on: streams of one group are played with the same delay. */
  constructor(lane: Lane, group: number) {
    this.#lane = lane;
    this.#group = group;
  }

  /** @throws RangeError when a stream has no codec that can be listened to, LaneFull. */
  async listen(streams: Map<number, Listened>, options: ListenOptions): Promise<Listening> {
    if (options.mix && streams.size > MIXER_MEMBERS) throw new RangeError(`a mixture takes ${MIXER_MEMBERS} streams`);
    const setups = new Map([...streams].map(([index, stream]) => [index, this.#setup(index, stream, options)]));
    const players = new Map<number, number>();
    let mixer: number | null = null;
    try {
      for (const [index, setup] of setups) players.set(index, await this.#take(index, setup));
      if (options.mix) {
        const sampleRate = Math.max(...[...setups.values()].map((setup) => setup.sampleRate));
        mixer = await this.#lane.openMixer({ sampleRate, players: [...players.values()] });
      }
    } catch (error) {
      await this.#release([...players.keys()], null);
      throw error;
    }
    const listening = new Listening(this.#lane, players, mixer, () => {
      this.#open.delete(listening);
      return this.#release([...players.keys()], mixer);
    });
    this.#open.add(listening);
    return listening;
  }

  /** The stream has other payload types now. Those of another sample rate than before cannot be heard. */
  async update(index: number, stream: Listened): Promise<void> {
    const player = this.#players.get(index);
    if (!player) return;
    player.setup = { ...player.setup, codecs: codecsOf(stream.payloadTypes, player.setup.sampleRate) };
    await this.#lane.updatePlayer(await player.slot, player.setup);
  }

  /** The stream ends: so does listening to it, and to what it is a part of. */
  async end(index: number): Promise<void> {
    const concerned = [...this.#open].filter((listening) => listening.streams.includes(index));
    await Promise.all(concerned.map((listening) => listening.close()));
  }

  async #take(index: number, setup: PlayerSetup): Promise<number> {
    let player = this.#players.get(index);
    if (!player) {
      player = { setup, slot: this.#lane.openPlayer(setup), listeners: 0 };
      this.#players.set(index, player);
    }
    player.listeners += 1;
    try {
      return await player.slot;
    } catch (error) {
      this.#players.delete(index);
      throw error;
    }
  }

  async #release(streams: number[], mixer: number | null): Promise<void> {
    if (mixer !== null) await this.#lane.closeMixer(mixer);
    for (const index of streams) {
      const player = this.#players.get(index)!;
      player.listeners -= 1;
      if (player.listeners > 0) continue;
      this.#players.delete(index);
      await this.#lane.closePlayer(await player.slot);
    }
  }

  #setup(index: number, { slot, payloadTypes }: Listened, options: ListenOptions): PlayerSetup {
    const { minDelayMs = DEFAULT_MIN_DELAY_MS, maxDelayMs = DEFAULT_MAX_DELAY_MS } = options;
    if (!(minDelayMs >= 0 && minDelayMs <= maxDelayMs && maxDelayMs <= LONGEST_DELAY_MS)) {
      throw new RangeError(`a playout delay of ${minDelayMs} to ${maxDelayMs} ms: 0 to ${LONGEST_DELAY_MS}`);
    }
    const heard = payloadTypes.flatMap(({ encoding, clockRate, channels }) => {
      const known = encoding.toUpperCase() === 'CN' ? null : playerCodec(encoding, clockRate, channels);
      return known ? [known] : [];
    })[0];
    if (!heard) throw new RangeError(`stream ${index} has no codec that can be listened to`);
    const { sampleRate, samplesPerUnit } = heard;
    const codecs = codecsOf(payloadTypes, sampleRate);
    return { stream: slot, sampleRate, samplesPerUnit, codecs, group: this.#group, minDelayMs, maxDelayMs };
  }
}

function codecsOf(signalled: PayloadType[], sampleRate: number): PlayerSetup['codecs'] {
  const isNoiseStatic = !signalled.some(({ payloadType }) => payloadType === STATIC_NOISE.payloadType);
  const payloadTypes = isNoiseStatic ? [...signalled, STATIC_NOISE] : signalled;
  return payloadTypes.flatMap(({ payloadType, encoding, clockRate, channels }) => {
    const known = playerCodec(encoding, clockRate, channels);
    return known?.sampleRate === sampleRate ? [{ payloadType, codec: known.codec }] : [];
  });
}

/** Frames as they are played, from now on: read them at least every 600 ms, or some are missed. */
export class Listening implements AsyncIterable<ListenedFrame> {
  readonly streams: readonly number[];
  readonly #lane: Lane;
  readonly #players: ReadonlyMap<number, number>;
  readonly #mixer: number | null;
  readonly #onClose: () => Promise<void>;
  #memory: WebAssembly.Memory;
  #readers: { stream: number | 'mix'; reader: FrameReader }[];
  #missedBefore = 0;
  #closed: Promise<void> | null = null;

  constructor(lane: Lane, players: ReadonlyMap<number, number>, mixer: number | null, onClose: () => Promise<void>) {
    this.#lane = lane;
    this.#players = players;
    this.streams = [...players.keys()];
    this.#mixer = mixer;
    this.#onClose = onClose;
    this.#memory = lane.shared;
    this.#readers = this.#openReaders();
  }

  /** All frames since the last call, of one stream after the other. */
  read(): ListenedFrame[] {
    if (this.#closed) return [];
    if (this.#memory !== this.#lane.shared) this.#follow();
    const frames: ListenedFrame[] = [];
    for (const { stream, reader } of this.#readers) {
      for (let frame = reader.read(); frame; frame = reader.read()) frames.push({ ...frame, stream });
    }
    return frames;
  }

  /** Until it is closed, or a stream ends. */
  async *[Symbol.asyncIterator](): AsyncIterator<ListenedFrame> {
    while (!this.#closed) {
      yield* this.read();
      await delay(FRAME_MS);
    }
  }

  /** Of the lane's present life. */
  stats(): ListeningStats {
    const memory = new PlayerMemory(this.#lane.shared);
    return {
      missedFrames: this.#readers.reduce((sum, { reader }) => sum + reader.missedFrames, this.#missedBefore),
      streams: [...this.#players].map(([stream, player]) => ({ stream, ...memory.stats(player) })),
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#onClose();
    return this.#closed;
  }

  /** The lane was started again: what is played is in another memory now. */
  #follow(): void {
    this.#missedBefore = this.stats().missedFrames;
    this.#memory = this.#lane.shared;
    this.#readers = this.#openReaders();
  }

  #openReaders() {
    const memory = this.#memory;
    if (this.#mixer !== null) return [{ stream: 'mix' as const, reader: FrameReader.ofMixer(memory, this.#mixer) }];
    return [...this.#players].map(([stream, player]) => ({ stream, reader: FrameReader.ofPlayer(memory, player) }));
  }
}
