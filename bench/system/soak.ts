/**
 * A recorder under a part of its capacity for a long time: nothing is dropped, memory and file handles stay flat. Segments are deleted as
 * they are sealed; of every tenth all packets are checked before.
 */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { leftOverSegments, parseSegmentName } from '../../src/journal/segment.ts';
import type { BenchOptions } from '../main.ts';
import type { Goal, Outcome } from '../report.ts';
import { capacity, guessCalls } from './capacity.ts';
import type { Cores } from './contender.ts';
import { pinnedCores } from './cores.ts';
import { checkSegment, type JournalCounts } from './journal-check.ts';
import { openFiles, residentBytes } from './process-use.ts';
import { RecordingRig, recording } from './recording.ts';

export interface SoakOptions extends BenchOptions {
  minutes: number;
  /** Of the capacity that is found first. */
  load: number;
}

const WARM_UP_MS = 1_000;
const SAMPLE_EVERY_MS = 1_000;
/** The least that is resident in this time is what collections of garbage leave. */
const FLOOR_OF_MS = 60_000;
const CHECK_EVERY_SEGMENT = 10;
/** Memory is looked at from then on: pools are filled, and V8 has compiled most of what runs but once in a second. */
const SETTLED_SHARE = 0.2;
const HOUR_MS = 3_600_000;

interface Resident {
  atMs: number;
  bytes: number;
}

interface Sample extends Resident {
  files: number;
}

/**
 * Bytes per hour: the median of the slopes between any two samples (Theil and Sen). What goes on growing, evenly or in steps, is in most of
 * them; what V8 has once compiled a little late is in few. Null: there is no telling from fewer than two samples.
 */
export function slopePerHour(samples: Resident[]): number | null {
  const slopes = samples.flatMap((a, n) => samples.slice(n + 1).map((b) => (b.bytes - a.bytes) / (b.atMs - a.atMs)));
  const middle = slopes.toSorted((a, b) => a - b)[Math.floor(slopes.length / 2)];
  return middle === undefined ? null : middle * HOUR_MS;
}

