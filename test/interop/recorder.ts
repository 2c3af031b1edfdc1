/** A recording server as an operator runs it: the command, a data folder of its own, ports that the system chooses. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recording } from '../../src/store/recording.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/doubletrack.mjs');
const STARTS_WITHIN_MS = 30_000;

export interface Recorder {
  data: string;
  http: string;
  udpPort: number;
  tcpPort: number;
  /** When it was told to listen there first of all else. */
  tlsPort: number | undefined;
  process: ChildProcess;
  /** All log lines so far. */
  log: Record<string, unknown>[];
}

export function newDataFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'doubletrack-test-'));
}

/** @param abort kills it, with SIGKILL, wherever it is. */
export async function startRecorder(data: string, args: string[] = [], abort?: AbortSignal): Promise<Recorder> {
  const listen = ['--sip', 'udp:127.0.0.1:0', '--sip', 'tcp:127.0.0.1:0', '--http', '127.0.0.1:0', '--data', data];
  const child = spawn(process.execPath, [COMMAND, 'serve', ...listen, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    killSignal: 'SIGKILL',
    ...(abort ? { signal: abort } : {}),
  });
  const log: Record<string, unknown>[] = [];
  const started = new Promise<Record<string, unknown>>((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      const entry = line.startsWith('{') ? JSON.parse(line) : { msg: line };
      log.push(entry);
      if (entry.msg === 'taking calls') resolve(entry);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`serve exited with ${code}: ${JSON.stringify(log.slice(-5))}`)));
  });
  const entry = await within(STARTS_WITHIN_MS, 'the recorder to start', started);
  const ports = (entry.sip as string[]).map((address) => Number(address.split(':').at(-1)));
  const [udpPort, tcpPort, tlsPort] = ports as [number, number, number | undefined];
  return { data, http: String(entry.http), udpPort, tcpPort, tlsPort, process: child, log };
}

/** Drains; resolves with the exit code. */
export async function stopRecorder(recorder: Recorder): Promise<number | null> {
  if (recorder.process.exitCode !== null || recorder.process.signalCode !== null) return recorder.process.exitCode;
  const exited = once(recorder.process, 'exit');
  recorder.process.kill('SIGTERM');
  const [code] = await within(60_000, 'the recorder to drain', exited);
  return code as number | null;
}

export async function killRecorder(recorder: Recorder): Promise<void> {
  const exited = once(recorder.process, 'exit');
  recorder.process.kill('SIGKILL');
  await exited;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** Waits until every recording that the query finds is complete, and there are `count` of them. */
export async function completeRecordings(recorder: Recorder, count: number, query = ''): Promise<Recording[]> {
  for (let tries = 0; tries < 600; tries++) {
    const url = `${recorder.http}/api/v1/recordings?limit=500${query}`;
    const { items } = await getJson<{ items: Recording[] }>(url);
    const settled = items.filter(({ state }) => state === 'complete' || state === 'failed');
    if (settled.length >= count && settled.length === items.length) return items;
    await delay(50);
  }
  throw new Error(`${count} complete recordings did not appear`);
}

export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timeout = delay(ms, undefined, { signal: late.signal }).then(() => {
    throw new Error(`waited ${ms} ms for ${what}`);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    late.abort();
    timeout.catch(() => {});
  }
}

/** Runs a command to its end; stdout, or an error with what it said. */
export async function run(command: string, args: string[], input?: Uint8Array): Promise<Buffer> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.on('data', (chunk) => err.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')} exited with ${code}: ${Buffer.concat(err).toString().slice(-2000)}`);
  return Buffer.concat(out);
}
