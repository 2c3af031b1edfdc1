/**
 * Reserves the room of a file before it is needed, so that a full disk shows itself when a segment is begun and not
 * in the middle of it, and so that fdatasync has no file size to write.
 *
 * `fallocate(2)` through koffi where that loads; elsewhere the file is only made long (sparse).
 */

import type { FileHandle } from 'node:fs/promises';
import { statfs } from 'node:fs/promises';
import { systemCalls } from './system-calls.ts';

/**
 * Makes `file` (empty, at `path`) `bytes` long with reserved room.
 * Rejects with `code: 'ENOSPC'` if there is not that much room.
 */
export async function preallocate(file: FileHandle, path: string, bytes: number): Promise<void> {
  if (bytes === 0) return;
  if ((await systemCalls()?.fallocate(file.fd, bytes)) === 0) return;
  const { bavail, bsize } = await statfs(path);
  if (bavail * bsize < bytes)
    throw Object.assign(new Error(`no room for ${bytes} bytes at ${path}`), { code: 'ENOSPC' });
  await file.truncate(bytes);
}
