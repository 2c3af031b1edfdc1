/**
 * The lane's one long-lived task: receives, lets the core process, hands blocks to the journal, sends reports. The lane's state
 * is its memory; this function can die and be started again.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import { JournalWriter } from '../journal/writer.ts';
import { MediaCore, mediaModule } from './core.ts';
import {
  fromWire,
  type LaneCommand,
  type LaneMessage,
  type LaneRequest,
  type LaneTask,
  type SinkSetup,
  type StreamSetup,
  sinkFromWire,
} from './lane-protocol.ts';
import { MAX_STREAMS } from './memory.ts';
import { Schedule } from './schedule.ts';
import { MAX_SINKS } from './sink-memory.ts';
import { type LaneSockets, openSockets } from './sockets.ts';
import type { SrtpKeys } from './srtp-suites.ts';

/** What a kill -9 may cost stands here, beside what the sockets hold. */
const FLUSH_MS = 20;
/** Interval of receiver reports (RFC 3550 section 6.2); streams take turns, so that they do not all leave at once. */
const REPORT_MS = 5_000;
const REPORT_TURNS = 50;
/** Nobody waits for what is only recorded: larger batches cost less. */
const RECORDING_PACE_MS = 2;
/** What is forwarded is not to wait longer. */
const FORWARDING_PACE_MS = 0.5;
/** Sinks that look back get a packet of 20 ms each time. */
const REPLAY_MS = 5;
/** While the journal's I/O is under way, its completions are not to wait longer. */
const JOURNAL_TURN_MS = 1;
const LOAD_MS = 1_000;
/** Of the newest second in the load: a burst of set-ups is no overload. */
const LOAD_WEIGHT = 0.2;
/** How long a stream that is closed takes what is under way still. */
const LAST_PACKETS_MS = 100;
/** Notes share one sync of the journal. */
const NOTE_SYNC_MS = 200;
/** While the writer holds more than this, blocks stay in the staging region, which drops and counts when it is full. */
const WRITER_HIGH_WATER_BYTES = 48 * 1024 * 1024;
/** Epochs and SRTCP indices of a lane that was started again begin here: none is used twice. */
const EPOCHS_PER_LIFE = 0x10000;
const RTCP_INDICES_PER_LIFE = 0x100_0000;
/** After new keys were agreed on, packets under the old ones may still be under way. */
const KEY_OVERLAP_MS = 3_000;
/** Players give a frame as often as this. */
const FRAME_MS = 10;
/** Codecs that the core does not know are not listened to. */
const decodeNothing = () => new Int16Array();
const CNAME = Buffer.from('doubletrack');

// Before there is a lane to run: a thread that waits for one must be ready at once.
mediaModule();

const nowUs = () => process.hrtime.bigint() / 1000n;

export default async function runLane(task: LaneTask): Promise<void> {
  const say = (message: LaneMessage) => task.port.postMessage(message);
  const writer = await JournalWriter.open({
    dir: task.journalDir,
    laneId: task.laneId,
    onSealed: (path) => say({ type: 'journal-sealed', path }),
    onState: ({ full, error }) => say({ type: 'journal-state', full, error: error ?? null }),
  });
  // Readers skip blocks whose number does not rise: a wall clock that was set back must not make it fall.
  let blockSeq = BigInt(Date.now()) << 20n;
  for (const before of task.before) {
    const afterLast = rescue(before, writer);
    if (afterLast > blockSeq) blockSeq = afterLast;
  }
  const lane = new LaneWorker(task, writer, blockSeq);
  let hasEnded = false;
  try {
    say({ type: 'ready' });
    await lane.serve(task.port);
    hasEnded = true;
  } finally {
    lane.stop(!hasEnded);
    await writer.close().finally(() => task.port.close());
  }
}

/** Journals what the life before had received and not flushed. @returns the number of the next block. */
function rescue(before: WebAssembly.Memory, writer: JournalWriter): bigint {
  const core = new MediaCore(before);
  try {
    writer.write(core.flush(nowUs(), BigInt(Date.now()) * 1000n));
  } catch (error) {
    // The records themselves may be what the core trapped on: then they are lost, as the restart tells.
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
  }
  return core.memory.nextBlockSeq;
}

