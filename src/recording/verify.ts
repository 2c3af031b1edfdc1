/**
 * Checks a finished recording: its manifest against the manifest's own digest, its certificate against arithmetic, and
 * every file against length and SHA-256.
 */

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { finalise, MANIFEST_NAME, PACKETS_NAME } from './finalise.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { digest } from './output-file.ts';

export interface Verdict {
  ok: boolean;
  /** The first difference, in words. */
  difference?: string;
}

export interface VerifyOptions {
  /**
   * Also make the recording again from its packets and compare every byte. A newer version may decode more than the
   * one that made the recording, and then differs without anything having been changed.
   */
  remake?: boolean;
}

/** Verifies the recording in `dir`. A file that is missing or unreadable is a difference, not an error. */
export async function verify(dir: string, o: VerifyOptions = {}): Promise<Verdict> {
  let text: string;
  let manifest: Manifest;
  try {
    text = await readFile(path.join(dir, MANIFEST_NAME), 'utf8');
    manifest = parseManifest(text);
  } catch (error) {
    return { ok: false, difference: `${MANIFEST_NAME}: ${(error as Error).message}` };
  }
  const difference =
    certificateDifference(manifest) ??
    (await fileDifference(dir, manifest)) ??
    (o.remake ? await remakeDifference(dir, manifest, text) : null);
  return difference === null ? { ok: true } : { ok: false, difference };
}

function certificateDifference(manifest: Manifest): string | null {
  for (const { label, packets } of manifest.recording.streams) {
    const sum = packets.received + packets.lost + packets.dropped + packets.paused;
    if (packets.expected !== sum) return `stream ${label}: ${packets.expected} packets expected, ${sum} accounted for`;
  }
  return null;
}

async function fileDifference(dir: string, manifest: Manifest): Promise<string | null> {
  for (const [name, expected] of Object.entries(manifest.files)) {
    if (path.basename(name) !== name) return `${name}: not a file of this recording`;
    const found = await stat(path.join(dir, name)).catch(() => null);
    if (!found) return `${name}: missing`;
    if (found.size !== expected.bytes) return `${name}: ${found.size} bytes instead of ${expected.bytes}`;
    const { sha256 } = await digest(path.join(dir, name));
    if (sha256 !== expected.sha256) return `${name}: its content was changed`;
  }
  return null;
}

async function remakeDifference(dir: string, manifest: Manifest, text: string): Promise<string | null> {
  if (!(PACKETS_NAME in manifest.files)) return 'the packets were not kept: it cannot be made again';
  const scratch = await mkdtemp(path.join(tmpdir(), 'doubletrack-verify-'));
  try {
    await finalise(path.join(dir, PACKETS_NAME), scratch);
    const remade = await readFile(path.join(scratch, MANIFEST_NAME), 'utf8');
    return remade === text ? null : `made again from its packets it differs: ${firstDifference(text, remade)}`;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function firstDifference(a: string, b: string): string {
  const left = a.split('\n');
  const right = b.split('\n');
  const line = left.findIndex((text, i) => text !== right[i]);
  return `${left[line]?.trim() ?? 'end'} / ${right[line]?.trim() ?? 'end'}`;
}
