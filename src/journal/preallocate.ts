/**
 * Reserves the room of a file before it is needed, so that a full disk shows itself when a segment is begun and not
 * in the middle of it, and so that fdatasync has no file size to write.
 *
 * `fallocate(2)` through koffi where that loads; elsewhere the file is only made long (sparse).
 */

import type { FileHandle } from 'node:fs/promises';
import { statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';

type Fallocate = (fd: number, bytes: number) => Promise<number>;

let fallocate: Fallocate | null | undefined;

function loadFallocate(): Fallocate | null {
  try {
    const koffi = createRequire(import.meta.url)('koffi');
    const native = koffi.load('libc.so.6').func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
    return (fd, bytes) =>
      new Promise((resolve, reject) => {
        // Asynchronous: on a slow disk the call can wait for the file system's own journal.
        native.async(fd, 0, 0, bytes, (error: Error | null, result: number) =>
          error ? reject(error) : resolve(result),
        );
      });
  } catch {
    return null;
  }
}

/**
 * Makes `file` (empty, at `path`) `bytes` long with reserved room.
 * Rejects with `code: 'ENOSPC'` if there is not that much room.
 */
export async function preallocate(file: FileHandle, path: string, bytes: number): Promise<void> {
  if (bytes === 0) return;
  if (fallocate === undefined) fallocate = loadFallocate();
  if (fallocate && (await fallocate(file.fd, bytes)) === 0) return;
  const { bavail, bsize } = await statfs(path);
  if (bavail * bsize < bytes)
    throw Object.assign(new Error(`no room for ${bytes} bytes at ${path}`), { code: 'ENOSPC' });
  await file.truncate(bytes);
}
