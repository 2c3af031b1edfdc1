/**
 * The lane's one long-lived task: receives, lets the core process, hands blocks to the journal, sends reports. The lane's state
 * is its memory; this function can die and be started again.
 */
import { once } from 'node:events';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { MessagePort } from 'node:worker_threads';
import { JournalWriter } from '../journal/writer.ts';
import { MediaCore } from './core.ts';
import { kernelDropsByPort } from './kernel-drops.ts';
import type { LaneCommand, LaneMessage, LaneRequest, LaneTask, StreamSetup } from './lane-protocol.ts';
import { DgramSockets, type LaneSockets } from './sockets.ts';

/** What a kill -9 may cost stands here, beside what the sockets hold. */
const FLUSH_MS = 20;
const REPORT_MS = 5_000;
const LOOK_AT_KERNEL_MS = 1_000;
/** While the writer holds more than this, blocks stay in the staging region, which drops and counts when it is full. */
const WRITER_HIGH_WATER_BYTES = 48 * 1024 * 1024;
const CNAME = Buffer.from('doubletrack');

const nowUs = () => process.hrtime.bigint() / 1000n;

export default async function runLane(task: LaneTask): Promise<void> {
  const say = (message: LaneMessage) => task.port.postMessage(message);
  const writer = await JournalWriter.open({
    dir: task.journalDir,
    laneId: task.laneId,
    onSealed: (path) => say({ type: 'journal-sealed', path }),
    onState: ({ full, error }) => say({ type: 'journal-state', full, error: error ?? null }),
  });
  const lane = new LaneWorker(task, writer);
  try {
    say({ type: 'ready' });
    await lane.serve(task.port);
  } finally {
    lane.stop();
    await writer.close();
    task.port.close();
  }
}

class LaneWorker {
  readonly #core: MediaCore;
  readonly #writer: JournalWriter;
  readonly #sockets: LaneSockets;
  readonly #streams = new Map<number, StreamSetup>();
  readonly #timers: NodeJS.Timeout[];
  /** Notes that found no room; they go before anything else once there is some. */
  readonly #waitingNotes: { slot: number; json: object }[] = [];
  readonly #kernelDrops = new Map<number, number>();
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #fatal: ((error: unknown) => void) | null = null;

  constructor(task: LaneTask, writer: JournalWriter) {
    this.#core = new MediaCore(task.memory);
    this.#core.memory.setLane(task.laneId, BigInt(Date.now()) << 20n);
    this.#writer = writer;
    this.#sockets = new DgramSockets({
      memory: this.#core.memory,
      nowUs,
      process: (packets) => this.#guard(() => this.#core.wasm.process(packets)),
    });
    this.#timers = [
      setInterval(() => this.#guard(() => this.#flush()), FLUSH_MS),
      setInterval(() => this.#guard(() => this.#sendReports()), REPORT_MS),
      setInterval(() => this.#lookAtKernel(), LOOK_AT_KERNEL_MS),
    ];
  }

  /** Until `stop` is asked for, or the core traps. */
  async serve(port: MessagePort): Promise<void> {
    const trapped = new Promise<never>((_, reject) => {
      this.#fatal = reject;
    });
    const stopped = new Promise<void>((resolve) => {
      port.on('message', (request: LaneRequest) => {
        void this.#answer(port, request).then(() => request.do === 'stop' && resolve());
      });
    });
    await Promise.race([stopped, trapped, once(port, 'close')]);
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#sockets.closeAll();
  }

  async #answer(port: MessagePort, command: LaneRequest): Promise<void> {
    const { request } = command;
    try {
      await this.#carryOut(command);
      port.postMessage({ type: 'done', request } satisfies LaneMessage);
    } catch (error) {
      const { code = 'FAILED', message } = error as NodeJS.ErrnoException;
      port.postMessage({ type: 'failed', request, code, message } satisfies LaneMessage);
    }
  }

  async #carryOut(command: LaneCommand): Promise<void> {
    const { memory } = this.#core;
    if (command.do === 'open-recording') {
      memory.openRecording(command.slot, command.id);
      memory.setPaused(command.slot, command.paused);
    } else if (command.do === 'open-stream') await this.#openStream(command.slot, command.setup);
    else if (command.do === 'update-stream') {
      this.#streams.set(command.slot, command.setup);
      memory.updateStream(command.slot, command.setup);
    } else if (command.do === 'close-stream') this.#closeStream(command.slot);
    else if (command.do === 'pause') memory.setPaused(command.slot, command.paused);
    else if (command.do === 'note') this.#note(command.slot, command.json);
    else if (command.do === 'close-recording' || command.do === 'stop') await this.#flushed();
    else if (command.do === 'seal') {
      await this.#flushed();
      await this.#writer.seal();
    }
  }

  async #openStream(slot: number, setup: StreamSetup): Promise<void> {
    this.#core.memory.openStream(slot, setup);
    await this.#sockets.open(slot, setup.address, setup.rtpPort, setup.rtcpPort);
    this.#streams.set(slot, setup);
  }

  #closeStream(slot: number): void {
    this.#sockets.close(slot);
    this.#core.wasm.declareStreamDrops(slot, nowUs());
    this.#core.memory.closeStream(slot);
    this.#streams.delete(slot);
    this.#kernelDrops.delete(slot);
  }

  #note(slot: number, json: object): void {
    if (this.#waitingNotes.length > 0 || !this.#core.note(slot, json, nowUs())) this.#waitingNotes.push({ slot, json });
  }

  #flush(): void {
    const { queuedBytes, writtenBytes, lagMs } = this.#writer.stats();
    const utilization = performance.eventLoopUtilization(this.#utilization);
    this.#core.memory.workerState = { queuedBytes, writtenBytes, lagMs, loopLoad: utilization.utilization };
    if (queuedBytes > WRITER_HIGH_WATER_BYTES) return;
    const blocks = this.#core.flush(nowUs(), BigInt(Date.now()) * 1000n);
    if (blocks.length > 0 && !this.#writer.write(blocks))
      throw new Error('the journal refused blocks below its high water mark');
    while (this.#waitingNotes.length > 0) {
      const { slot, json } = this.#waitingNotes[0]!;
      if (!this.#core.note(slot, json, nowUs())) break;
      this.#waitingNotes.shift();
    }
  }

  /** Everything that was received or noted so far is on the disk. */
  async #flushed(): Promise<void> {
    do {
      this.#flush();
      await this.#writer.flushed();
    } while (this.#waitingNotes.length > 0);
  }

  #sendReports(): void {
    this.#utilization = performance.eventLoopUtilization();
    const now = nowUs();
    for (const [slot, { reportTo }] of this.#streams) {
      if (!reportTo) continue;
      this.#sockets.sendRtcp(slot, this.#core.receiverReport(slot, now, CNAME), reportTo.address, reportTo.port);
    }
  }

  #lookAtKernel(): void {
    const ports = new Map([...this.#streams].map(([slot, { rtpPort }]) => [rtpPort, slot]));
    if (ports.size === 0) return;
    for (const [port, drops] of kernelDropsByPort(ports)) {
      const slot = ports.get(port)!;
      const before = this.#kernelDrops.get(slot) ?? 0;
      if (drops <= before) continue;
      this.#kernelDrops.set(slot, drops);
      this.#guard(() => this.#core.wasm.declareKernelDrops(slot, drops - before, nowUs()));
    }
  }

  /** A trap leaves half-changed memory behind: the lane ends, and is started again over a fresh one. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fatal?.(error);
    }
  }
}
