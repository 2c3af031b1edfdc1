/**
 * First reading of a packet file: what was recorded, by whom, which packets there are and how they arrived. The second
 * reading (mixdown.ts) decodes what this one has placed.
 */

import { KIND_DROPPED, KIND_DUPLICATE, KIND_NOTE, KIND_PAUSED, KIND_RTCP, KIND_RTP } from '../journal/format.ts';
import { isDecodable, soundRateHz, soundSamples } from '../media/codecs.ts';
import { ENTRY, type FinaliserCore } from '../media/render.ts';
import { addDrops, type Degraded } from './degraded.ts';
import { emptyNotes, type NotedStream, type RecordingNotes, readNote, undescribedStream } from './notes.ts';
import { type PacketFileReport, payloadText, readRecords } from './packet-file.ts';
import { Source } from './source.ts';
import { TelephoneEvents } from './telephone-events.ts';

/** What the packets of one stream say. */
export interface ScannedStream {
  noted: NotedStream;
  /** By epoch, in order of appearance. */
  sources: Map<number, Source>;
  /** Packets by encoding name: the most frequent names the stream's codec. */
  encodings: Map<string, number>;
  /** Drops before any source was known. */
  droppedBefore: number;
  held: boolean;
  undecodablePackets: number;
  invalidPackets: number;
}

export interface Scan {
  recordingId: string;
  notes: RecordingNotes;
  /** By stream index, ascending. */
  streams: ScannedStream[];
  events: TelephoneEvents;
  report: PacketFileReport;
  /** Drops that belong to no stream. */
  droppedUnattributed: number;
  /** When packets were lost in this machine. */
  degraded: Degraded[];
}

/** Audio payloads that are neither decoded nor missed. */
const SILENT = new Set(['CN', 'TELEPHONE-EVENT']);
/** Those of the run. */
const NO_RATES = { rateHz: 0, soundRateHz: 0 };
const NTP_UNITS = 2 ** 32;

class Scanner {
  readonly notes = emptyNotes();
  readonly streams = new Map<number, ScannedStream>();
  readonly events = new TelephoneEvents();
  recordingId = '';
  droppedUnattributed = 0;
  readonly degraded: Degraded[] = [];
  readonly #core: FinaliserCore;

  constructor(core: FinaliserCore) {
    this.#core = core;
  }

  record(word: number, double: number): void {
    const { words, doubles } = this.#core;
    const stream = words[word + ENTRY.stream] as number;
    const arrivalUs = doubles[double + ENTRY.arrivalUs] as number;
    switch (words[word + ENTRY.kind]) {
      case KIND_RTP:
        this.#rtp(this.#stream(stream), word, arrivalUs);
        break;
      case KIND_NOTE:
        this.#note(payloadText(this.#core, word));
        break;
      case KIND_RTCP:
        this.#rtcp(this.#stream(stream), word, arrivalUs);
        break;
      case KIND_DUPLICATE:
        this.#source(this.#stream(stream), word).duplicate++;
        break;
      case KIND_PAUSED: {
        const scanned = this.#stream(stream);
        this.#source(scanned, word).pausedPacket(words[word + ENTRY.extSeq] as number, scanned.held);
        break;
      }
      case KIND_DROPPED:
        this.#dropped(stream, word, arrivalUs);
        break;
    }
  }

