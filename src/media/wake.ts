/**
 * Wakes a lane that waits in epoll_wait when a message was posted to it: an eventfd(2) that the lane watches beside its sockets. It belongs to
 * the main thread, and serves all lives of the lane.
 */
import { loadLibc } from './libc.ts';

const NONBLOCK_CLOEXEC = 0x80800;

export interface Wake {
  /** -1: there is none, the lane is woken by the event loop. */
  fd: number;
  wake: () => void;
  close: () => void;
}

export function openWake(driver: 'native' | 'dgram'): Wake {
  const libc = driver === 'native' ? loadLibc() : null;
  if (libc === null || typeof libc === 'string') return { fd: -1, wake: () => {}, close: () => {} };
  const fd = libc.eventfd(0, NONBLOCK_CLOEXEC);
  if (fd < 0) throw new Error('no file descriptor left for another lane: raise the limit (ulimit -n)');
  return { fd, wake: () => void libc.eventfdWrite(fd, 1), close: () => void libc.close(fd) };
}
