/**
 * One source of a stream (one SSRC, or one restart of it) as the finaliser sees it: which packets there were, how
 * they arrived (RFC 3550 A.8), and how their RTP time maps onto the time of arrival.
 *
 * RTP time is trusted as long as it moves like the clock. Where it jumps against the clock for good (a sender that
 * begins a new time line, or stopped counting while on hold), a new *run* begins, placed by its arrival. A single
 * packet whose timestamp fits nothing is a *misfit*: it is placed behind its predecessor.
 */

import { SeqSet } from './seq-set.ts';

/** A packet arriving later than this after its place in real time counts as late. */
export const LIVE_DELAY_US = 60_000;
/** RTP time may differ by this much from arrival before it is doubted. */
const JUMP_US = 1_000_000;
/** Sequential packets that confirm a jump ahead of the clock. */
const AHEAD_CONFIRM_PACKETS = 3;
/** Time for which packets must stay behind the clock before that is no longer taken for a stalled network. */
const BEHIND_CONFIRM_US = 2_000_000;
/** The shortest transit of the last 30 to 60 s is the base: it follows the drift of the sender's clock. */
const BASE_BUCKET_US = 30_000_000;
/** How far RTP time may run ahead of arrival and of the media itself, in total. */
const LEAD_US = 10_000_000;
/** How long before the first packet's time a reordered one may lie. */
const BEFORE_FIRST_US = 2_000_000;
/** A sender report's time is believed if it fits the packets this well. */
const SENDER_REPORT_FIT_US = 5_000_000;

/** Part of a source within which RTP time is continuous. Timestamps are unwrapped: they may exceed 32 bits. */
export interface Run {
  fromSeq: number;
  /** Of RTP time. */
  rateHz: number;
  /** Of what its packets decode to. */
  soundRateHz: number;
  firstArrivalUs: number;
  originTs: number;
  highestTs: number;
  /** Extent of what is placed by its timestamp. */
  minTs: number;
  endTs: number;
  /** Sum of what its packets last. */
  mediaUs: number;
  /** One correspondence of RTP time and the sender's wall clock. */
  senderReport: { ntpUs: number; ts: number } | null;
  audible: boolean;
  /** Shortest transits of the last and the present interval. */
  previousBaseUs: number;
  baseUs: number;
  baseFromUs: number;
}

/** What `Source.packet` needs of a packet. */
export interface TimedPacket {
  extSeq: number;
  timestamp: number;
  arrivalUs: number;
  /** Clock rate of the payload type; 0: whatever the run has (comfort noise, events). */
  rateHz: number;
  /** Sampling rate of what it decodes to; 0 as above. */
  soundRateHz: number;
  /** How long what it decodes to lasts in RTP time; 0 if it is not audible. */
  rtpUnits: number;
  audible: boolean;
  /** Its timestamp moves with the clock: not so in an event, which keeps the time at which it began. */
  timed: boolean;
}

interface Candidate {
  kind: 'ahead' | 'behind';
  packets: TimedPacket[];
}

/** Distance in 32 bits, unwrapped against a reference near to it. */
export function unwrap(referenceTs: number, timestamp: number): number {
  return referenceTs + ((timestamp - referenceTs) | 0);
}

function isOfRate(run: Run, p: TimedPacket): boolean {
  return p.rateHz === 0 || (p.rateHz === run.rateHz && p.soundRateHz === run.soundRateHz);
}

export class Source {
  readonly epoch: number;
  readonly ssrc: number;
  readonly received = new SeqSet();
  readonly paused = new SeqSet();
  readonly misfits = new SeqSet();
  readonly runs: Run[] = [];
  /** Ranges without packets within which the signalling held the stream. */
  readonly heldGaps: Array<[number, number]> = [];
  /** Drops on this machine: how many, and behind which packet. */
  readonly drops: Array<{ afterSeq: number; packets: number }> = [];
  minSeq = Infinity;
  maxSeq = -1;
  duplicate = 0;
  late = 0;
  /** Places at which RTP time was given up for arrival time. */
  jumps = 0;
  /** Interarrival jitter in seconds. */
  jitterSec = 0;
  /** The signalling holds the stream, or did since the last new packet. */
  heldSinceLast = false;
  #last: { arrivalUs: number; timestamp: number; rateHz: number } | null = null;
  #candidate: Candidate | null = null;

  constructor(epoch: number, ssrc: number) {
    this.epoch = epoch;
    this.ssrc = ssrc;
  }

