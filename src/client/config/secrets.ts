/** Passwords and tokens: written in the file, in a file of their own, or in an environment variable. No error text shows one. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { YamlPath } from '../../settings/index.ts';
import type { ConfigReport } from './report.ts';
import type { WrittenPassword } from './written.ts';

const MAX_SECRET_FILE_BYTES = 64 * 1024;
const MAX_SECRET_CHARACTERS = 512;
const VARIABLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

export interface SecretPlaces {
  /** Names of files are relative to it. */
  folder: string;
  environment: NodeJS.ProcessEnv;
  report: ConfigReport;
}

/** '' when there is a fault, which is reported. */
export function passwordOf(written: WrittenPassword, at: YamlPath, places: SecretPlaces): string {
  const { password, passwordFile } = written;
  const { report } = places;
  if (password !== undefined && passwordFile !== undefined) {
    report.wrong([...at, 'passwordFile'], 'password and passwordFile', 'one of them');
    return '';
  }
  if (password !== undefined) return secretOf(password, [...at, 'password'], places);
  if (passwordFile !== undefined) {
    const [first = '', ...rest] = secretsIn(passwordFile, [...at, 'passwordFile'], places);
    if (rest.length > 0)
      report.wrong([...at, 'passwordFile'], `a file of ${rest.length + 1} lines`, 'one password in it');
    return first;
  }
  report.wrong(at, 'no password', 'password or passwordFile', undefined);
  return '';
}

/** Of text that may name an environment variable. */
export function secretOf(text: string, at: YamlPath, { environment, report }: SecretPlaces): string {
  const name = VARIABLE.exec(text)?.[1];
  if (name === undefined) return text;
  const value = environment[name];
  if (value === undefined || value === '') {
    report.wrong(at, 'an environment variable that is not set', `${name} in the environment`);
    return '';
  }
  return bounded(value, at, report);
}

/** Lines of a file; the end of a line does not belong to it, nor do empty lines count. */
export function secretsIn(name: string, at: YamlPath, { folder, report }: SecretPlaces): string[] {
  let text: string;
  try {
    text = readFileSync(path.resolve(folder, name), 'utf8');
  } catch (error) {
    // Not the name: somebody may have put the password there.
    report.wrong(at, `a file that can't be read (${(error as NodeJS.ErrnoException).code})`, 'a file with the secret');
    return [];
  }
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  if (lines.length === 0 || text.length > MAX_SECRET_FILE_BYTES) {
    report.wrong(at, `a file of ${text.length} characters`, `1 to ${MAX_SECRET_FILE_BYTES}`);
    return [];
  }
  return lines.map((line) => bounded(line, at, report));
}

function bounded(secret: string, at: YamlPath, report: ConfigReport): string {
  if (secret.length <= MAX_SECRET_CHARACTERS) return secret;
  report.wrong(at, `a secret of ${secret.length} characters`, `at most ${MAX_SECRET_CHARACTERS}`);
  return '';
}
