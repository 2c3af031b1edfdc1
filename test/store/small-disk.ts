/** A disk of a few megabytes that can be filled and emptied. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import path from 'node:path';

export const MIB = 1024 * 1024;

/** Mounts a disk of so many bytes on a folder. Null when it worked, otherwise why it did not. */
export function mountSmallDisk(folder: string, sizeBytes: number): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting a small disk takes root on Linux';
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return `a small disk cannot be mounted: ${String(error)}`;
  }
}

/** Makes the mounted disk go. */
export function unmount(folder: string): void {
  execFileSync('umount', ['-l', folder]);
}

/** Eats whatever room there is, and goes on eating what others give back, until it is stopped. */
export function eatRoom(folder: string): () => void {
  const file = path.join(folder, 'ballast');
  const descriptor = openSync(file, 'w');
  const chunk = Buffer.alloc(MIB);
  const eat = () => {
    try {
      while (statfsSync(folder).bavail > 0) writeSync(descriptor, chunk);
    } catch {
      // full
    }
  };
  eat();
  const timer = setInterval(eat, 2);
  return () => {
    clearInterval(timer);
    closeSync(descriptor);
    unlinkSync(file);
  };
}