  /** A received packet. False if it is a duplicate. */
  packet(p: TimedPacket, isHeld: boolean): boolean {
    // A copy of a packet that was discarded on purpose stays discarded.
    if ((this.paused.size > 0 && this.paused.has(p.extSeq)) || !this.received.add(p.extSeq)) {
      this.duplicate++;
      return false;
    }
    const isNewest = this.#seen(p.extSeq, isHeld);
    if (p.timed) this.#measureJitter(p);
    if (p.timed || this.runs.length === 0) this.#place(p, isNewest);
    return true;
  }

  /** A packet discarded on purpose: only its number counts. */
  pausedPacket(extSeq: number, isHeld: boolean): void {
    if (this.received.has(extSeq) || !this.paused.add(extSeq)) this.duplicate++;
    else this.#seen(extSeq, isHeld);
  }

  /** Sender's wall clock (microseconds of the NTP era) at an RTP time (RFC 3550 section 6.4.1). */
  senderReport(ntpUs: number, timestamp: number, arrivalUs: number): void {
    const run = this.runs.at(-1);
    if (!run || run.senderReport) return;
    const ts = unwrap(run.highestTs, timestamp);
    const transitUs = arrivalUs - run.firstArrivalUs - ((ts - run.originTs) * 1e6) / run.rateHz;
    if (Math.abs(transitUs) < SENDER_REPORT_FIT_US) run.senderReport = { ntpUs, ts };
  }

  /** To be called after the last packet. */
  finish(): void {
    this.#cancel();
  }

  /** The run that a packet belongs to. */
  runOf(extSeq: number): Run | null {
    for (let i = this.runs.length - 1; i > 0; i--) {
      const run = this.runs[i] as Run;
      if (run.fromSeq <= extSeq) return run;
    }
    return this.runs[0] ?? null;
  }

