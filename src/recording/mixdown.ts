/**
 * Second reading of a packet file: decodes every audible packet into its track at its place and writes the two channels
 * out as the window moves on. A packet that comes after its place has been written is added to the file afterwards.
 *
 * Packets of a codec that carries state from one to the next wait until it is their turn.
 */

import { KIND_NOTE, KIND_RTP } from '../journal/format.ts';
import { type Encoding, isStateful, soundRateHz, soundSamples } from '../media/codecs.ts';
import {
  DECODERS,
  ENTRY,
  type FinaliserCore,
  INTERPOLATION_REACH_SAMPLES,
  MAX_MIX_FRAMES,
  PATCH_TRACK,
  STREAM_TRACKS,
  TRACK_SAMPLES,
} from '../media/render.ts';
import type { StatefulDecoder } from '../media/stateful-decoders.ts';
import { Decoders } from './decoders.ts';
import { emptyNotes, readNote, undescribedStream } from './notes.ts';
import type { OutputFile } from './output-file.ts';
import { payloadText } from './packet-file.ts';
import { PacketOrder } from './packet-order.ts';
import type { Scan, ScannedStream } from './scan.ts';
import { SeqSet } from './seq-set.ts';
import { type Source, unwrap } from './source.ts';
import { type PlacedRun, sampleAt, type Timeline } from './timeline.ts';

const BYTES_PER_FRAME = 4;

/** One stream at one rate, while it has something in the window. */
interface Track {
  number: number;
  channel: number;
  rateHz: number;
  /** Behind its last sample, in seconds. */
  endSec: number;
}

/** Where a packet's samples go. */
interface Placement {
  track: string;
  placed: PlacedRun;
  extSeq: number;
  type: Encoding;
  mediaAt: number;
  mediaBytes: number;
  /** The payload, once it has had to wait. */
  kept: Uint8Array | null;
  /** Of a codec that has a memory, when it is this packet's turn. */
  decoder: StatefulDecoder | null;
  /** In samples of the run's sound. */
  at: number;
  samples: number;
}

export class Mixdown {
  /** Packets that could not be placed within the file. */
  unplacedPackets = 0;
  readonly #core: FinaliserCore;
  readonly #timeline: Timeline;
  readonly #file: OutputFile;
  readonly #headerBytes: number;
  readonly #windowSec: number;
  readonly #notes = emptyNotes();
  readonly #streams = new Map<number, ScannedStream>();
  readonly #seen = new Map<Source, SeqSet>();
  readonly #orders = new Map<Source, PacketOrder<Placement>>();
  readonly #decoders: Decoders;
  readonly #cursors = new Map<PlacedRun, { ts: number; endSample: number; extSeq: number }>();
  readonly #tracks = new Map<string, Track>();
  readonly #endSec = new Map<string, number>();
  readonly #freeTracks = Array.from({ length: STREAM_TRACKS }, (_, i) => i);
  #windowStartSec = 0;
  #writtenFrames = 0;

  constructor(core: FinaliserCore, scan: Scan, timeline: Timeline, file: OutputFile) {
    this.#core = core;
    this.#decoders = new Decoders(core);
    this.#timeline = timeline;
    this.#file = file;
    this.#headerBytes = file.bytes;
    this.#windowSec = Math.floor(TRACK_SAMPLES / timeline.rateHz);
    for (const stream of scan.streams) this.#streams.set(stream.noted.index, stream);
    for (const placed of timeline.runs.values()) {
      const { soundRateHz: rateHz, endTs } = placed.run;
      const key = trackKey(placed.stream.noted.index, rateHz);
      const endSec = sampleAt(placed, endTs) / rateHz;
      this.#endSec.set(key, Math.max(endSec, this.#endSec.get(key) ?? 0));
    }
  }

  /**
   * Takes a record in. Returns what has to be awaited before the next one, if anything: nearly all are placed at once.
   */
  record(word: number): Promise<void> | null {
    if (this.#core.words[word + ENTRY.kind] === KIND_NOTE) readNote(this.#notes, payloadText(this.#core, word));
    const placement = this.#locate(word);
    if (!placement) return null;
    return isStateful(placement.type.encoding) ? this.#takeInOrder(placement) : this.#take(placement);
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    for (const order of this.#orders.values()) await this.#takeReady(order, order.take(true), true);
    this.#decoders.free();
    while (this.#writtenFrames < this.#timeline.frames) await this.#advance();
  }

  #take(p: Placement): Promise<void> | null {
    const endSec = (p.at + p.samples) / p.placed.run.soundRateHz;
    if (endSec > this.#windowStartSec + this.#windowSec) return this.#advanceAndPlace(p, endSec);
    return this.#place(p);
  }

  #takeInOrder(p: Placement): Promise<void> | null {
    const order = this.#orderOf(p.placed);
    // Heard alone, for the decoder is past it.
    if (order.isLate(p.extSeq)) return this.#takeWith(p, p);
    order.add(p.extSeq, p);
    const ready = order.take();
    if (ready !== p) p.kept = this.#core.bytes.slice(p.mediaAt, p.mediaAt + p.mediaBytes);
    return this.#takeReady(order, ready, false);
  }

  #orderOf({ source, run }: PlacedRun): PacketOrder<Placement> {
    let order = this.#orders.get(source);
    if (!order) {
      const seen = this.#seen.get(source) as SeqSet;
      const first = run === source.runs[0] ? source.minSeq : run.fromSeq;
      order = new PacketOrder(first, (extSeq) => source.received.has(extSeq) && !seen.has(extSeq));
      this.#orders.set(source, order);
    }
    return order;
  }