class LaneWorker {
  readonly #core: MediaCore;
  readonly #writer: JournalWriter;
  readonly #sockets: LaneSockets;
  readonly #life: number;
  readonly #streams = new Map<number, StreamSetup>();
  readonly #sinks = new Map<number, SinkSetup>();
  /** Streams whose packets are kept for sinks that are yet to come. */
  readonly #lookBacks = new Set<number>();
  readonly #schedule = new Schedule();
  /** Notes that found no room; they go before anything else once there is some. */
  readonly #waitingNotes: { slot: number; note: Uint8Array }[] = [];
  readonly #fatal = Promise.withResolvers<never>();
  #stopPlayout: (() => void) | null = null;
  #isDead = false;
  #loopLoad = 0;
  #reportTurn = 0;
  #noteSync: Promise<void> | null = null;
  #lastPackets: Promise<void> | null = null;

  constructor(task: LaneTask, writer: JournalWriter, firstBlockSeq: bigint) {
    this.#core = new MediaCore(task.memory);
    this.#core.memory.setLane(task.laneId, firstBlockSeq);
    this.#life = task.life;
    this.#writer = writer;
    this.#sockets = openSockets(
      {
        memory: this.#core.memory,
        sinks: this.#core.sinks,
        shared: task.memory,
        wasm: this.#core.wasm,
        nowUs,
        process: (packets) => this.#guard(() => this.#process(packets)),
        paceMs: () => (this.#sinks.size > 0 ? FORWARDING_PACE_MS : RECORDING_PACE_MS),
      },
      task.sockets,
      task.before,
    );
    const nowMs = performance.now();
    this.#schedule.add(
      FLUSH_MS,
      nowMs,
      () => this.#flush(),
      () => this.#hasJournalWork,
    );
    this.#schedule.add(REPORT_MS / REPORT_TURNS, nowMs, () => this.#sendReports());
    this.#schedule.add(LOAD_MS, nowMs, () => this.#tellLoad());
    this.#schedule.add(
      REPLAY_MS,
      nowMs,
      () => this.#replay(),
      () => this.#core.sinks.areLookingBack,
    );
    this.#sockets.run(() => this.#turn());
  }

  /** Until `stop` is asked for, or the core traps. */
  async serve(port: MessagePort): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      port.on('message', (request: LaneRequest) => {
        void this.#answer(port, request).then(() => request.do === 'stop' && resolve());
      });
    });
    await Promise.race([stopped, this.#fatal.promise, once(port, 'close')]);
  }

  /** `keep`: for the next life. */
  stop(keep: boolean): void {
    this.#isDead = true;
    this.#sockets.end(keep);
  }

  get #hasJournalWork(): boolean {
    return this.#core.memory.stagedBytes > 0 || this.#waitingNotes.length > 0 || this.#writer.stats().queuedBytes > 0;
  }

  /** What is due. @returns the ms until there is more. */
  #turn(): number {
    let dueMs = 0;
    this.#guard(() => {
      dueMs = this.#schedule.runDue(performance.now());
    });
    return this.#writer.isWorking ? Math.min(dueMs, JOURNAL_TURN_MS) : dueMs;
  }

  /** A dead lane gives no answer: whoever asked hears of the death, and asks the next life. */
  async #answer(port: MessagePort, command: LaneRequest): Promise<void> {
    if (this.#isDead) return;
    const { request } = command;
    try {
      await this.#carryOut(command);
      if (!this.#isDead) port.postMessage({ type: 'done', request } satisfies LaneMessage);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) this.#die(error);
      if (this.#isDead) return;
      const { code = 'FAILED', message } = error as NodeJS.ErrnoException;
      port.postMessage({ type: 'failed', request, code, message } satisfies LaneMessage);
    }
  }

  async #carryOut(command: LaneCommand): Promise<void> {
    const { memory } = this.#core;
    if (command.do === 'open-recording') {
      memory.openRecording(command.slot, command.id, command.isRecorded);
      memory.setPaused(command.slot, command.paused);
    } else if (command.do === 'open-stream') await this.#openStream(command.slot, fromWire(command.setup));
    else if (command.do === 'update-stream') {
      this.#updateStream(command.slot, fromWire(command.setup));
    } else if (command.do === 'close-stream') await this.#closeStream(command.slot);
    else if (/-(player|mixer)$/.test(command.do)) this.#listen(command);
    else if (command.do === 'open-sink') this.#openSink(command.slot, sinkFromWire(command.setup));
    else if (command.do === 'pause-sink') this.#pauseSink(command.slot, command.paused);
    else if (command.do === 'close-sink') this.#closeSink(command.slot);
    else if (command.do === 'pause') memory.setPaused(command.slot, command.paused);
    else if (command.do === 'note') await this.#note(command.slot, command.note);
    else if (command.do === 'close-recording') await this.#flushed();
    else if (command.do === 'seal') {
      await this.#flushed();
      await this.#writer.seal();
    } else if (command.do === 'stop') {
      await Promise.all([...this.#streams.keys()].map((slot) => this.#closeStream(slot)));
      await this.#flushed();
    }
  }

  /** Players and mixers; they are played while there is one. */
  #listen(command: LaneCommand): void {
    const { players, wasm } = this.#core;
    if (command.do === 'open-player') players.open(wasm, command.slot, command.setup);
    else if (command.do === 'update-player') players.setCodecs(command.slot, command.setup.codecs);
    else if (command.do === 'close-player') wasm.playerClose(command.slot);
    else if (command.do === 'open-mixer') {
      players.openMixer(wasm, command.slot, command.setup.sampleRate, command.setup.players);
    } else if (command.do === 'close-mixer') wasm.mixerClose(command.slot);
    if (players.openPlayers === 0) {
      this.#stopPlayout?.();
      this.#stopPlayout = null;
    } else {
      const play = () => players.play(wasm, nowUs(), decodeNothing);
      this.#stopPlayout ??= this.#schedule.add(FRAME_MS, performance.now(), play);
    }
  }

  #process(packets: number): void {
    const { wasm } = this.#core;
    wasm.process(packets);
    if (this.#sinks.size === 0 && this.#lookBacks.size === 0) return;
    for (let sends = wasm.replicate(packets, 1); sends > 0; sends = wasm.replicate(packets, 0))
      this.#sockets.send(sends);
  }

  #replay(): void {
    const { wasm } = this.#core;
    const now = nowUs();
    for (let sends = wasm.replay(now, 1); sends > 0; sends = wasm.replay(now, 0)) this.#sockets.send(sends);
  }

  #openSink(slot: number, setup: SinkSetup): void {
    const { sinks, srtp, wasm } = this.#core;
    if (setup.srtp) srtp.openSink(slot, setup.srtp);
    sinks.write(slot, { ...setup, isSrtp: setup.srtp !== null });
    this.#sockets.openSink(slot, setup.via, setup.remote.address, setup.remote.rtpPort);
    wasm.openSink(slot);
    if (!setup.paused) wasm.beginLookBack(slot, BigInt(Math.round(setup.lookBackSeconds * 1e6)), nowUs());
    this.#sinks.set(slot, setup);
  }

  /** What it has not got of a look-back by then belongs to the pause. */
  #pauseSink(slot: number, paused: boolean): void {
    this.#core.sinks.setPaused(slot, paused);
    if (paused) this.#core.wasm.endLookBack(slot);
  }

  #closeSink(slot: number): void {
    this.#core.wasm.closeSink(slot);
    this.#sockets.closeSink(slot);
    this.#core.srtp.closeSink(slot);
    this.#sinks.delete(slot);
  }

  #tellLoad(): void {
    const { loopLoad, tickP99Ms } = this.#sockets.load();
    this.#loopLoad += (loopLoad - this.#loopLoad) * LOAD_WEIGHT;
    this.#core.memory.tellLoad({ loopLoad: this.#loopLoad, tickP99Ms });
  }

  async #openStream(slot: number, setup: StreamSetup): Promise<void> {
    const { memory, srtp } = this.#core;
    if (setup.srtp) srtp.open(slot, setup.srtp, this.#life * RTCP_INDICES_PER_LIFE);
    memory.openStream(slot, {
      ...setup,
      firstEpoch: this.#life * EPOCHS_PER_LIFE,
      isSrtp: setup.srtp !== null,
    });
    try {
      await this.#sockets.open(slot, setup.address, setup.rtpPort, setup.rtcpPort);
    } catch (error) {
      memory.closeStream(slot);
      srtp.close(slot);
      throw error;
    }
    this.#streams.set(slot, setup);
    if (setup.lookBackSeconds) this.#lookBacks.add(slot);
  }

  #updateStream(slot: number, setup: StreamSetup): void {
    const { memory, srtp } = this.#core;
    const before = this.#streams.get(slot)?.srtp ?? null;
    if (!setup.srtp) srtp.close(slot);
    else if (!before) srtp.open(slot, setup.srtp, this.#life * RTCP_INDICES_PER_LIFE);
    else {
      const receive = !isDeepStrictEqual(bytesOf(before.receive), bytesOf(setup.srtp.receive));
      const send = !isDeepStrictEqual(bytesOf(before.send), bytesOf(setup.srtp.send));
      srtp.update(slot, setup.srtp, { receive, send });
      if (receive) void delay(KEY_OVERLAP_MS, null, { ref: false }).then(() => srtp.forgetPreviousKeys(slot));
    }
    memory.updateStream(slot, { ...setup, isSrtp: setup.srtp !== null });
    this.#streams.set(slot, setup);
  }

  /** What came before it is received still, and what the kernel dropped before it is declared. */
  async #closeStream(slot: number): Promise<void> {
    await this.#waitForLastPackets();
    await this.#sockets.drain(slot);
    this.#sockets.close(slot);
    while (this.#core.wasm.declareStreamDrops(slot, nowUs()) === 0) await this.#flushed();
    this.#core.wasm.forgetLookBack(slot);
    this.#core.memory.closeStream(slot);
    this.#core.srtp.close(slot);
    this.#streams.delete(slot);
    this.#lookBacks.delete(slot);
  }

  /** A BYE can overtake media. Streams that close together wait together. */
  #waitForLastPackets(): Promise<void> {
    this.#lastPackets ??= delay(LAST_PACKETS_MS).then(() => {
      this.#lastPackets = null;
    });
    return this.#lastPackets;
  }

  async #note(slot: number, note: Uint8Array): Promise<void> {
    if (this.#waitingNotes.length > 0 || !this.#core.note(slot, note, nowUs())) this.#waitingNotes.push({ slot, note });
    this.#noteSync ??= delay(NOTE_SYNC_MS).then(() => {
      this.#noteSync = null;
      return this.#flushed();
    });
    await this.#noteSync;
  }

  /** False while the writer has so much to do that nothing may be added. */
  #flush(): boolean {
    const { queuedBytes, writtenBytes, lagMs } = this.#writer.stats();
    this.#core.memory.tellJournal({ queuedBytes, writtenBytes, lagMs });
    if (queuedBytes > WRITER_HIGH_WATER_BYTES) return false;
    const blocks = this.#core.flush(nowUs(), BigInt(Date.now()) * 1000n);
    if (blocks.length > 0 && !this.#writer.write(blocks))
      throw new Error('the journal refused blocks below its high water mark');
    while (this.#waitingNotes.length > 0) {
      const { slot, note } = this.#waitingNotes[0]!;
      if (!this.#core.note(slot, note, nowUs())) break;
      this.#waitingNotes.shift();
    }
    return true;
  }

  /** Everything that was received or noted so far is on the disk. */
  async #flushed(): Promise<void> {
    let isAll = false;
    while (!isAll) {
      const hadWaiting = this.#waitingNotes.length > 0;
      isAll = this.#flush() && !hadWaiting;
      await this.#writer.flushed();
      if (this.#isDead) throw new Error('the lane has ended');
    }
  }

  #sendReports(): void {
    const now = nowUs();
    for (let slot = this.#reportTurn; slot < MAX_STREAMS; slot += REPORT_TURNS) {
      const reportTo = this.#streams.get(slot)?.reportTo;
      if (!reportTo) continue;
      const report = this.#core.receiverReport(slot, now, CNAME);
      if (report) this.#sockets.sendRtcp(slot, report, reportTo.address, reportTo.port);
    }
    this.#sendSenderReports(now);
    this.#reportTurn = (this.#reportTurn + 1) % REPORT_TURNS;
  }

  #sendSenderReports(now: bigint): void {
    for (let slot = this.#reportTurn; slot < MAX_SINKS && this.#sinks.size > 0; slot += REPORT_TURNS) {
      const sink = this.#sinks.get(slot);
      if (sink?.remote.rtcpPort === undefined) continue;
      const report = this.#core.senderReport(slot, now, Date.now(), CNAME);
      if (report) this.#sockets.sendRtcp(sink.via, report, sink.remote.address, sink.remote.rtcpPort);
    }
  }

  /** A trap leaves half-changed memory behind: the lane ends, and is started again over a fresh one. */
  #guard(work: () => void): void {
    if (this.#isDead) return;
    try {
      work();
    } catch (error) {
      this.#die(error);
    }
  }

  #die(error: unknown): void {
    this.#isDead = true;
    this.#fatal.reject(error);
  }
}

/** For comparison only. */
function bytesOf({ suite, keys, unencryptedSrtcp = false }: SrtpKeys) {
  return [suite, unencryptedSrtcp, keys.map(({ keyAndSalt, mki }) => [keyAndSalt.reveal(), mki])];
}