  /** Notes the number; true if it is the highest so far. */
  #seen(extSeq: number, isHeld: boolean): boolean {
    if (extSeq < this.minSeq) this.minSeq = extSeq;
    if (extSeq <= this.maxSeq) return false;
    if (this.heldSinceLast && this.maxSeq >= 0 && extSeq > this.maxSeq + 1) {
      this.heldGaps.push([this.maxSeq + 1, extSeq - 1]);
    }
    this.heldSinceLast = isHeld;
    this.maxSeq = extSeq;
    return true;
  }

  /** RFC 3550 A.8, without the rounding: J += (|D| - J) / 16. */
  #measureJitter(p: TimedPacket): void {
    const last = this.#last;
    const rateHz = p.rateHz || last?.rateHz || 8000;
    this.#last = { arrivalUs: p.arrivalUs, timestamp: p.timestamp, rateHz };
    if (!last || last.rateHz !== rateHz) return;
    const mediaSec = ((p.timestamp - last.timestamp) | 0) / rateHz;
    const differenceSec = Math.abs((p.arrivalUs - last.arrivalUs) / 1e6 - mediaSec);
    // A jump of RTP time says nothing about the network.
    if (differenceSec > 1 && Math.abs(mediaSec) > 1) return;
    this.jitterSec += (differenceSec - this.jitterSec) / 16;
  }

  #place(p: TimedPacket, isNewest: boolean): void {
    const run = this.runs.at(-1);
    if (!run || (isNewest && !this.#goesOn(run, p))) {
      this.#cancel();
      this.#begin(p);
      return;
    }
    const fit = this.#fit(run, p);
    if (!isNewest) {
      if (fit.kind === 'ahead' || fit.tooEarly || this.runOf(p.extSeq) !== run) this.#reordered(p);
      else this.#take(run, p, fit.ts, false);
      return;
    }
    if (this.#candidate) this.#pursue(this.#candidate, run, p, fit.kind);
    else if (fit.kind === 'fits') this.#take(run, p, fit.ts, true);
    else this.#candidate = { kind: fit.kind, packets: [p] };
  }

  /** A change of rate needs another run. Before anything has been heard, it only shows which rate it is. */
  #goesOn(run: Run, p: TimedPacket): boolean {
    if (p.rateHz !== 0 && p.rateHz === run.rateHz && !run.audible) run.soundRateHz = p.soundRateHz;
    return isOfRate(run, p);
  }

  /** How a packet's RTP time relates to its arrival. */
  #fit(
    run: Run,
    p: TimedPacket,
  ): { kind: 'fits' | 'ahead' | 'behind'; ts: number; offsetUs: number; tooEarly: boolean } {
    const ts = unwrap(run.highestTs, p.timestamp);
    const positionUs = ((ts - run.originTs) * 1e6) / run.rateHz;
    const elapsedUs = p.arrivalUs - run.firstArrivalUs;
    const offsetUs = elapsedUs - positionUs - Math.min(run.baseUs, run.previousBaseUs);
    const tooEarly = positionUs < -BEFORE_FIRST_US;
    if (offsetUs < -JUMP_US || positionUs > elapsedUs + run.mediaUs + LEAD_US) {
      return { kind: 'ahead', ts, offsetUs, tooEarly };
    }
    return { kind: offsetUs > JUMP_US ? 'behind' : 'fits', ts, offsetUs, tooEarly };
  }

  /** A doubted jump: the next packets confirm it, or show that it was none. */
  #pursue(candidate: Candidate, run: Run, p: TimedPacket, kind: 'fits' | 'ahead' | 'behind'): void {
    const first = candidate.packets[0] as TimedPacket;
    const driftUs = p.arrivalUs - first.arrivalUs - (((p.timestamp - first.timestamp) | 0) * 1e6) / run.rateHz;
    if (kind !== candidate.kind || Math.abs(driftUs) > JUMP_US) {
      this.#cancel();
      this.#place(p, true);
      return;
    }
    candidate.packets.push(p);
    const isConfirmed =
      kind === 'ahead'
        ? candidate.packets.length >= AHEAD_CONFIRM_PACKETS
        : p.arrivalUs - first.arrivalUs >= BEHIND_CONFIRM_US;
    if (!isConfirmed) return;
    this.#candidate = null;
    this.jumps++;
    this.#begin(first);
    for (const packet of candidate.packets.slice(1)) this.#place(packet, true);
  }

  /** It was no jump: late packets after a stall, or timestamps that fit nothing. */
  #cancel(): void {
    const candidate = this.#candidate;
    const run = this.runs.at(-1);
    this.#candidate = null;
    if (!candidate || !run) return;
    for (const p of candidate.packets) {
      const ts = unwrap(run.highestTs, p.timestamp);
      if (candidate.kind === 'ahead' || ts < run.highestTs) this.misfits.add(p.extSeq);
      else this.#take(run, p, ts, true);
    }
  }

  /** A reordered packet of an earlier run, or one that fits nothing. */
  #reordered(p: TimedPacket): void {
    const run = this.runOf(p.extSeq);
    const ts = run ? unwrap(run.highestTs, p.timestamp) : 0;
    const isWithin = run && ts >= run.minTs && ts + p.rtpUnits <= run.endTs;
    if (!isWithin || !isOfRate(run, p)) this.misfits.add(p.extSeq);
  }

  #begin(p: TimedPacket): void {
    const run: Run = {
      fromSeq: p.extSeq,
      rateHz: p.rateHz || this.runs.at(-1)?.rateHz || 8000,
      soundRateHz: p.soundRateHz || this.runs.at(-1)?.soundRateHz || 8000,
      firstArrivalUs: p.arrivalUs,
      originTs: p.timestamp,
      highestTs: p.timestamp,
      minTs: p.timestamp,
      endTs: p.timestamp,
      mediaUs: 0,
      senderReport: null,
      audible: false,
      previousBaseUs: 0,
      baseUs: 0,
      baseFromUs: p.arrivalUs,
    };
    this.runs.push(run);
    this.#take(run, p, p.timestamp, true);
  }

  #take(run: Run, p: TimedPacket, ts: number, isNewest: boolean): void {
    const transitUs = p.arrivalUs - run.firstArrivalUs - ((ts - run.originTs) * 1e6) / run.rateHz;
    if (transitUs - Math.min(run.baseUs, run.previousBaseUs) > LIVE_DELAY_US) this.late++;
    if (p.arrivalUs - run.baseFromUs > BASE_BUCKET_US) {
      run.previousBaseUs = run.baseUs;
      run.baseUs = transitUs;
      run.baseFromUs = p.arrivalUs;
    } else if (transitUs < run.baseUs) run.baseUs = transitUs;
    if (isNewest) run.highestTs = ts;
    run.mediaUs += (p.rtpUnits * 1e6) / run.rateHz;
    if (p.audible) {
      // Only what is heard has an extent: events carry the time at which they began.
      if (!run.audible) run.minTs = run.endTs = ts;
      run.audible = true;
      if (ts < run.minTs) run.minTs = ts;
      if (ts + p.rtpUnits > run.endTs) run.endTs = ts + p.rtpUnits;
    }
  }
}