  #takeReady(order: PacketOrder<Placement>, first: Placement | undefined, isAtEnd: boolean): Promise<void> | null {
    for (let p = first; p; p = order.take(isAtEnd)) {
      const wait = this.#takeWith(p, p.placed.run);
      if (wait) return wait.then(() => this.#takeReady(order, order.take(isAtEnd), isAtEnd) ?? undefined);
    }
    return null;
  }

  /** Takes a packet with the decoder that belongs to `owner`. */
  #takeWith(p: Placement, owner: object): Promise<void> | null {
    const decoder = this.#decoders.of(owner, p.type.encoding);
    if (decoder instanceof Promise) {
      return decoder.then((made) => {
        p.decoder = made;
        return this.#take(p) ?? undefined;
      });
    }
    p.decoder = decoder;
    return this.#take(p);
  }

  #decode(p: Placement, track: number, at: number): void {
    const { type, mediaBytes } = p;
    if (p.decoder) {
      const mediaAt = p.kept ? this.#core.loadPayload(p.kept) : p.mediaAt;
      p.decoder.decode(mediaAt, mediaBytes, track, at);
    } else this.#core.decode(DECODERS[type.encoding] as number, p.mediaAt, mediaBytes, type.channels, track, at);
  }

  #locate(word: number): Placement | null {
    const { words } = this.#core;
    if (words[word + ENTRY.kind] !== KIND_RTP) return null;
    const number = words[word + ENTRY.payloadType] as number;
    if (number === ENTRY.notRtp) return null;
    const index = words[word + ENTRY.stream] as number;
    const stream = this.#streams.get(index) as ScannedStream;
    const epoch = words[word + ENTRY.epoch] as number;
    const extSeq = words[word + ENTRY.extSeq] as number;
    const source = stream.sources.get(epoch);
    if (!source || source.paused.has(extSeq) || !this.#isFirst(source, extSeq)) return null;
    // As described at this point of the call, not at its end: a number may have changed its meaning.
    const type = (this.#notes.streams.get(index) ?? undescribedStream(index)).payloadTypes.get(number);
    const mediaBytes = words[word + ENTRY.mediaBytes] as number;
    const mediaAt = words[word + ENTRY.mediaAt] as number;
    const samples = type ? soundSamples(type, this.#core.bytes, mediaAt, mediaBytes) : 0;
    const run = source.runOf(extSeq);
    const placed = run && this.#timeline.runs.get(run);
    if (!type || samples === 0 || !placed) return null;
    const at = this.#position(placed, extSeq, words[word + ENTRY.timestamp] as number, samples);
    const { rateHz, soundRateHz: soundHz } = placed.run;
    if (at === null || type.clockRate !== rateHz || soundRateHz(type) !== soundHz) {
      this.unplacedPackets++;
      return null;
    }
    const payload = { type, mediaAt, mediaBytes, kept: null, decoder: null };
    return { track: trackKey(index, soundHz), placed, extSeq, ...payload, at, samples };
  }

  #isFirst(source: Source, extSeq: number): boolean {
    const seen = this.#seen.get(source) ?? new SeqSet();
    this.#seen.set(source, seen);
    return seen.add(extSeq);
  }

  /** Sample of the run's sound at which the packet begins, or null if it has no place in the file. */
  #position(placed: PlacedRun, extSeq: number, timestamp: number, samples: number): number | null {
    const { run, source, originSample } = placed;
    let cursor = this.#cursors.get(placed);
    if (!cursor) {
      cursor = { ts: run.originTs, endSample: originSample, extSeq: run.fromSeq - 1 };
      this.#cursors.set(placed, cursor);
    }
    if (source.misfits.size > 0 && source.misfits.has(extSeq)) {
      // Its timestamp fits nothing: it goes where its number says, as if all packets had its length.
      const at = cursor.endSample + (extSeq - cursor.extSeq - 1) * samples;
      return at < 0 || at + samples > (this.#timeline.frames * run.soundRateHz) / this.#timeline.rateHz ? null : at;
    }
    const ts = unwrap(cursor.ts, timestamp);
    if (ts < run.minTs || ts + (samples * run.rateHz) / run.soundRateHz > run.endTs) return null;
    const at = sampleAt(placed, ts);
    if (extSeq > cursor.extSeq) Object.assign(cursor, { ts, endSample: at + samples, extSeq });
    return at;
  }

  #place(p: Placement): Promise<void> | null {
    const startSample = this.#windowStartSec * p.placed.run.soundRateHz;
    const track = this.#track(p);
    if (p.at < startSample || !track) return this.#patch(p, track);
    this.#decode(p, track.number, p.at - startSample);
    return null;
  }

  #track(p: Placement): Track | null {
    let track = this.#tracks.get(p.track);
    if (track) return track;
    const number = this.#freeTracks.pop();
    if (number === undefined) return null;
    const { soundRateHz: rateHz } = p.placed.run;
    const endSec = this.#endSec.get(p.track) as number;
    track = { number, channel: p.placed.stream.noted.channel, rateHz, endSec };
    this.#core.openTrack(number, rateHz, this.#timeline.rateHz);
    this.#tracks.set(p.track, track);
    return track;
  }

  async #advanceAndPlace(p: Placement, endSec: number): Promise<void> {
    // The payload stands in the core's input, which stays as it is while the window moves.
    while (endSec > this.#windowStartSec + this.#windowSec) await this.#advance();
    await this.#place(p);
  }

  /** Writes the older half of the window and moves on by it. */
  async #advance(): Promise<void> {
    const core = this.#core;
    const { rateHz, frames } = this.#timeline;
    const stepSec = Math.max(1, this.#windowSec >> 1);
    const stepFrames = Math.min(stepSec * rateHz, frames - this.#writtenFrames);
    for (let done = 0; done < stepFrames; ) {
      const some = Math.min(stepFrames - done, wholeSeconds(rateHz));
      core.clearChannels(some);
      for (const track of this.#tracks.values()) {
        core.mix(track.channel, track.number, (done / rateHz) * track.rateHz, some);
      }
      await this.#file.write(core.interleave(some));
      done += some;
    }
    this.#writtenFrames += stepFrames;
    this.#windowStartSec += stepSec;
    for (const [key, track] of this.#tracks) {
      if (track.endSec + 1 < this.#windowStartSec) {
        this.#tracks.delete(key);
        this.#freeTracks.push(track.number);
      } else core.advance(track.number, stepSec * track.rateHz);
    }
  }

  /** Adds a packet to what is written already: it is alone in a track of its own. */
  async #patch(p: Placement, track: Track | null): Promise<void> {
    const core = this.#core;
    const { rateHz } = this.#timeline;
    const runRateHz = p.placed.run.soundRateHz;
    // From a whole second on, so that the track's grid and the file's coincide; with room for the interpolation.
    const startSec = Math.floor(Math.max(0, p.at - INTERPOLATION_REACH_SAMPLES) / runRateHz);
    const endSec = Math.ceil((p.at + p.samples + INTERPOLATION_REACH_SAMPLES) / runRateHz);
    const offset = p.at - startSec * runRateHz;
    core.openTrack(PATCH_TRACK, runRateHz, rateHz);
    this.#decode(p, PATCH_TRACK, offset);
    for (let sec = startSec; sec < endSec; sec++) {
      const frames = Math.min(rateHz, this.#timeline.frames - sec * rateHz);
      if (frames <= 0) break;
      if (sec >= this.#windowStartSec && track) {
        // The rest lies within the window.
        const from = Math.max(offset, (sec - startSec) * runRateHz);
        const at = startSec * runRateHz + from - this.#windowStartSec * runRateHz;
        const rest = core.samples(PATCH_TRACK, from, Math.max(from, offset + p.samples));
        core.samples(track.number, at, at + rest.length).set(rest);
        break;
      }
      while (sec >= this.#windowStartSec) await this.#advance();
      core.clearChannels(frames);
      core.mix(0, PATCH_TRACK, (sec - startSec) * runRateHz, frames);
      await this.#addToFile(p.placed.stream.noted.channel, sec * rateHz, core.channel(0, frames));
    }
  }

  async #addToFile(channel: number, fromFrame: number, samples: Int16Array): Promise<void> {
    const at = this.#headerBytes + fromFrame * BYTES_PER_FRAME;
    await this.#file.patch(at, samples.length * BYTES_PER_FRAME, (bytes) => {
      for (let i = 0; i < samples.length; i++) {
        const position = i * BYTES_PER_FRAME + channel * 2;
        const sum = bytes.readInt16LE(position) + (samples[i] as number);
        bytes.writeInt16LE(Math.max(-32768, Math.min(32767, sum)), position);
      }
    });
  }
}

/** Frames of as many whole seconds as the mixer takes at once. */
function wholeSeconds(rateHz: number): number {
  return Math.floor(MAX_MIX_FRAMES / rateHz) * rateHz;
}

function trackKey(stream: number, rateHz: number): string {
  return `${stream}/${rateHz}`;
}
