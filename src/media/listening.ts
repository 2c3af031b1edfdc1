/**
 * Listening to a recording while it runs: players of its streams in the lane, a mixer over them if it is wanted, and the frames that
 * they give, read out of the lane's memory.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lane } from './lane.ts';
import { MIXER_MEMBERS } from './mixer-memory.ts';
import {
  FrameReader,
  type PlayedFrame,
  PlayerMemory,
  type PlayerSetup,
  type PlayerStats,
  playerCodec,
} from './player-memory.ts';
import type { PayloadType } from './session.ts';

export interface DelayBounds {
  /** Of the playout delay; 20 and 200. The first who listens to a stream sets them. */
  minDelayMs?: number;
  maxDelayMs?: number;
}

export interface ListenOptions extends DelayBounds {
  /** Numbers of the recording's streams; all that are open when left out. */
  streams?: number[];
  /** One mixture of them instead of a frame of each. */
  mix?: boolean;
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
export interface Listened {
  slot: number;
  payloadTypes: PayloadType[];
}

/** Whoever hears a stream holds it. */
export interface SharedPlayer {
  readonly index: number;
  setup: PlayerSetup;
  slot: Promise<number>;
  listeners: number;
}

const FRAME_MS = 10;
const DEFAULT_MIN_DELAY_MS = 20;
const DEFAULT_MAX_DELAY_MS = 200;
/** What the histogram of delays reaches. */
const LONGEST_DELAY_MS = 500;

/** The players of one recording: whoever listens to the same stream, or mixes it, hears the same player. */
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
    const players = new Map<number, SharedPlayer>();
    for (const [index, stream] of streams) this.#setup(index, stream, options); // before anything is open
    let mixer: number | null = null;
    try {
      for (const [index, stream] of streams) players.set(index, await this.take(index, stream, options));
      const slots = await slotsOf(players);
      if (options.mix) {
        const sampleRate = Math.max(...[...players.values()].map(({ setup }) => setup.sampleRate));
        mixer = await this.#lane.openMixer({ sampleRate, players: [...slots.values()] });
      }
      const listening = new Listening(this.#lane, slots, mixer, () => {
        this.#open.delete(listening);
        return this.#end(players, mixer);
      });
      this.#open.add(listening);
      return listening;
    } catch (error) {
      await this.#end(players, mixer);
      throw error;
    }
  }

  /** The stream has other payload types now. Those of another sample rate than before cannot be heard by who hears it now, only by who comes. */
  async update(index: number, stream: Listened): Promise<void> {
    const player = this.#players.get(index);
    if (!player) return;
    const rate = heardOf(stream.payloadTypes)?.sampleRate;
    if (rate !== undefined && rate !== player.setup.sampleRate) this.#players.delete(index);
    player.setup = { ...player.setup, codecs: codecsOf(stream.payloadTypes, player.setup.sampleRate) };
    await this.#lane.updatePlayer(await player.slot, player.setup);
  }

  /** The stream ends: so does listening to it, and to what it is a part of. */
  async end(index: number): Promise<void> {
    const concerned = [...this.#open].filter((listening) => listening.streams.includes(index));
    await Promise.all(concerned.map((listening) => listening.close()));
  }

  /** Until it is released. @throws RangeError when the stream has no codec that can be heard. Rejects with LaneFull. */
  async take(index: number, stream: Listened, options: DelayBounds): Promise<SharedPlayer> {
    let player = this.#players.get(index);
    if (!player) {
      const setup = this.#setup(index, stream, options);
      player = { index, setup, slot: this.#lane.openPlayer(setup), listeners: 0 };
      this.#players.set(index, player);
    }
    player.listeners += 1;
    try {
      await player.slot;
      return player;
    } catch (error) {
      this.#forget(player);
      throw error;
    }
  }

  async release(player: SharedPlayer): Promise<void> {
    player.listeners -= 1;
    if (player.listeners > 0) return;
    this.#forget(player);
    await this.#lane.closePlayer(await player.slot);
  }

  #forget(player: SharedPlayer): void {
    if (this.#players.get(player.index) === player) this.#players.delete(player.index);
  }

  async #end(players: ReadonlyMap<number, SharedPlayer>, mixer: number | null): Promise<void> {
    if (mixer !== null) await this.#lane.closeMixer(mixer);
    for (const player of players.values()) await this.release(player);
  }

  #setup(index: number, { slot, payloadTypes }: Listened, options: DelayBounds): PlayerSetup {
    const { minDelayMs = DEFAULT_MIN_DELAY_MS, maxDelayMs = DEFAULT_MAX_DELAY_MS } = options;
    if (!(minDelayMs >= 0 && minDelayMs <= maxDelayMs && maxDelayMs <= LONGEST_DELAY_MS)) {
      throw new RangeError(`a playout delay of ${minDelayMs} to ${maxDelayMs} ms: 0 to ${LONGEST_DELAY_MS}`);
    }
    const heard = heardOf(payloadTypes);
    if (!heard) throw new RangeError(`stream ${index} has no codec that can be listened to`);
    const { sampleRate, samplesPerUnit } = heard;
    const codecs = codecsOf(payloadTypes, sampleRate);
    return { stream: slot, sampleRate, samplesPerUnit, codecs, group: this.#group, minDelayMs, maxDelayMs };
  }
}

/** The first that is a codec. */
function heardOf(payloadTypes: PayloadType[]) {
  for (const { encoding, clockRate, channels } of payloadTypes) {
    const known = encoding.toUpperCase() === 'CN' ? null : playerCodec(encoding, clockRate, channels);
    if (known) return known;
  }
  return null;
}

async function slotsOf(players: ReadonlyMap<number, SharedPlayer>): Promise<Map<number, number>> {
  const slots = [...players].map(async ([index, { slot }]) => [index, await slot] as const);
  return new Map(await Promise.all(slots));
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
