/** The last step: the packet file goes once the recording made of it is known to be good and its row is written. */

import { unlink } from 'node:fs/promises';
import { verify } from './verify.ts';

/**
 * Deletes the packet file if the recording in `dir` verifies. False (and the packet file stays) if it does not.
 * To be called after the catalogue has the recording; a packet file that is gone already is no error.
 */
export async function release(packetFile: string, dir: string): Promise<boolean> {
  const { ok } = await verify(dir);
  if (!ok) return false;
  await unlink(packetFile).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  return true;
}
