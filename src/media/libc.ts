/**
 * The system calls of the native socket driver, through koffi (optional dependency): Linux with glibc on x64 and arm64. Addresses
 * are numbers, so that no object is made for a call; every structure is laid out by ./io-memory.ts.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

type Call = (...args: number[]) => number;

export interface Libc {
  /** All give -1 for an error; `errno` tells which. */
  socket: Call;
  bind: Call;
  setsockopt: Call;
  getsockopt: Call;
  close: Call;
  recvmmsg: Call;
  sendmmsg: Call;
  epollCreate: Call;
  epollControl: Call;
  epollWait: Call;
  eventfd: Call;
  eventfdWrite: Call;
  clockGettime: Call;
  prctl: Call;
  errno: () => number;
  /** Where the bytes lie in this process. */
  addressOf: (bytes: Uint8Array) => number;
}

interface Koffi {
  load(name: string): { func(signature: string): Call };
  errno(): number;
  address(value: unknown): bigint;
}

export const { EINTR, EAGAIN, EEXIST, ENOENT } = constants.errno;

/** As Node names it: EADDRINUSE. */
const errorName = (errno: number): string => getSystemErrorName(-errno);

/** @throws Error with the `code` that Node gives it. */
export function check(libc: Libc, result: number, what: string): number {
  if (result >= 0) return result;
  const code = errorName(libc.errno());
  throw Object.assign(new Error(`${what}: ${code}`), { code });
}

let loaded: Libc | string | null = null;

/** The calls, or why they are not to be had here. */
export function loadLibc(): Libc | string {
  loaded ??= load();
  return loaded;
}

function load(): Libc | string {
  if (process.platform !== 'linux') return `no batch socket calls on ${process.platform}`;
  if (process.arch !== 'x64' && process.arch !== 'arm64') return `structures of ${process.arch} are not known`;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    return bindCalls(koffi);
  } catch (error) {
    return `koffi did not load: ${(error as Error).message.split('\n')[0]}`;
  }
}

function bindCalls(koffi: Koffi): Libc {
  const libc = koffi.load('libc.so.6');
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    bind: libc.func('int bind(int fd, uintptr_t address, uint32_t bytes)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t bytes)'),
    getsockopt: libc.func('int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t bytes)'),
    close: libc.func('int close(int fd)'),
    recvmmsg: libc.func('int recvmmsg(int fd, uintptr_t headers, uint32_t count, int flags, uintptr_t timeout)'),
    sendmmsg: libc.func('int sendmmsg(int fd, uintptr_t headers, uint32_t count, int flags)'),
    epollCreate: libc.func('int epoll_create1(int flags)'),
    epollControl: libc.func('int epoll_ctl(int epoll, int what, int fd, uintptr_t event)'),
    epollWait: libc.func('int epoll_wait(int epoll, uintptr_t events, int count, int timeoutMs)'),
    eventfd: libc.func('int eventfd(uint32_t value, int flags)'),
    eventfdWrite: libc.func('int eventfd_write(int fd, uint64_t value)'),
    clockGettime: libc.func('int clock_gettime(int clock, uintptr_t time)'),
    prctl: libc.func('int prctl(int option, uint64_t value)'),
    errno: () => koffi.errno(),
    addressOf: (bytes) => Number(koffi.address(bytes)),
  };
}
