/** The PEM files of TLS: read at the start, and again when one of them has changed or somebody asks for it. */
import { readFileSync, statSync } from 'node:fs';
import type { TlsSettings } from '../sip/index.ts';

/** Files that are looked at; those that are null say nothing. */
export interface TlsFileNames {
  cert: string | null;
  key: string | null;
  ca: string | null;
  clientCertificate: TlsSettings['clientCertificate'];
}

export class TlsFiles {
  readonly #names: TlsFileNames;
  #seen = '';

  constructor(names: TlsFileNames) {
    this.#names = names;
  }

  /** Throws an Error that names the file which can't be read. */
  read(): TlsSettings {
    this.#seen = this.#fingerprint();
    const { cert, key, ca, clientCertificate } = this.#names;
    return {
      cert: contentOf('tls.cert', cert),
      key: contentOf('tls.key', key),
      ca: contentOf('tls.ca', ca),
      clientCertificate,
    };
  }

  /** True once after each change since the files were read. */
  changed(): boolean {
    const now = this.#fingerprint();
    const changed = now !== this.#seen;
    this.#seen = now;
    return changed;
  }

  /** A renewal may replace the file, write into it, or move a symbolic link. */
  #fingerprint(): string {
    const { cert, key, ca } = this.#names;
    return [cert, key, ca].map((name) => (name === null ? '' : stateOf(name))).join('|');
  }
}

function stateOf(name: string): string {
  const stat = statSync(name, { throwIfNoEntry: false, bigint: true });
  return stat ? `${stat.ino},${stat.size},${stat.mtimeNs}` : 'missing';
}

function contentOf(key: string, name: string | null): string | undefined {
  if (name === null) return undefined;
  try {
    return readFileSync(name, 'utf8');
  } catch (error) {
    throw new Error(`${key} can't be read: ${(error as Error).message}`, { cause: error });
  }
}
