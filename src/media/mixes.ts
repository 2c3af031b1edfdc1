/**
 * Mixtures of streams of a session, sent to somebody as an RTP stream of the lane's own: to a supervisor who listens in, or to each party of a
 * conference what the others say. Who is heard may change while it runs.
 */
import type { Lane } from './lane.ts';
import type { DelayBounds, Listened, Listeners, SharedPlayer } from './listening.ts';
import {
  MAX_MIX_PACKET_FRAMES,
  MAX_MIX_PAYLOAD_BYTES,
  MIXER_MEMBERS,
  type MixerSending,
  type MixerSetup,
  type Tone,
} from './mixer-memory.ts';
import { playerCodec } from './player-memory.ts';
import { Sink, type SinkOptions, type SinkPlace, type SinkStats } from './sinks.ts';

export interface MixOptions extends Omit<SinkOptions, 'payloadTypes' | 'lookBack'>, DelayBounds {
  /** Numbers of the streams of the session that are heard, 8 at most. */
  streams: number[];
  payloadType: number;
  encoding: 'PCMU' | 'PCMA' | 'G722' | 'L16';
  /** Of L16: 8,000 when left out, 16,000 or 48,000; others have the one that belongs to them. */
  clockRate?: number;
  /** 20 when left out; 10 to 60, in steps of 10. */
  ptimeMs?: number;
  /** Heard besides, to tell something to whoever hears it. */
  tone?: Tone | null;
}

const FRAME_MS = 10;
const DEFAULT_PTIME_MS = 20;
const DEFAULT_CLOCK_RATE = 8000;

export class MixSink {
  /** Where its packets come from: what an offer names. */
  readonly local: Sink['local'];
  readonly #lane: Lane;
  readonly #listeners: Listeners;
  readonly #options: MixOptions;
  readonly #sink: Sink;
  readonly #onRemoved: (mix: MixSink) => void;
  /** Of the session that it belongs to. */
  readonly #find: (index: number) => Listened;
  #setup: MixerSetup;
  #mixer = -1;
  #members = new Map<number, SharedPlayer>();
  #changed: Promise<unknown> = Promise.resolve();
  #removed: Promise<SinkStats> | null = null;

  private constructor(
    lane: Lane,
    listeners: Listeners,
    sink: Sink,
    options: MixOptions,
    find: (index: number) => Listened,
    onRemoved: (mix: MixSink) => void,
  ) {
    this.local = sink.local;
    this.#lane = lane;
    this.#listeners = listeners;
    this.#sink = sink;
    this.#options = options;
    this.#find = find;
    this.#onRemoved = onRemoved;
    const { sampleRate, sending } = format(options);
    this.#setup = { sampleRate, players: [], sending: { ...sending, sink: sink.slot }, tone: options.tone ?? null };
  }

  /** @throws RangeError for what cannot be. Rejects with LaneFull; nothing is open then. */
  static async open(
    lane: Lane,
    listeners: Listeners,
    place: Omit<SinkPlace, 'stream' | 'clockRate' | 'lookBackSeconds'>,
    options: MixOptions,
    find: (index: number) => Listened,
    onRemoved: (mix: MixSink) => void,
  ): Promise<MixSink> {
    const { clockRate } = format(options);
    if (options.tone) checkTone(options.tone, format(options).sampleRate);
    heard(options.streams, find); // one that there is not is the caller's mistake: say so before anything is open
    const sink = await Sink.open(lane, { ...place, stream: null, clockRate, lookBackSeconds: 0 }, options, () => {});
    const mix = new MixSink(lane, listeners, sink, options, find, onRemoved);
    try {
      mix.#mixer = await lane.openMixer(mix.#setup);
    } catch (error) {
      await sink.remove();
      throw error;
    }
    try {
      await mix.setStreams(options.streams);
    } catch (error) {
      await mix.remove();
      throw error;
    }
    return mix;
  }

  /** Who is heard at present. */
  get streams(): number[] {
    return [...this.#members.keys()];
  }

  /** Another one after the lane was started again. @throws RangeError when the mix was removed. */
  get ssrc(): number {
    return this.#sink.ssrc;
  }

  /**
   * Others are heard from the next frame on; numbers and timestamps go on. Rejects with RangeError for a stream that there is not or that cannot
   * be heard, and with LaneFull; all is as it was then.
   */
  setStreams(streams: number[]): Promise<void> {
    return this.#change(() => this.#setStreams(streams));
  }

  /** A stream is about to end: it is not heard any more. */
  forget(index: number): Promise<void> {
    return this.#change(async () => {
      if (!this.#members.has(index) || this.#removed) return;
      await this.#hear(new Map([...this.#members].filter(([one]) => one !== index)));
    });
  }

