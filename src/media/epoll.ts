/** epoll(7), edge-triggered. Its descriptor stands in lane memory beside those of the sockets. */
import { type IoMemory, MAX_EVENTS } from './io-memory.ts';
import { check, type Libc } from './libc.ts';

const CLOEXEC = 0x80000;
const ADD = 1;
const DELETE = 2;
const EPOLLIN_EDGE = 0x8000_0001;

export class Epoll {
  readonly #libc: Libc;
  readonly #io: IoMemory;
  readonly #fd: number;

  /** `entry`: of the socket table, where its descriptor is to stand. */
  constructor(libc: Libc, io: IoMemory, entry: number) {
    this.#libc = libc;
    this.#io = io;
    this.#fd = check(libc, libc.epollCreate(CLOEXEC), 'epoll_create1');
    io.setSocket(entry, this.#fd, 0);
  }

  /** `data` comes with its events; the first at once if there is something to read. */
  watch(fd: number, data: number): void {
    const event = this.#io.event(EPOLLIN_EDGE, data);
    check(this.#libc, this.#libc.epollControl(this.#fd, ADD, fd, event), 'epoll_ctl');
  }

  unwatch(fd: number): void {
    check(this.#libc, this.#libc.epollControl(this.#fd, DELETE, fd, 0), 'epoll_ctl');
  }

  /** @returns how many events there are, `most` at most; their data is valid until the next wait of any. */
  wait(timeoutMs: number, most = MAX_EVENTS): number {
    return this.#libc.epollWait(this.#fd, this.#io.events, most, timeoutMs);
  }
}
