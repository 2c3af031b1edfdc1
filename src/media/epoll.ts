/** epoll(7), edge-triggered. Its descriptor stands in lane memory beside those of the sockets, and is taken over with them. */
import { type IoMemory, MAX_EVENTS } from './io-memory.ts';
import { check, EEXIST, ENOENT, type Libc } from './libc.ts';

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
    const kept = io.socketFd(entry);
    this.#fd = kept ?? check(libc, libc.epollCreate(CLOEXEC), 'epoll_create1');
    if (kept === null) io.setSocket(entry, this.#fd, 0);
  }

  /** `data` comes with its events; the first at once if there is something to read. Without effect on what is watched. */
  watch(fd: number, data: number): void {
    this.#control(ADD, fd, this.#io.event(EPOLLIN_EDGE, data), EEXIST);
  }

  /** Without effect on what is not watched. */
  unwatch(fd: number): void {
    this.#control(DELETE, fd, 0, ENOENT);
  }

  /** @returns how many events there are, `most` at most; their data is valid until the next wait of any. */
  wait(timeoutMs: number, most = MAX_EVENTS): number {
    return this.#libc.epollWait(this.#fd, this.#io.events, most, timeoutMs);
  }

  #control(what: number, fd: number, event: number, allowed: number): void {
    const result = this.#libc.epollControl(this.#fd, what, fd, event);
    if (result < 0 && this.#libc.errno() !== allowed) check(this.#libc, result, 'epoll_ctl');
  }
}
