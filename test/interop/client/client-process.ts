/** `doubletrack client` as an operator runs it: the command, one file of configuration, its HTTP. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { CallView, RecorderView } from '../../../src/client/switch/call-control.ts';
import { until } from '../../server/rig.ts';
import { getJson, within } from '../recorder.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../../bin/doubletrack.mjs');
const STARTS_WITHIN_MS = 30_000;
const ENDS_WITHIN_MS = 20_000;
const LOG_TAIL = 60;

export class ClientProcess {
  readonly sipPort: number;
  readonly http: string;
  /** HTTP of its local recorder, when it has one. */
  readonly localHttp: string | undefined;
  /** All log lines so far. */
  readonly log: Record<string, unknown>[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, log: Record<string, unknown>[], taking: Record<string, unknown>) {
    this.#child = child;
    this.log = log;
    this.sipPort = Number((taking.sip as string[])[0]!.split(':').at(-1));
    this.http = String(taking.http);
    this.localHttp = taking.local as string | undefined;
  }

  /** @param config as it stands in client.yaml, of which JSON is a part; UDP is the first of `sip` */
  static async start(folder: string, config: object): Promise<ClientProcess> {
    const file = path.join(folder, 'client.yaml');
    writeFileSync(file, JSON.stringify(config, null, 2));
    const child = spawn(process.execPath, [COMMAND, 'client', '--config', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const log: Record<string, unknown>[] = [];
    const started = new Promise<Record<string, unknown>>((resolve, reject) => {
      createInterface({ input: child.stderr! }).on('line', (line) => {
        const entry = line.startsWith('{') ? JSON.parse(line) : { msg: line };
        log.push(entry);
        if (entry.msg === 'taking calls') resolve(entry);
      });
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`client exited with ${code}: ${JSON.stringify(log.slice(-5))}`)));
    });
    const taking = await within(STARTS_WITHIN_MS, 'the client to start', started);
    return new ClientProcess(child, log, taking);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async calls(): Promise<CallView[]> {
    return (await getJson<{ items: CallView[] }>(`${this.http}/api/v1/calls`)).items;
  }

  async recorders(): Promise<RecorderView[]> {
    return (await getJson<{ items: RecorderView[] }>(`${this.http}/api/v1/recorders`)).items;
  }

  /** The call that a DN is in. */
  async callOf(dn: string): Promise<CallView> {
    return await until(`a call of ${dn}`, async () =>
      (await this.calls()).find(({ parties, state }) => state !== 'ended' && parties.some((party) => party.dn === dn)),
    );
  }

  /** When so many recorders record the call of a DN. */
  async recordedCallOf(dn: string, recordings = 1): Promise<CallView> {
    return await until(`a recorded call of ${dn}`, async () => {
      const call = await this.callOf(dn);
      return call.recordings.filter(({ state }) => state === 'recording').length === recordings ? call : null;
    });
  }

  async startRecording(callId: string, request: object = {}): Promise<void> {
    await this.#post(`/api/v1/calls/${callId}/recording/start`, { record: 'source', actor: 'test', ...request });
  }

  async pause(callId: string, request: object = {}): Promise<void> {
    await this.#post(`/api/v1/calls/${callId}/recording/pause`, { actor: 'test', reason: 'card number', ...request });
  }

  async resume(callId: string, request: object = {}): Promise<void> {
    await this.#post(`/api/v1/calls/${callId}/recording/resume`, { actor: 'test', reason: 'card number', ...request });
  }

  async stopRecording(callId: string, request: object = {}): Promise<void> {
    await this.#post(`/api/v1/calls/${callId}/recording/stop`, { actor: 'test', reason: 'enough', ...request });
  }

  logTail(): string {
    return this.log
      .slice(-LOG_TAIL)
      .map((entry) => JSON.stringify(entry))
      .join('\n');
  }

  /** It reads its file again. */
  async reload(): Promise<void> {
    const before = this.log.length;
    this.#child.kill('SIGHUP');
    await until('the configuration to be read again', async () =>
      this.log.slice(before).some(({ msg }) => msg === 'configuration read again'),
    );
  }

  /** It takes no calls any more, and ends with the last one: its exit code then. */
  async drain(): Promise<{ exited: Promise<number | null> }> {
    const before = this.log.length;
    const exited = once(this.#child, 'exit').then(([code]) => code as number | null);
    this.#child.kill('SIGTERM');
    await until('the drain', async () => this.log.slice(before).some(({ msg }) => String(msg).startsWith('draining')));
    return { exited: within(ENDS_WITHIN_MS, 'the client to end', exited) };
  }

  /** Calls that run are ended. Its exit code. */
  async stopAtOnce(): Promise<number | null> {
    await this.drain();
    return await this.stop();
  }

  /** Its exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    try {
      const [code] = await within(ENDS_WITHIN_MS, 'the client to end', exited);
      return code as number | null;
    } catch (error) {
      this.#child.kill('SIGKILL');
      throw error;
    }
  }

  async #post(pathname: string, body: object): Promise<void> {
    const response = await fetch(`${this.http}${pathname}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST ${pathname} answered ${response.status}: ${text}`);
  }
}
