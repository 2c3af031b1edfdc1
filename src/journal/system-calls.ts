/**
 * The system calls of the journal, through koffi (optional dependency): Linux with glibc. A thread that may be ended from outside loads them before
 * it has anything to lose: ended while an addon is being set up, it takes the process with it.
 */
import { createRequire } from 'node:module';

const MADV_DONTNEED = 4;

export interface SystemCalls {
  /** Resolves to 0 when the file has room for so many bytes. */
  fallocate(fd: number, bytes: number): Promise<number>;
  /** Where the bytes lie in this process. */
  addressOf(bytes: Uint8Array): number;
  /** The pages are the system's again, and read as zeros. */
  release(address: number, bytes: number): void;
}

let loaded: SystemCalls | null | undefined;

/** Null where they are not to be had. */
export function systemCalls(): SystemCalls | null {
  if (loaded === undefined) loaded = process.platform === 'linux' ? load() : null;
  return loaded;
}

function load(): SystemCalls | null {
  try {
    const koffi = createRequire(import.meta.url)('koffi');
    const libc = koffi.load('libc.so.6');
    const fallocate = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
    const madvise = libc.func('int madvise(uintptr_t address, size_t length, int advice)');
    return {
      fallocate: (fd, bytes) =>
        new Promise((resolve, reject) => {
          // Asynchronous: on a slow disk the call can wait for the file system's own journal.
          fallocate.async(fd, 0, 0, bytes, (error: Error | null, result: number) =>
            error ? reject(error) : resolve(result),
          );
        }),
      addressOf: (bytes) => Number(koffi.address(bytes)),
      release: (address, bytes) => madvise(address, bytes, MADV_DONTNEED),
    };
  } catch {
    return null;
  }
}
