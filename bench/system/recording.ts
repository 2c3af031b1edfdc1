/** Ours receiving and recording under load, and what it costs; every packet is looked for in the journal afterwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ADDRESS, type Cores, checkLoad, LOAD, MEDIA_PORTS, NotDone, SOURCE_PORT } from './contender.ts';
import type { RecorderCounts, RecorderSetup, StreamsSetup } from './contenders/recorder.ts';
import { checkJournal } from './journal-check.ts';
import type { LoadSetup } from './load/generator.ts';
import type { RunResult, RunSetup } from './load/handlers.ts';
import { PACKET_US } from './load/packets.ts';
import type { ThreadUse } from './process-use.ts';
import { beside, Remote } from './remote.ts';

export interface RecordingPlan {
  /** Of two streams each. */
  calls: number;
  isSrtp: boolean;
  warmUpMs: number;
  measureMs: number;
  cores: Cores;
  /** Of the recorder's ports; 1. */
  streamsPerPort?: number;
  intervalUs?: number;
  /** What counts is that nothing is lost: the journal is not read again. */
  isUnread?: boolean;
}

export interface Recording {
  cpuUsPerPacket: number;
  /** Of the core. */
  share: number;
  packets: number;
  threads: ThreadUse[];
}

/** As many as a lane takes, beside those that ports are shared through. */
const STREAMS_PER_LANE = 4_000;
/**
 * V8 doubles a young generation when enough has survived in it, which on a thread that does little can take ten minutes or an hour, and looks as
 * if memory were lost. The engine's own threads have theirs at this size from the start, and so has the one that opens the calls.
 */
const STEADY_HEAP = ['--min-semi-space-size=4', '--max-semi-space-size=4'];
/** Sockets' buffers hide for seconds that a core does not keep up. */
const MAX_SHARE = 0.97;

/** A recorder and its load, each on its core. */
export class RecordingRig {
  readonly recorder: Remote;
  readonly #load: Remote;
  readonly #journalDir = mkdtempSync(path.join(tmpdir(), 'doubletrack-bench-'));
  readonly #isSrtp: boolean;
  readonly #ports: number[] = [];
  #sent = 0;

  private constructor({ cores: { tested, load }, isSrtp }: Omit<RecordingPlan, 'calls'>) {
    this.#isSrtp = isSrtp;
    this.recorder = Remote.start(beside(import.meta.url, './contenders/recorder'), tested, { nodeFlags: STEADY_HEAP });
    this.#load = Remote.start(beside(import.meta.url, './load/process'), load);
  }

  static async start(plan: Omit<RecordingPlan, 'calls'>, mostCalls: number): Promise<RecordingRig> {
    const rig = new RecordingRig(plan);
    const mostStreams = 2 * mostCalls;
    const lanes = Math.ceil(mostStreams / STREAMS_PER_LANE);
    const { isSrtp, intervalUs = PACKET_US, streamsPerPort = 1 } = plan;
    const setup: RecorderSetup = {
      ...{ address: ADDRESS, ports: MEDIA_PORTS, journalDir: rig.#journalDir, lanes, streamsPerPort },
    };
    try {
      await rig.recorder.call('start', setup);
      const load: LoadSetup = { ...LOAD, isSrtp, intervalUs, mostStreams };
      await rig.#load.call('openGenerator', load);
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  get journalDir(): string {
    return this.#journalDir;
  }

  /** More calls beside those that there are; the load goes to all of them. */
  async open(calls: number): Promise<void> {
    const setup: StreamsSetup = { calls, isSrtp: this.#isSrtp, address: ADDRESS, sourcePort: SOURCE_PORT };
    const ports = await this.recorder.call<number[]>('open', setup);
    this.#ports.push(...ports);
    await this.#load.call('addStreams', ports);
  }

  /** Sends for so long. */
  async load(warmUpMs: number, measureMs: number): Promise<RunResult> {
    const setup: RunSetup = { warmUpMs, measureMs, pid: this.recorder.pid };
    const result = await this.#load.call<RunResult>('run', setup);
    this.#sent += result.sent;
    return result;
  }

  /** Packets of all loads so far that have not been received for the first time and as they should be. */
  async missing(): Promise<number> {
    const { received, lost } = await this.recorder.call<RecorderCounts>('counts');
    return Math.max(this.#sent - received, lost);
  }

  /** @throws NotDone when a packet is lost, or the core had no time left. @throws LoadTooSlow */
  async run(warmUpMs: number, measureMs: number): Promise<RunResult> {
    const result = await this.load(warmUpMs, measureMs);
    checkLoad(result);
    const missing = await this.missing();
    if (missing > 0) throw new NotDone(`of ${this.#sent} packets ${missing} dropped`);
    if (result.cpuUs > result.wallUs * MAX_SHARE) throw new NotDone('the core has no time left');
    return result;
  }

  /** Ends the recordings. @throws NotDone when not every packet is in the journal as it was sent. */
  async check(): Promise<void> {
    await this.recorder.call('close');
    const { packets, faulty } = await checkJournal(this.#journalDir, this.#ports.length);
    if (packets === this.#sent && faulty === 0) return;
    throw new NotDone(`${packets} of ${this.#sent} packets in the journal, ${faulty} not as they were sent`);
  }

  async close(): Promise<void> {
    await Promise.all([this.recorder.close(), this.#load.close()]);
    rmSync(this.#journalDir, { recursive: true, force: true });
  }
}

/** @throws NotDone @throws LoadTooSlow */
export async function recording(plan: RecordingPlan): Promise<Recording> {
  const rig = await RecordingRig.start(plan, plan.calls);
  try {
    await rig.open(plan.calls);
    const { packets, cpuUs, wallUs, threads } = await rig.run(plan.warmUpMs, plan.measureMs);
    if (!plan.isUnread) await rig.check();
    return { cpuUsPerPacket: cpuUs / packets, share: cpuUs / wallUs, packets, threads };
  } finally {
    await rig.close();
  }
}
