/** One life of a lane: a worker's task over fresh memory, which waits until it is to begin, and the answers that it owes. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import {
  type Beginning,
  type LaneCommand,
  type LaneMessage,
  type LaneTask,
  type RefusedStream,
  type StandbyMessage,
  type StreamSetup,
  toWire,
} from './lane-protocol.ts';
import { createLaneMemory, LaneMemory } from './memory.ts';
import { SinkMemory } from './sink-memory.ts';
import type { Wake } from './wake.ts';

/** A command that was refused; `code` as Node names it (EADDRINUSE), FAILED, LANE_DIED or LANE_CLOSED. */
export class LaneError extends Error {
  override readonly name = 'LaneError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface LifeOptions {
  pool: Piscina;
  wake: Wake;
  task: Omit<LaneTask, 'memory' | 'port' | 'standby'>;
  lookBackBytes: number;
  onSealed: (path: string) => void;
  onJournalState: (full: boolean, error: string | null) => void;
}

interface Waiting {
  resolve: () => void;
  reject: (error: Error) => void;
}

export class LaneLife {
  readonly shared: WebAssembly.Memory;
  readonly memory: LaneMemory;
  readonly sinks: SinkMemory;
  /** When it serves, with everything open again: those streams that could not be. */
  readonly ready: Promise<RefusedStream[]>;
  /** Resolves to why it ended; null: it was asked to. It touches nothing but its journal any more. */
  readonly ended: Promise<Error | null>;
  /** Resolves when it has closed its journal too, or its thread is gone. */
  readonly gone: Promise<void>;
  readonly #options: LifeOptions;
  readonly #port: MessagePort;
  readonly #standby: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready = Promise.withResolvers<RefusedStream[]>();
  readonly #ended = Promise.withResolvers<Error | null>();
  #bornUs = 0;
  #nextRequest = 1;
  /** What those hear who wait for an answer that will not come. */
  #over: LaneError | null = null;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.shared = createLaneMemory(options.lookBackBytes);
    this.memory = new LaneMemory(this.shared);
    this.sinks = new SinkMemory(this.shared);
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    const commands = new MessageChannel();
    const standby = new MessageChannel();
    this.#port = commands.port1.on('message', (message: LaneMessage) => this.#onMessage(message));
    this.#standby = standby.port1;
    const ports = { port: commands.port2, standby: standby.port2 };
    const task: LaneTask = { ...options.task, memory: this.shared, ...ports };
    this.gone = options.pool.run(task, { transferList: Object.values(ports) }).then(
      () => this.#end(null),
      (error: Error) => this.#end(error),
    );
    this.ready.catch(() => {}); // `ended` says the same
  }

  /** When it began, monotonic: what memory says goes back to then. */
  get bornUs(): number {
    return this.#bornUs;
  }

  /** A stream is open as this now, or not any more. Before it begins. */
  tell(stream: number, setup: StreamSetup | null): void {
    this.#standby.postMessage({ stream, setup: setup && toWire(setup) } satisfies StandbyMessage);
  }

  begin(begin: Beginning): void {
    this.#bornUs = Number(process.hrtime.bigint() / 1000n);
    this.#standby.postMessage({ begin } satisfies StandbyMessage);
  }

  /** It is not to begin. Resolves when its thread has nothing more to do. */
  async dismiss(): Promise<void> {
    this.#standby.close();
    await this.gone;
  }

  /** Rejects with the LaneError of what is refused; LANE_DIED when the life ends before its answer. */
  send(command: LaneCommand): Promise<void> {
    const request = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(this.#over);
      this.#waiting.set(request, { resolve, reject });
      this.#port.postMessage({ ...command, request });
      this.#options.wake.wake();
    });
  }

  #onMessage(message: LaneMessage): void {
    if (message.type === 'journal-sealed') return this.#options.onSealed(message.path);
    if (message.type === 'journal-state') return this.#options.onJournalState(message.full, message.error);
    if (message.type === 'ready') return this.#ready.resolve(message.refused);
    if (message.type === 'died') return this.#end(new Error(message.message));
    const waiting = this.#waiting.get(message.request);
    this.#waiting.delete(message.request);
    if (message.type === 'done') waiting?.resolve();
    else waiting?.reject(new LaneError(message.code, message.message));
  }

  #end(error: Error | null): void {
    if (this.#over) return;
    this.#over = new LaneError('LANE_DIED', error ? `the lane died: ${error.message}` : 'the lane has ended');
    this.#standby.close();
    this.#ended.resolve(error);
    this.#ready.reject(this.#over);
    for (const { reject } of this.#waiting.values()) reject(this.#over);
    this.#waiting.clear();
  }
}
