/** What a lane does at intervals, by its loop's own clock. No timers: whoever has a clock asks what is due. */

interface Task {
  everyMs: number;
  dueMs: number;
  run: () => void;
}

export class Schedule {
  #tasks: Task[] = [];

  /** First due an interval after `nowMs`. What was missed is not made up for. @returns what ends it. */
  add(everyMs: number, nowMs: number, run: () => void): () => void {
    const task = { everyMs, dueMs: nowMs + everyMs, run };
    this.#tasks = [...this.#tasks, task];
    return () => {
      this.#tasks = this.#tasks.filter((one) => one !== task);
    };
  }

  /** Runs what is due. @returns ms until something is. */
  runDue(nowMs: number): number {
    let nextMs = Infinity;
    for (const task of this.#tasks) {
      if (task.dueMs <= nowMs) {
        task.dueMs = Math.max(task.dueMs + task.everyMs, nowMs + task.everyMs / 2);
        task.run();
      }
      nextMs = Math.min(nextMs, task.dueMs);
    }
    return nextMs - nowMs;
  }
}
