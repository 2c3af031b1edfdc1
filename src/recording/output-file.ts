/**
 * A file being made: written under another name, hashed on the way, synced, and only then given its name.
 */

import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '../journal/index.ts';

/** What a manifest says about a file. */
export interface FileDigest {
  bytes: number;
  sha256: string;
}

const DIGEST_PIECE_BYTES = 1 << 20;

export class OutputFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #isPatched = false;

  private constructor(filePath: string, file: FileHandle) {
    this.#path = filePath;
    this.#file = file;
  }

  static async create(filePath: string): Promise<OutputFile> {
    return new OutputFile(filePath, await open(`${filePath}.tmp`, 'w+', 0o600));
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends; `bytes` may be changed again as soon as this resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    for (let done = 0; done < bytes.length; ) {
      done += (await this.#file.write(bytes, done, bytes.length - done, this.#bytes + done)).bytesWritten;
    }
    this.#bytes += bytes.length;
  }

  /** Changes bytes that were written before: reads them, lets `change` work on them, writes them back. */
  async patch(at: number, length: number, change: (bytes: Buffer) => void): Promise<void> {
    const buffer = Buffer.alloc(length);
    await this.#file.read(buffer, 0, length, at);
    change(buffer);
    await this.#file.write(buffer, 0, length, at);
    this.#isPatched = true;
  }

  /** Makes the file durable under its name. */
  async finish(): Promise<FileDigest> {
    await this.#file.datasync();
    await this.#file.close();
    const sha256 = this.#isPatched ? (await digest(`${this.#path}.tmp`)).sha256 : this.#hash.digest('hex');
    await rename(`${this.#path}.tmp`, this.#path);
    return { bytes: this.#bytes, sha256 };
  }

  /** Gives up. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(`${this.#path}.tmp`).catch(() => undefined);
  }
}

/** Length and SHA-256 of a file. */
export async function digest(filePath: string): Promise<FileDigest> {
  const hash = createHash('sha256');
  const file = await open(filePath, 'r');
  try {
    const piece = Buffer.allocUnsafe(Math.min((await file.stat()).size, DIGEST_PIECE_BYTES) || 1);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length, bytes);
      if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Whole small file, durable under its name when this resolves. */
export async function writeDurably(filePath: string, content: string): Promise<void> {
  const file = await OutputFile.create(filePath);
  try {
    await file.write(Buffer.from(content));
    await file.finish();
  } catch (error) {
    await file.discard();
    throw error;
  }
  await syncFolder(path.dirname(filePath));
}
