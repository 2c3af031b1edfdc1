/**
 * One m-line of a recording session: a party's stream, and the sink that sends it to the recorder. What is wanted is said at once; the sink
 * follows as fast as the lane does.
 */
import { isDeepStrictEqual } from 'node:util';
import type { MediaSession, PayloadType, Sink, SinkStats, SrtpKeys, SrtpSuite } from '../../media/index.ts';
import { LegCrypto } from '../../sdes/leg-crypto.ts';
import type { StreamTarget } from './stream-target.ts';

export interface RecordedLineOptions {
  media: MediaSession;
  stream: number;
  label: string;
  payloadTypes: PayloadType[];
  srtp: SrtpSuite | null;
  isPaused: boolean;
  /** How much of its past the recorder gets first, when it takes the stream at last; seconds. */
  lookBack: () => number;
  /** The stream cannot be sent: the lane has no room, or it is gone. */
  onFailed: (line: RecordedLine, cause: string) => void;
}

/** Packets sent, and lost as the recorder has reported; null: it has not. */
export interface LineTotals {
  packets: number;
  lost: number | null;
}

export function addTotals(a: LineTotals, b: LineTotals): LineTotals {
  const lost = a.lost === null ? b.lost : a.lost + (b.lost ?? 0);
  return { packets: a.packets + b.packets, lost };
}

export class RecordedLine {
  readonly stream: number;
  readonly label: string;
  readonly crypto: LegCrypto | null;
  /** In our numbers. */
  payloadTypes: PayloadType[];
  readonly #options: RecordedLineOptions;
  #isPaused: boolean;
  #target: StreamTarget | null = null;
  #sink: { sink: Sink; target: StreamTarget; payloadTypes: PayloadType[]; isPaused: boolean } | null = null;
  #working: Promise<void> | null = null;
  #hadSink = false;
  #gone: LineTotals = { packets: 0, lost: null };

  constructor(options: RecordedLineOptions) {
    this.#options = options;
    this.stream = options.stream;
    this.label = options.label;
    this.payloadTypes = options.payloadTypes;
    this.#isPaused = options.isPaused;
    this.crypto = options.srtp && new LegCrypto(options.srtp);
  }

  /** What was agreed on last; null: the stream is not sent. */
  get target(): StreamTarget | null {
    return this.#target;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Where the recorder takes the stream, and how; null: nowhere, any more or yet. */
  aim(target: StreamTarget | null): void {
    this.#target = target;
    void this.#follow();
  }

  /** Resolves when no packet leaves any more, or packets leave again. */
  async pause(on: boolean): Promise<void> {
    this.#isPaused = on;
    const current = this.#sink;
    // Without waiting for what else is being changed.
    if (on && current && !current.isPaused) {
      current.isPaused = true;
      await current.sink.pause();
    }
    await this.#follow();
  }

  /** Resolves when nothing is sent any more. */
  async end(): Promise<void> {
    this.#target = null;
    await this.#follow();
  }

  /** Resolves when the sink is what is wanted. */
  settled(): Promise<void> {
    return this.#follow();
  }

  /** Of the sink that there is; null: none. */
  stats(): SinkStats | null {
    try {
      return this.#sink?.sink.stats() ?? null;
    } catch (error) {
      // Its stream was taken from under it.
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  /** Of all sinks that it has had. */
  totals(): LineTotals {
    const now = this.stats();
    return now === null ? this.#gone : addTotals(this.#gone, totalsOf(now));
  }

  #follow(): Promise<void> {
    this.#working ??= this.#work();
    return this.#working;
  }

  /** Until the sink is what is wanted, which may change meanwhile. */
  async #work(): Promise<void> {
    await null;
    try {
      while (!this.#isDone()) await this.#step();
    } catch (error) {
      this.#target = null;
      this.#options.onFailed(this, error instanceof Error ? error.message : String(error));
    }
    // In the same step in which there was nothing left to do: what is wanted after that begins anew.
    this.#working = null;
  }

  #isDone(): boolean {
    const current = this.#sink;
    const wanted = this.#target;
    if (wanted === null || wanted.remote === null) return current === null;
    return current !== null && this.#isSame(wanted) && current.isPaused === this.#mustPause(wanted);
  }

  async #step(): Promise<void> {
    const current = this.#sink;
    const wanted = this.#target;
    if (wanted === null || wanted.remote === null) await this.#remove();
    else if (current === null) await this.#open(wanted);
    else if (this.#isSame(wanted)) await this.#pause(current, this.#mustPause(wanted));
    else {
      // One message to the lane behind the other: no packet comes between.
      const removed = this.#remove();
      await this.#open(wanted);
      await removed;
    }
  }

  #mustPause({ takes }: StreamTarget): boolean {
    return this.#isPaused || !takes;
  }

  #isSame(wanted: StreamTarget): boolean {
    const { target, payloadTypes } = this.#sink!;
    return (
      payloadTypes === this.payloadTypes &&
      isDeepStrictEqual(target.remote, wanted.remote) &&
      isDeepStrictEqual(target.payloadTypes, wanted.payloadTypes) &&
      isSameSrtp(target.receiveSrtp, wanted.receiveSrtp)
    );
  }

  async #open(target: StreamTarget): Promise<void> {
    const { media, stream, lookBack } = this.#options;
    const paused = this.#mustPause(target);
    const { payloadTypes } = this;
    const seconds = paused || this.#hadSink || media.lookBackSeconds(stream) === 0 ? 0 : lookBack();
    const sink = await media.addSink(stream, {
      remote: target.remote!,
      srtp: this.crypto?.sendKeys ?? null,
      receiveSrtp: target.receiveSrtp,
      payloadTypes: target.payloadTypes,
      paused,
      lookBack: seconds > 0 && seconds,
    });
    this.#hadSink = true;
    this.#sink = { sink, target, payloadTypes, isPaused: paused };
  }

  async #pause(current: { sink: Sink; isPaused: boolean }, on: boolean): Promise<void> {
    current.isPaused = on;
    await (on ? current.sink.pause() : current.sink.resume());
  }

  async #remove(): Promise<void> {
    const { sink } = this.#sink!;
    this.#sink = null;
    this.#gone = addTotals(this.#gone, totalsOf(await sink.remove()));
  }
}

function totalsOf({ packets, receiverReport }: SinkStats): LineTotals {
  return { packets, lost: receiverReport && Math.max(0, receiverReport.cumulativeLost) };
}

function isSameSrtp(a: SrtpKeys | null, b: SrtpKeys | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.suite !== b.suite || a.unencryptedSrtcp !== b.unencryptedSrtcp || a.keys.length !== b.keys.length) return false;
  return a.keys.every(({ keyAndSalt, mki }, i) => {
    const other = b.keys[i]!;
    return isDeepStrictEqual(mki, other.mki) && Buffer.compare(keyAndSalt.reveal(), other.keyAndSalt.reveal()) === 0;
  });
}
