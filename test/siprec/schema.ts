/** Recording metadata against the schema of RFC 7865, by xmllint. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const SCHEMA = path.join(import.meta.dirname, 'recording.xsd');

export const withoutXmllint = !existsSync('/usr/bin/xmllint') && 'install libxml2-utils (Debian) to run this';
if (process.env.CI && withoutXmllint) throw new Error(withoutXmllint);

/** @throws Error that says which document is not valid, and why. */
export function assertValid(documents: (string | Uint8Array)[]): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-xml-'));
  try {
    const files = documents.map((document, i) => {
      const file = path.join(folder, `${i}.xml`);
      writeFileSync(file, document);
      return file;
    });
    execFileSync('xmllint', ['--nonet', '--noout', '--schema', SCHEMA, ...files], { stdio: 'pipe' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
