/**
 * How long the machine keeps a thread waiting that could run: what it does to one that only sleeps and wakes, it does to whoever forwards
 * a packet.
 */
import { once } from 'node:events';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const SLEEP_MS = 1;
const LONGEST_US = 0;
const IS_OVER = 1;

export class Stalls {
  readonly #cells = new Int32Array(new SharedArrayBuffer(8));
  readonly #thread = new Worker(new URL(import.meta.url), { workerData: this.#cells });

  constructor() {
    this.#thread.unref();
  }

  /** Since it was made. To be called once: it ends with that. */
  async longestMs(): Promise<number> {
    const exited = once(this.#thread, 'exit');
    Atomics.store(this.#cells, IS_OVER, 1);
    Atomics.notify(this.#cells, IS_OVER);
    await exited;
    return this.#cells[LONGEST_US]! / 1000;
  }
}

function watch(cells: Int32Array): void {
  for (let atMs = performance.now(); Atomics.wait(cells, IS_OVER, 0, SLEEP_MS) === 'timed-out'; ) {
    const nowMs = performance.now();
    const lateUs = Math.round((nowMs - atMs - SLEEP_MS) * 1000);
    cells[LONGEST_US] = Math.max(cells[LONGEST_US]!, lateUs);
    atMs = nowMs;
  }
}

if (!isMainThread) watch(workerData as Int32Array);
