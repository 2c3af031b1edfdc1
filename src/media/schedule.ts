/** What a lane does at intervals, by its loop's own clock. No timers: whoever has a clock asks what is due. */

interface Task {
  everyMs: number;
  dueMs: number;
  run: () => void;
  isNeeded: () => boolean;
}

export class Schedule {
  #tasks: Task[] = [];

  /**
   * First due an interval after `nowMs`. What was missed is not made up for, and nobody is woken for what is not needed.
   * @returns what ends it.
   */
  add(everyMs: number, nowMs: number, run: () => void, isNeeded = () => true): () => void {
    const task = { everyMs, dueMs: nowMs + everyMs, run, isNeeded };
    this.#tasks = [...this.#tasks, task];
    return () => {
      this.#tasks = this.#tasks.filter((one) => one !== task);
    };
  }

  /** Runs what is due. @returns ms until something is. */
  runDue(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const task of this.#tasks) {
      if (!task.isNeeded()) continue;
      if (task.dueMs <= nowMs) {
        task.dueMs = Math.max(task.dueMs + task.everyMs, nowMs + task.everyMs / 2);
        task.run();
      }
      nextMs = Math.min(nextMs, task.dueMs);
    }
    return nextMs - nowMs;
  }
}
