/** Where the recording server keeps things, and the lock that keeps a second server out. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface DataFolder {
  readonly journal: string;
  /** One packet file per recording: demultiplexed journal, input of the finaliser. */
  readonly packets: string;
  readonly recordings: string;
  readonly catalogue: string;
  release(): void;
}

export class DataFolderInUse extends Error {
  override readonly name = 'DataFolderInUse';
}

const SQLITE_BUSY = 5;

/**
 * An exclusive SQLite transaction is the one file lock that Node offers on every platform; the system gives it
 * back when the process dies, however it dies, which a file with a process number in it does not.
 */
function lock(root: string): DatabaseSync {
  const database = new DatabaseSync(path.join(root, 'lock.sqlite'));
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new DataFolderInUse(
      `${root} is in use by another server: stop that one, or choose another folder with --data`,
    );
  }
}

/** @throws DataFolderInUse when another server runs on it; the system's error when it cannot be written. */
export function openDataFolder(root: string): DataFolder {
  const at = (name: string) => path.join(root, name);
  for (const name of ['journal', 'packets', 'recordings']) mkdirSync(at(name), { recursive: true });
  const held = lock(root);
  return {
    journal: at('journal'),
    packets: at('packets'),
    recordings: at('recordings'),
    catalogue: at('catalogue.sqlite'),
    release: () => held.close(),
  };
}
