// One timer loop for all streams of all calls. Each sender states when its next packet is due on an absolute schedule
// (start + n * ptime), so a late wake-up delays a packet and never the schedule: there is no drift.

/** Something that sends packets at stated times. */
export interface PacedSender {
  /** When `fire` is due, on the clock of `performance.now()`. */
  dueMs: number;
  /** Sends what is due and moves `dueMs` on; false when nothing will follow. Must not add or remove senders itself. */
  fire(nowMs: number): boolean;
}

/** How many packets go out before the event loop gets its turn: after a stall the backlog leaves in small batches. */
const MAX_BATCH = 64;

export interface PacingStats {
  packets: number;
  /** The furthest a packet went out behind its schedule. */
  maxLateMs: number;
  /** Packets by how late they were: up to 1, 2, 5, 10, 20, 50 ms, and more. */
  lateHistogram: number[];
}

const LATE_BOUNDS_MS = [1, 2, 5, 10, 20, 50];

export class Pacer {
  /** Called when the packets of one turn have been fired, before others get theirs. */
  onFired: () => void = () => {};
  readonly stats: PacingStats = { packets: 0, maxLateMs: 0, lateHistogram: LATE_BOUNDS_MS.map(() => 0).concat(0) };
  private readonly heap: PacedSender[] = [];
  private timer: NodeJS.Timeout | null = null;
  private timerDueMs = 0;
  private immediate = false;
  private running = false;

  add(sender: PacedSender): void {
    this.heap.push(sender);
    this.up(this.heap.length - 1);
    if (this.heap[0] === sender) this.arm();
  }

  /** Takes a sender out; it is not fired again. */
  remove(sender: PacedSender): void {
    const at = this.heap.indexOf(sender);
    if (at < 0) return;
    const moved = this.heap.pop()!;
    if (at === this.heap.length) return;
    this.heap[at] = moved;
    this.up(at);
    this.down(at);
  }

  private readonly tick = (): void => {
    this.timer = null;
    this.immediate = false;
    this.running = true;
    let now = performance.now();
    for (let sent = 0; sent < MAX_BATCH; sent++) {
      const sender = this.heap[0];
      if (sender === undefined || sender.dueMs > now) break;
      this.note(now - sender.dueMs);
      if (sender.fire(now)) this.down(0);
      else this.remove(sender);
      if ((sent & 15) === 15) now = performance.now();
    }
    this.onFired();
    this.running = false;
    this.arm();
  };

  private arm(): void {
    const next = this.heap[0];
    if (next === undefined || this.immediate || this.running) return;
    if (this.timer !== null) {
      if (next.dueMs >= this.timerDueMs) return;
      clearTimeout(this.timer);
      this.timer = null;
    }
    const waitMs = next.dueMs - performance.now();
    if (waitMs <= 0) {
      // An immediate lets sockets be served between two batches; the shortest timer would cost a millisecond.
      this.immediate = true;
      setImmediate(this.tick);
      return;
    }
    this.timerDueMs = next.dueMs;
    this.timer = setTimeout(this.tick, Math.ceil(waitMs));
  }

  private note(lateMs: number): void {
    const stats = this.stats;
    stats.packets++;
    if (lateMs > stats.maxLateMs) stats.maxLateMs = lateMs;
    let bucket = 0;
    while (bucket < LATE_BOUNDS_MS.length && lateMs > LATE_BOUNDS_MS[bucket]!) bucket++;
    stats.lateHistogram[bucket]!++;
  }

  private up(at: number): void {
    const heap = this.heap;
    const item = heap[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.dueMs <= item.dueMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  private down(at: number): void {
    const heap = this.heap;
    const item = heap[at]!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child++;
      if (heap[child]!.dueMs >= item.dueMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = item;
  }
}