/** The same by least squares, which a single step near an end moves most. */
function leastSquaresPerHour(samples: Resident[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [atMs, bytes] = [mean(samples.map((sample) => sample.atMs)), mean(samples.map((sample) => sample.bytes))];
  const covariance = samples.reduce((sum, sample) => sum + (sample.atMs - atMs) * (sample.bytes - bytes), 0);
  const variance = samples.reduce((sum, sample) => sum + (sample.atMs - atMs) ** 2, 0);
  return (covariance / variance) * HOUR_MS;
}

function growth(settled: Sample[]): Pick<Goal, 'seen' | 'remark'> {
  const floor = floorOf(settled);
  const slope = slopePerHour(floor);
  if (slope === null) return { seen: null, remark: 'too short: it takes three minutes to tell' };
  const leastSquares = (leastSquaresPerHour(floor) / 1e6).toFixed(2);
  return {
    seen: slope / 1e6,
    remark: `of the lowest of each minute; by least squares ${leastSquares}; ${range(settled)}`,
  };
}

/** The lowest sample of each minute: growth, without the saw-tooth of garbage that waits for its collection. */
export function floorOf<T extends Resident>(samples: T[]): T[] {
  const lowest = new Map<number, T>();
  for (const sample of samples) {
    const minute = Math.floor(sample.atMs / FLOOR_OF_MS);
    if (sample.bytes < (lowest.get(minute)?.bytes ?? Infinity)) lowest.set(minute, sample);
  }
  return [...lowest.values()];
}

function range(samples: Sample[]): string {
  const sizes = samples.map(({ bytes }) => bytes / 1e6);
  return `between ${Math.min(...sizes).toFixed(1)} and ${Math.max(...sizes).toFixed(1)} MB`;
}

class Watch {
  readonly samples: Sample[] = [];
  readonly counts: JournalCounts = { packets: 0, faulty: 0 };
  readonly #rig: RecordingRig;
  readonly #streams: number;
  #segments = 0;

  constructor(rig: RecordingRig, streams: number) {
    this.#rig = rig;
    this.#streams = streams;
  }

  async until(end: Promise<unknown>, progress: (text: string) => void): Promise<void> {
    let isOver = false;
    const over = end.catch(() => {}).then(() => (isOver = true));
    const began = performance.now();
    while (!isOver) {
      await Promise.race([over, delay(SAMPLE_EVERY_MS)]);
      const { pid } = this.#rig.recorder;
      const sample = { atMs: performance.now() - began, bytes: residentBytes(pid), files: openFiles(pid) };
      this.samples.push(sample);
      await this.#takeSegments();
      const minutes = (sample.atMs / 60_000).toFixed(1);
      progress(`  ${minutes} min: ${(sample.bytes / 1e6).toFixed(1)} MB resident, ${sample.files} files open`);
    }
  }

  async #takeSegments(): Promise<void> {
    // Looked up in the folder: the recorder does what recorders do, and answers no questions. What is sealed is complete.
    for (const file of leftOverSegments(this.#rig.journalDir)) {
      if (parseSegmentName(file)?.state !== 'sealed') continue;
      if (this.#segments++ % CHECK_EVERY_SEGMENT === 0) await this.#check(file);
      rmSync(file);
    }
  }

  async #check(segment: string): Promise<void> {
    const anyFirst = new Int32Array(this.#streams).fill(-1);
    await checkSegment(segment, anyFirst, this.counts);
  }
}

async function callsFor({ load, durationS, progress }: SoakOptions, cores: Cores): Promise<number> {
  const plan = { cores, warmUpMs: WARM_UP_MS, measureMs: durationS * 1_000 };
  const { cpuUsPerPacket } = await recording({ ...plan, calls: 250, isSrtp: true });
  const { calls } = await capacity({ ...plan, guess: guessCalls(cpuUsPerPacket), progress });
  return Math.max(Math.floor(calls * load), 1);
}

export async function soak(options: SoakOptions): Promise<Outcome> {
  const cores = pinnedCores();
  const calls = await callsFor(options, cores);
  options.progress(`${calls} dual-channel SRTP calls for ${options.minutes} minutes …`);
  const measureMs = options.minutes * 60_000;
  const rig = await RecordingRig.start({ cores, isSrtp: true, warmUpMs: WARM_UP_MS, measureMs }, calls);
  try {
    await rig.open(calls);
    const watch = new Watch(rig, 2 * calls);
    const running = rig.load(WARM_UP_MS, measureMs);
    await watch.until(running, options.progress);
    const { sent, maxLateUs } = await running;
    const missing = await rig.missing();
    const settledMs = measureMs * SETTLED_SHARE;
    const settled = watch.samples.filter(({ atMs }) => atMs >= settledMs && atMs <= measureMs);
    const [first, last] = [settled[0]?.files ?? 0, settled.at(-1)?.files ?? 0];
    const checked = `${watch.counts.packets.toLocaleString('en')} of ${sent.toLocaleString('en')} packets read again, ${watch.counts.faulty} not as sent; load late by at most ${Math.round(maxLateUs / 1000)} ms`;
    const goals: Goal[] = [
      {
        name: `soak: ${calls} calls, ${options.minutes} min: dropped`,
        unit: 'packets',
        better: 'less',
        goal: 0,
        stretch: 0,
        seen: missing + watch.counts.faulty,
        remark: checked,
      },
      {
        name: 'soak: resident memory after warm-up',
        unit: 'MB/hour',
        better: 'less',
        goal: 1,
        stretch: 0.5,
        ...growth(settled),
      },
      {
        name: 'soak: file handles more at the end',
        unit: 'files',
        better: 'less',
        goal: 0,
        stretch: 0,
        seen: last - first,
      },
    ];
    return { goals };
  } finally {
    await rig.close();
  }
}
