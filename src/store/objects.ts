/**
 * The objects: the files of each recording (audio.wav, manifest.json …) in one folder per recording. Names are made by
 * this server and checked before they touch the file system, so nothing from the wire ever becomes a path.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { isUuid } from './uuid.ts';

const OBJECT_NAME = /^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*$/;
const MAX_OBJECT_NAME_LENGTH = 64;
const READ_CHUNK_BYTES = 256 * 1024;

/** Thrown for a recording id or object name that no stored object can have: a caller's mistake, or an attack. */
export class InvalidObjectName extends Error {
  override name = 'InvalidObjectName';
}

/** One version of an object, opened: what is read stays the same even if the object is replaced meanwhile. */
export interface OpenObject {
  readonly bytes: number;
  readonly modifiedAt: Date;
  /** Differs whenever the content may differ; without quotes. */
  readonly version: string;
  /** The bytes from `start` to `end` (exclusive); fewer at the end of the object. */
  slice(start: number, end: number): Promise<Buffer>;
  /** The same as a stream, which closes the object when it ends or is destroyed. */
  stream(start?: number, end?: number): Readable;
  close(): Promise<void>;
}

export interface Objects {
  /** @returns null if there is no such object. */
  open(id: string, name: string): Promise<OpenObject | null>;
  /** Readers see the old content or the new, never a part. */
  write(id: string, name: string, content: Uint8Array): Promise<void>;
  /** Removes all objects of a recording; it is no error if there are none. */
  remove(id: string): Promise<void>;
}

class OpenFile implements OpenObject {
  readonly bytes: number;
  readonly modifiedAt: Date;
  readonly version: string;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, facts: { size: bigint; mtimeNs: bigint; mtime: Date }) {
    this.#handle = handle;
    this.bytes = Number(facts.size);
    this.modifiedAt = facts.mtime;
    this.version = `${facts.size.toString(36)}-${facts.mtimeNs.toString(36)}`;
  }

  async slice(start: number, end: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(end, this.bytes) - start);
    const buffer = Buffer.allocUnsafe(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.#handle.read(buffer, filled, wanted - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  stream(start = 0, end = this.bytes): Readable {
    return readable(this, start, end, (from, to) => this.slice(from, to));
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * A stream over `read`, in chunks, that closes `object` when it is over for whatever reason.
 * @param read returns the bytes from `from` to `to` (exclusive); an empty answer is an error, so a length that was
 *   promised is either kept or the stream fails.
 */
export function readable(
  object: Pick<OpenObject, 'close'>,
  start: number,
  end: number,
  read: (from: number, to: number) => Promise<Buffer>,
): Readable {
  let at = start;
  return new Readable({
    highWaterMark: READ_CHUNK_BYTES,
    read() {
      if (at >= end) {
        this.push(null);
        return;
      }
      read(at, Math.min(end, at + READ_CHUNK_BYTES)).then(
        (chunk) => {
          at += chunk.length;
          if (chunk.length === 0) this.destroy(new Error('object ended early'));
          else this.push(chunk);
        },
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      object.close().then(
        () => done(error),
        (closing: Error) => done(error ?? closing),
      );
    },
  });
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Objects as files: `<root>/<recording id>/<name>`. */
export class FolderObjects implements Objects {
  readonly root: string;

  constructor(root: string) {
    this.root = path.resolve(root);
  }

  /** The recording's folder; it need not exist. @throws InvalidObjectName unless `id` is a UUID in lower case. */
  folder(id: string): string {
    if (!isUuid(id)) throw new InvalidObjectName('a recording id is a UUID in lower case');
    return path.join(this.root, id);
  }

  /** @throws InvalidObjectName unless `name` is one plain file name in lower case, such as `audio.wav`. */
  path(id: string, name: string): string {
    if (name.length > MAX_OBJECT_NAME_LENGTH || !OBJECT_NAME.test(name)) {
      throw new InvalidObjectName('an object name is letters, digits, hyphens and single dots, in lower case');
    }
    return path.join(this.folder(id), name);
  }

  async open(id: string, name: string): Promise<OpenObject | null> {
    const file = this.path(id, name);
    let handle: FileHandle;
    try {
      handle = await open(file, 'r');
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    const facts = await handle.stat({ bigint: true });
    if (facts.isFile()) return new OpenFile(handle, facts);
    await handle.close();
    return null;
  }

  async write(id: string, name: string, content: Uint8Array): Promise<void> {
    const file = this.path(id, name);
    const folder = this.folder(id);
    await mkdir(folder, { recursive: true });
    const draft = path.join(folder, `.${name}.${randomUUID()}`);
    try {
      const handle = await open(draft, 'wx');
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, file);
      await syncFolder(folder);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.folder(id), { recursive: true, force: true });
  }
}