  #stream(index: number): ScannedStream {
    let stream = this.streams.get(index);
    if (!stream) {
      const noted = this.notes.streams.get(index) ?? undescribedStream(index);
      this.notes.streams.set(index, noted);
      stream = {
        ...{ noted, sources: new Map(), encodings: new Map(), droppedBefore: 0, held: false },
        ...{ undecodablePackets: 0, invalidPackets: 0 },
      };
      this.streams.set(index, stream);
    }
    return stream;
  }

  #source(stream: ScannedStream, word: number): Source {
    const epoch = this.#core.words[word + ENTRY.epoch] as number;
    let source = stream.sources.get(epoch);
    if (!source) {
      source = new Source(epoch, this.#core.words[word + ENTRY.ssrc] as number);
      stream.sources.set(epoch, source);
    }
    return source;
  }

  #rtp(stream: ScannedStream, word: number, arrivalUs: number): void {
    const { words } = this.#core;
    const number = words[word + ENTRY.payloadType] as number;
    if (number === ENTRY.notRtp) {
      stream.invalidPackets++;
      return;
    }
    const source = this.#source(stream, word);
    const type = stream.noted.payloadTypes.get(number);
    const encoding = type?.encoding ?? `PT${number}`;
    const isSilent = SILENT.has(encoding);
    const mediaAt = words[word + ENTRY.mediaAt] as number;
    const mediaBytes = words[word + ENTRY.mediaBytes] as number;
    const samples = type ? soundSamples(type, this.#core.bytes, mediaAt, mediaBytes) : 0;
    const rates = type && !isSilent ? { rateHz: type.clockRate, soundRateHz: soundRateHz(type) } : NO_RATES;
    const rtpUnits = type ? (samples * type.clockRate) / soundRateHz(type) : 0;
    const extSeq = words[word + ENTRY.extSeq] as number;
    const timestamp = words[word + ENTRY.timestamp] as number;
    const isNew = source.packet(
      {
        ...{ extSeq, timestamp, arrivalUs, rtpUnits, audible: samples > 0 },
        ...{ ...rates, timed: encoding !== 'TELEPHONE-EVENT' },
      },
      stream.held,
    );
    if (!isNew) return;
    if (!isSilent) {
      stream.encodings.set(encoding, (stream.encodings.get(encoding) ?? 0) + 1);
      // An empty payload says nothing, an Opus packet that is none would have.
      if (!type || !isDecodable(type) || (samples === 0 && mediaBytes > 0)) stream.undecodablePackets++;
    } else if (encoding === 'TELEPHONE-EVENT') {
      const payload = this.#core.bytes.subarray(mediaAt, mediaAt + mediaBytes);
      this.events.packet(stream.noted.index, source.epoch, extSeq, timestamp, payload);
    }
  }

  #note(text: string): void {
    const note = readNote(this.notes, text);
    if (note?.type === 'stream') this.#stream(note.index as number);
    if ((note?.type !== 'pause' && note?.type !== 'resume') || note.scope !== 'signalling') return;
    for (const [index, stream] of this.streams) {
      if (note.stream !== undefined && note.stream !== null && note.stream !== index) continue;
      stream.held = note.type === 'pause';
      for (const source of stream.sources.values()) source.heldSinceLast = true;
    }
  }

  /** RFC 3550 section 6.4.1: the sender reports of a compound packet. */
  #rtcp(stream: ScannedStream, word: number, arrivalUs: number): void {
    const at = this.#core.words[word + ENTRY.payloadAt] as number;
    const bytes = this.#core.bytes.subarray(at, at + (this.#core.words[word + ENTRY.payloadBytes] as number));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i + 4 <= bytes.length; ) {
      const packetBytes = (view.getUint16(i + 2) + 1) * 4;
      if (bytes[i + 1] === 200 && packetBytes >= 28 && i + 28 <= bytes.length) {
        const ntpUs = (view.getUint32(i + 8) + view.getUint32(i + 12) / NTP_UNITS) * 1e6;
        const ssrc = view.getUint32(i + 4);
        for (const source of stream.sources.values()) {
          if (source.ssrc === ssrc && ntpUs > 0) source.senderReport(ntpUs, view.getUint32(i + 16), arrivalUs);
        }
      }
      i += packetBytes;
    }
  }

  #dropped(index: number, word: number, atUs: number): void {
    const { words, bytes } = this.#core;
    if ((words[word + ENTRY.payloadBytes] as number) < 4) return;
    const at = words[word + ENTRY.payloadAt] as number;
    const packets = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
    addDrops(this.degraded, atUs, packets);
    if (!this.notes.streams.has(index)) {
      this.droppedUnattributed += packets;
      return;
    }
    const stream = this.#stream(index);
    const source = stream.sources.get(words[word + ENTRY.epoch] as number) ?? [...stream.sources.values()].at(-1);
    if (source) source.drops.push({ afterSeq: source.maxSeq, packets });
    else stream.droppedBefore += packets;
  }
}

/** Reads the packet file at `path`. Rejects with the system's error if it cannot be read. */
export async function scan(core: FinaliserCore, path: string): Promise<Scan> {
  const scanner = new Scanner(core);
  const report = await readRecords(core, path, (word, double, header) => {
    scanner.recordingId ||= header.recordingId;
    scanner.record(word, double);
    return null;
  });
  for (const stream of scanner.streams.values()) for (const source of stream.sources.values()) source.finish();
  const { recordingId, notes, events, droppedUnattributed, degraded } = scanner;
  const streams = [...scanner.streams.values()].sort((a, b) => a.noted.index - b.noted.index);
  return { recordingId, notes, streams, events, report, droppedUnattributed, degraded };
}