  /** A stream has other payload types: its player may be another now, and one that has nothing to be heard by is silent. */
  follow(index: number): Promise<void> {
    return this.#change(() => this.#follow(index)).catch((error) => {
      if (!(error instanceof RangeError)) throw error;
    });
  }

  /** No packet leaves from now on. */
  pause(): Promise<void> {
    return this.#sink.pause();
  }

  /** Sequence numbers go on where they were, timestamps with the time that has gone by. */
  resume(): Promise<void> {
    return this.#sink.resume();
  }

  /** @throws RangeError when the mix was removed: `remove` has told the last ones. */
  stats(): SinkStats {
    return this.#sink.stats();
  }

  /** Resolves to what it has sent to its end. */
  remove(): Promise<SinkStats> {
    this.#removed ??= this.#change(() => this.#remove());
    return this.#removed;
  }

  async #remove(): Promise<SinkStats> {
    const members = [...this.#members.values()];
    this.#members = new Map();
    await this.#lane.closeMixer(this.#mixer);
    await this.#release(members);
    const stats = await this.#sink.remove();
    this.#onRemoved(this);
    return stats;
  }

  /** Changes are made one after the other. */
  #change<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changed.then(change);
    this.#changed = changed.catch(() => {});
    return changed;
  }

  async #setStreams(streams: number[]): Promise<void> {
    if (this.#removed) return;
    const taken: SharedPlayer[] = [];
    const next = new Map<number, SharedPlayer>();
    try {
      for (const index of heard(streams, this.#find)) {
        const held = this.#members.get(index);
        // It is looked for again: while another was taken, it may have gone.
        const player = held ?? (await this.#listeners.take(index, this.#find(index), this.#options));
        if (!held) taken.push(player);
        next.set(index, player);
      }
    } catch (error) {
      await this.#release(taken);
      throw error;
    }
    await this.#hear(next);
  }

  async #follow(index: number): Promise<void> {
    const held = this.#members.get(index);
    if (!held || this.#removed) return;
    const player = await this.#listeners.take(index, this.#find(index), this.#options);
    if (player === held) await this.#listeners.release(player);
    else await this.#hear(new Map(this.#members).set(index, player));
  }

  /** Players that are held already; those that are not among them are let go. */
  async #hear(next: Map<number, SharedPlayer>): Promise<void> {
    const before = [...this.#members.values()];
    const kept = new Set(next.values());
    this.#members = next;
    this.#setup = { ...this.#setup, players: await slotsOf(next) };
    await this.#lane.changeMixer(this.#mixer, this.#setup);
    await this.#release(before.filter((player) => !kept.has(player)));
  }

  async #release(players: SharedPlayer[]): Promise<void> {
    for (const player of players) await this.#listeners.release(player);
  }
}

function slotsOf(players: ReadonlyMap<number, SharedPlayer>): Promise<number[]> {
  return Promise.all([...players.values()].map(({ slot }) => slot));
}

/** Each once. @throws RangeError for one that there is not, and when there are too many. */
function heard(streams: number[], find: (index: number) => Listened): Set<number> {
  const found = new Set(streams);
  for (const index of found) find(index);
  if (found.size > MIXER_MEMBERS) throw new RangeError(`a mix of ${found.size} streams: ${MIXER_MEMBERS} at most`);
  return found;
}

/** @throws RangeError */
function format({ encoding, clockRate, payloadType, ptimeMs = DEFAULT_PTIME_MS }: MixOptions) {
  if (!Number.isInteger(payloadType) || payloadType < 0 || payloadType > 127) {
    throw new RangeError(`payload type ${payloadType}: 0 to 127`);
  }
  const frames = ptimeMs / FRAME_MS;
  if (!Number.isInteger(frames) || frames < 1 || frames > MAX_MIX_PACKET_FRAMES) {
    throw new RangeError(`packets of ${ptimeMs} ms: 10 to ${MAX_MIX_PACKET_FRAMES * FRAME_MS}, in steps of 10`);
  }
  const rate = clockRate ?? DEFAULT_CLOCK_RATE;
  const known = ['PCMU', 'PCMA', 'G722', 'L16'].includes(encoding) ? playerCodec(encoding, rate, 1) : null;
  if (!known)
    throw new RangeError(`a mix in ${encoding} at ${rate} Hz: PCMU, PCMA or G722 at 8000, L16 at 8000, 16000 or 48000`);
  const { codec, sampleRate } = known;
  const octets = (encoding === 'L16' ? sampleRate * 2 : 8000) * (ptimeMs / 1000);
  if (octets > MAX_MIX_PAYLOAD_BYTES) {
    throw new RangeError(
      `packets of ${ptimeMs} ms of L16 at ${rate} Hz are longer than the network takes: choose a shorter ptimeMs`,
    );
  }
  const sending: Omit<MixerSending, 'sink'> = { codec, payloadType, frames };
  return { clockRate: rate, sampleRate, sending };
}

/** @throws RangeError */
function checkTone({ frequencyHz, onMs, everyMs, levelDbm0 }: Tone, sampleRate: number): void {
  if (!(frequencyHz > 0 && frequencyHz < sampleRate / 2)) {
    throw new RangeError(`a tone of ${frequencyHz} Hz: more than 0 and less than ${sampleRate / 2}`);
  }
  if (!(onMs >= 1 && everyMs >= onMs && everyMs <= 3_600_000)) {
    throw new RangeError(
      `a tone of ${onMs} ms every ${everyMs} ms: 1 or more, and not longer than the interval of an hour at most`,
    );
  }
  if (!(levelDbm0 >= -90 && levelDbm0 <= 3.14)) throw new RangeError(`a tone of ${levelDbm0} dBm0: -90 to 3.14`);
}
