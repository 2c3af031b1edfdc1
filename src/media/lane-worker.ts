/**
 * What runs a lane, on a thread of its own: receives, lets the core process, hands blocks to the journal, sends reports. The lane's state
 * is its memory; this can die and be started again.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import type { JournalState } from '../journal/writer.ts';
import type { MediaCore } from './core.ts';
import { LaneJournal } from './lane-journal.ts';
import {
  type Beginning,
  fromWire,
  type LaneCommand,
  type LaneMessage,
  type LaneRequest,
  type LaneTask,
  type RecordingSetup,
  type RefusedStream,
  type SinkSetup,
  type StreamSetup,
  sinkFromWire,
} from './lane-protocol.ts';
import type { LaneStreams } from './lane-streams.ts';
import { LiveOpus } from './live-opus.ts';
import { CHANNEL_RTCP, type LaneMemory, MAX_STREAMS } from './memory.ts';
import { Schedule } from './schedule.ts';
import { SinkDestinations } from './sink-destinations.ts';
import { MAX_SINKS } from './sink-memory.ts';
import { REPORT_MS, SinkReports } from './sink-reports.ts';
import { type LaneSockets, openSockets } from './sockets.ts';

/** What a kill -9 may cost stands here, beside what the sockets hold. */
const FLUSH_MS = 20;
/** In an interval of reports (RFC 3550 section 6.2) streams take turns, so that they do not all leave at once. */
const REPORT_TURNS = 50;
/** Sinks that look back get a packet of 20 ms each time. */
const REPLAY_MS = 5;
/** While the journal's I/O is under way, its completions are not to wait longer. */
const JOURNAL_TURN_MS = 1;
const LOAD_MS = 1_000;
/** Of the newest second in the load: a burst of set-ups is no overload. */
const LOAD_WEIGHT = 0.2;
/** How long a stream or sink that is closed takes what is under way still. */
const LAST_PACKETS_MS = 100;
/** Players give a frame as often as this. */
const FRAME_MS = 10;
const CNAME = Buffer.from('doubletrack');

const nowUs = () => process.hrtime.bigint() / 1000n;

export class LaneWorker {
  readonly #task: LaneTask;
  readonly #before: WebAssembly.Memory[];
  readonly #core: MediaCore;
  readonly #journal: LaneJournal;
  readonly #sockets: LaneSockets;
  readonly #destinations: SinkDestinations;
  readonly #sinkReports: SinkReports;
  readonly #streams: LaneStreams;
  readonly #sinks = new Map<number, SinkSetup>();
  readonly #schedule = new Schedule();
  readonly #opus = new LiveOpus();
  readonly #fatal = Promise.withResolvers<never>();
  #stopPlayout: (() => void) | null = null;
  #isDead = false;
  #loopLoad = 0;
  #reportTurn = 0;
  #lastPackets: Promise<void> | null = null;
  #changed: Promise<void> = Promise.resolve();

  /** `streams`: open in memory, and not received yet. */
  constructor(task: LaneTask, streams: LaneStreams, before: WebAssembly.Memory[]) {
    this.#task = task;
    this.#before = before;
    this.#core = streams.core;
    this.#streams = streams;
    this.#journal = new LaneJournal(this.#core, nowUs);
    this.#sockets = openSockets(
      {
        memory: this.#core.memory,
        sinks: this.#core.sinks,
        shared: task.memory,
        wasm: this.#core.wasm,
        nowUs,
        process: (packets) => this.#guard(() => this.#process(packets)),
      },
      task.sockets,
      before,
    );
    this.#destinations = new SinkDestinations(this.#core, this.#sockets);
    this.#sinkReports = new SinkReports(this.#core, this.#sockets, (slot) => this.#destinations.of(slot), CNAME);
  }

  /** Everything is open. */
  #begin(): void {
    const nowMs = performance.now();
    this.#schedule.add(
      FLUSH_MS,
      nowMs,
      () => this.#journal.flush(),
      () => this.#journal.hasWork,
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

  /** Opens what there is beside the streams, and receives. @returns the streams that are refused. */
  async open({ recordings, sinks, players, mixers }: Beginning): Promise<RefusedStream[]> {
    const refused: RefusedStream[] = [];
    for (const [slot, setup] of recordings) this.#openRecording(slot, setup);
    for (const [slot, setup] of sinks) this.#openSink(slot, sinkFromWire(setup));
    for (const [slot, setup] of players) {
      const command = { do: 'open-player', slot, setup } as const;
      this.#opus.follow(command).catch((error) => this.#die(error)); // recording does not wait for it
      this.#listen(command);
    }
    for (const [slot, setup] of mixers) this.#listen({ do: 'open-mixer', slot, setup });
    const opening = [...this.#streams.open].map(async ([slot, setup]) => {
      try {
        await this.#receive(slot, setup);
      } catch (error) {
        if (error instanceof WebAssembly.RuntimeError) throw error;
        refused.push({ slot, message: (error as Error).message });
      }
    });
    await Promise.all(opening);
    this.#begin();
    return refused;
  }

  /** Until `stop` is asked for, or the core traps. */
  async serve(): Promise<void> {
    const { port } = this.#task;
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
    this.#journal.stop();
    this.#sockets.end(keep);
  }

  async closeJournal(): Promise<void> {
    await this.#journal.close();
  }

  /** What is due. @returns the ms until there is more. */
  #turn(): number {
    let dueMs = 0;
    this.#guard(() => {
      dueMs = this.#schedule.runDue(performance.now());
    });
    return this.#journal.isWorking ? Math.min(dueMs, JOURNAL_TURN_MS) : dueMs;
  }

  /** A dead lane gives no answer: whoever asked hears of the death, and asks the next life. */
  async #answer(port: MessagePort, command: LaneRequest): Promise<void> {
    if (this.#isDead) return;
    const { request } = command;
    try {
      await this.#carryOut(command);
      if (!this.#isDead) port.postMessage({ type: 'done', request } satisfies LaneMessage);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError || command.do === 'open-journal') this.#die(error);
      if (this.#isDead) return;
      const { code = 'FAILED', message } = error as NodeJS.ErrnoException;
      port.postMessage({ type: 'failed', request, code, message } satisfies LaneMessage);
    }
  }

  async #carryOut(command: LaneCommand): Promise<void> {
    if (command.do === 'open-recording') this.#openRecording(command.slot, command.setup);
    else if (command.do === 'open-stream') await this.#openStream(command.slot, fromWire(command.setup));
    else if (command.do === 'update-stream') {
      const { slot, setup } = command;
      // What waits for keys is not received before they are there.
      const drained = this.#streams.open.get(slot)?.srtp?.awaitsKeys ? [] : [slot];
      await this.#change(drained, () => this.#updateStream(slot, fromWire(setup)));
    } else if (command.do === 'close-stream') await this.#closeStream(command.slot);
    else if (/-(player|mixer)$/.test(command.do)) {
      await this.#opus.follow(command);
      this.#listen(command);
    } else if (command.do === 'open-sink') this.#openSink(command.slot, sinkFromWire(command.setup));
    else if (command.do === 'pause-sink') {
      await this.#changeSink(command.slot, () => this.#pauseSink(command.slot, command.paused));
    } else if (command.do === 'close-sink') {
      await this.#waitForLastPackets();
      await this.#changeSink(command.slot, () => this.#closeSink(command.slot));
    } else if (command.do === 'pause') {
      await this.#changeAll(command.slot, (memory) => memory.setPaused(command.slot, command.paused));
    } else if (command.do === 'pause-look-back') {
      await this.#changeAll(command.slot, (memory) => memory.setLookBackPaused(command.slot, command.paused));
    } else if (command.do === 'note') await this.#journal.note(command.slots, command.note);
    else if (command.do === 'close-recording') await this.#journal.flushed();
    else if (command.do === 'seal') await this.#journal.seal();
    else if (command.do === 'open-journal') await this.#openJournal();
    else if (command.do === 'stop') {
      for (const slot of [...this.#sinks.keys()]) this.#closeSink(slot);
      await Promise.all([...this.#streams.open.keys()].map((slot) => this.#closeStream(slot)));
      await this.#journal.flushed();
    }
  }

  async #changeAll(recording: number, change: (memory: LaneMemory) => void): Promise<void> {
    const streams = [...this.#streams.open].filter(([, setup]) => setup.recording === recording).map(([slot]) => slot);
    await this.#change(streams, () => change(this.#core.memory));
  }

  /** What has come to the streams before is received as they were before; sockets hold it still. Changes are made in the order of commands. */
  #change(streams: number[], change: () => void): Promise<void> {
    const changed = this.#changed.then(async () => {
      for (const slot of streams) await this.#sockets.drain(slot);
      change();
    });
    this.#changed = changed.catch(() => {});
    return changed;
  }

  /** What its stream has in its sockets by now is the sink's as it is. */
  async #changeSink(sink: number, change: () => void): Promise<void> {
    const stream = this.#sinks.get(sink)?.stream ?? null;
    await this.#change(stream === null ? [] : [stream], change);
  }

  async #openJournal(): Promise<void> {
    const { port, journalDir: dir, laneId } = this.#task;
    const say = (message: LaneMessage) => port.postMessage(message);
    const onSealed = (path: string) => say({ type: 'journal-sealed', path });
    const onState = ({ full, error }: JournalState) => say({ type: 'journal-state', full, error: error ?? null });
    await this.#journal.open({ dir, laneId, onSealed, onState }, this.#before);
  }

  #openRecording(slot: number, { id, paused, isRecorded, isLookBackPaused }: RecordingSetup): void {
    this.#core.memory.openRecording(slot, id, isRecorded);
    this.#core.memory.setPaused(slot, paused);
    this.#core.memory.setLookBackPaused(slot, isLookBackPaused);
  }

  /** Players and mixers; they are played while there is one. */
  #listen(command: LaneCommand): void {
    const { players, mixers, wasm } = this.#core;
    if (command.do === 'open-player') {
      players.open(wasm, command.slot, command.setup);
      this.#sockets.awaitPackets(command.setup.stream, 1);
    } else if (command.do === 'update-player') players.setCodecs(command.slot, command.setup.codecs);
    else if (command.do === 'close-player') {
      this.#sockets.awaitPackets(players.streamOf(command.slot), -1);
      wasm.playerClose(command.slot);
    } else if (command.do === 'open-mixer') {
      mixers.open(wasm, command.slot, command.setup);
    } else if (command.do === 'update-mixer') mixers.change(wasm, command.slot, command.setup.players);
    else if (command.do === 'close-mixer') wasm.mixerClose(command.slot);
    if (!players.isClockRunning) {
      this.#stopPlayout?.();
      this.#stopPlayout = null;
    } else {
      this.#stopPlayout ??= this.#schedule.add(FRAME_MS, performance.now(), () => this.#play());
    }
  }

  /** Frames that are due, and the packets of mixtures that they complete. */
  #play(): void {
    const { players, wasm } = this.#core;
    players.play(wasm, nowUs(), this.#opus);
    for (let sends = wasm.sendMixers(); sends > 0; sends = wasm.sendMixers()) this.#sockets.send(sends);
  }

  #process(packets: number): void {
    const { wasm } = this.#core;
    wasm.process(packets);
    if (this.#sinks.size === 0 && !this.#streams.keepLookBacks) return;
    this.#destinations.follow();
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
    if (setup.srtp) srtp.openSink(slot, setup.srtp, setup.receiveSrtp);
    sinks.write(slot, { ...setup, isSrtp: setup.srtp !== null, hasReportKeys: setup.receiveSrtp !== null });
    wasm.openSink(slot);
    this.#destinations.open(slot, setup.via, setup.remote);
    if (setup.stream !== null && !setup.paused)
      wasm.beginLookBack(slot, BigInt(Math.round(setup.lookBackSeconds * 1e6)), nowUs());
    this.#sinks.set(slot, setup);
    if (setup.stream !== null) this.#sockets.awaitPackets(setup.stream, 1);
    this.#sinkReports.open(slot, nowUs());
  }

  /** What it has not got of a look-back by then belongs to the pause. */
  #pauseSink(slot: number, paused: boolean): void {
    this.#core.sinks.setPaused(slot, paused);
    if (paused) this.#core.wasm.endLookBack(slot);
  }

  #closeSink(slot: number): void {
    const setup = this.#sinks.get(slot);
    if (setup) {
      this.#sinkReports.sayBye(slot, setup, nowUs());
      if (setup.stream !== null) this.#sockets.awaitPackets(setup.stream, -1);
    }
    this.#core.wasm.closeSink(slot);
    this.#destinations.close(slot);
    this.#core.srtp.closeSink(slot);
    this.#sinks.delete(slot);
  }

  #tellLoad(): void {
    const { loopLoad, tickP99Ms } = this.#sockets.load();
    this.#loopLoad += (loopLoad - this.#loopLoad) * LOAD_WEIGHT;
    this.#core.memory.tellLoad({ loopLoad: this.#loopLoad, tickP99Ms });
  }

  async #openStream(slot: number, setup: StreamSetup): Promise<void> {
    this.#streams.add(slot, setup);
    await this.#receive(slot, setup);
  }

  async #receive(slot: number, setup: StreamSetup): Promise<void> {
    try {
      if (setup.host === null) await this.#sockets.open(slot, setup);
    } catch (error) {
      this.#streams.remove(slot);
      throw error;
    }
    this.#leaveUnread(slot, setup);
  }

  #updateStream(slot: number, setup: StreamSetup): void {
    this.#streams.update(slot, setup);
    this.#destinations.followAll();
    this.#leaveUnread(slot, setup);
  }

  /** Until its keys are known. A port of several streams is read for the others. */
  #leaveUnread(slot: number, { srtp, host, isSharedPort = false }: StreamSetup): void {
    if (host === null && !isSharedPort) this.#sockets.leaveUnread(slot, srtp?.awaitsKeys ?? false);
  }

  /** What came before it is received still, and what the kernel dropped before it is declared. */
  async #closeStream(slot: number): Promise<void> {
    await this.#waitForLastPackets();
    if (this.#isDead) throw new Error('the lane has ended'); // its sockets are the next life's
    await this.#sockets.drain(slot);
    this.#sockets.close(slot);
    this.#core.wasm.unlinkSource(slot);
    while (this.#core.wasm.declareStreamDrops(slot, nowUs()) === 0) await this.#journal.flushed();
    this.#streams.remove(slot);
  }

  /** A BYE can overtake media. Streams that close together wait together. */
  #waitForLastPackets(): Promise<void> {
    this.#lastPackets ??= delay(LAST_PACKETS_MS).then(() => {
      this.#lastPackets = null;
    });
    return this.#lastPackets;
  }

  #sendReports(): void {
    const now = nowUs();
    for (let slot = this.#reportTurn; slot < MAX_STREAMS; slot += REPORT_TURNS) {
      const reportTo = this.#streams.open.get(slot)?.reportTo;
      if (!reportTo) continue;
      const report = this.#core.receiverReport(slot, now, CNAME);
      if (report) this.#sockets.sendFrom(slot, CHANNEL_RTCP, report, reportTo.address, reportTo.port);
    }
    for (let slot = this.#reportTurn; slot < MAX_SINKS && this.#sinks.size > 0; slot += REPORT_TURNS) {
      const sink = this.#sinks.get(slot);
      if (sink) this.#sinkReports.send(slot, sink, now);
    }
    this.#reportTurn = (this.#reportTurn + 1) % REPORT_TURNS;
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
