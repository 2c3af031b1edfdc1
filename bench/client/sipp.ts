/** sipp (https://sipp.sourceforge.net), which calls and is called: what it is told to do, how it is run, and what it says of its calls. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NotAvailable } from '../report.ts';
import { NotDone } from '../system/contender.ts';
import { ADDRESS, CALLED_PORT, CALLER_PORT } from './places.ts';

const XML = '<?xml version="1.0" encoding="ISO-8859-1" ?>';
const VIA = 'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]';
const FROM = 'From: <sip:100@[local_ip]:[local_port]>;tag=[pid]-[call_number]';
const CONTACT = 'Contact: <sip:[local_ip]:[local_port]>';
const LAST = ['[last_Via:]', '[last_From:]', '[last_To:]', '[last_Call-ID:]', '[last_CSeq:]'];
const LAST_TAGGED = LAST.with(2, '[last_To:];tag=[pid]-[call_number]');

/** Media is only spoken of. */
const SDP = 'v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=audio 40000 RTP/AVP 0\n';

function send(lines: string[], { body = '', isRepeated = false } = {}): string {
  const content = body === '' ? ['Content-Length: 0'] : ['Content-Type: application/sdp', 'Content-Length: [len]'];
  const text = [...lines, ...content, '', body].join('\n');
  return `<send${isRepeated ? ' retrans="500"' : ''}><![CDATA[\n\n${text}]]></send>`;
}

function request(method: string, uri: string, to: string, cseq: number, body = ''): string {
  const head = [`${method} ${uri} SIP/2.0`, VIA, FROM, to, 'Call-ID: [call_id]', `CSeq: ${cseq} ${method}`, CONTACT];
  return send([...head, 'Max-Forwards: 70'], { body, isRepeated: method !== 'ACK' });
}

const TO_URI = 'sip:200@[remote_ip]:[remote_port]';
const CALLER = `${XML}
<scenario name="caller">
${request('INVITE', TO_URI, `To: <${TO_URI}>`, 1, SDP)}
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="200" rrs="true"/>
${request('ACK', '[next_url]', '[last_To:]', 1)}
${request('BYE', '[next_url]', '[last_To:]', 2)}
<recv response="200"/>
</scenario>
`;
const CALLED = `${XML}
<scenario name="called">
<recv request="INVITE"/>
${send(['SIP/2.0 180 Ringing', ...LAST_TAGGED, CONTACT])}
${send(['SIP/2.0 200 OK', ...LAST_TAGGED, CONTACT], { body: SDP, isRepeated: true })}
<recv request="ACK"/>
<recv request="BYE"/>
${send(['SIP/2.0 200 OK', ...LAST])}
</scenario>
`;

/** @throws NotAvailable */
export function sippVersion(): string {
  const { error, stdout } = spawnSync('sipp', ['-v'], { encoding: 'utf8' });
  if (error) throw new NotAvailable('needs sipp, which is not installed (Debian: sip-tester)');
  return stdout.match(/SIPp v([\w.]+)/)?.[1] ?? 'unknown';
}

export interface CallCounts {
  created: number;
  successful: number;
  failed: number;
  retransmissions: number;
  /** Made in a second, over the whole run. */
  perSecond: number;
}

/** Reads the last line of what `-trace_stat` writes: semicolons between, names in the first line, (C) for the whole run. */
export function readCounts(csv: string): CallCounts {
  const lines = csv.trim().split('\n');
  const names = lines[0]!.split(';');
  const values = lines.length > 1 ? lines.at(-1)!.split(';') : [];
  const count = (name: string): number => {
    const value = values[names.indexOf(name)];
    if (value === undefined || value === '') throw new NotDone(`sipp does not tell of ${name}`);
    return Number(value);
  };
  return {
    created: count('TotalCallCreated'),
    successful: count('SuccessfulCall(C)'),
    failed: count('FailedCall(C)'),
    retransmissions: count('Retransmissions(C)'),
    perSecond: count('CallRate(C)'),
  };
}

export interface CallPlan {
  toPort: number;
  /** Calls in a second. */
  rate: number;
  calls: number;
}

/** For the answers that are missing when the last call has been made. */
const GRACE_S = 2;
const STARTS_WITHIN_MS = 300;

/** A sipp that is called, and others that call. */
export class Sipp {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-bench-'));
  readonly #core: string;
  #called: ChildProcess | null = null;

  constructor(core: string) {
    this.#core = core;
    writeFileSync(path.join(this.#folder, 'caller.xml'), CALLER);
    writeFileSync(path.join(this.#folder, 'called.xml'), CALLED);
  }

  /** Takes calls at CALLED_PORT; what the one before still had to do is forgotten. */
  async answer(): Promise<void> {
    await this.#end();
    this.#called = this.#run('called', CALLED_PORT, []);
    await delay(STARTS_WITHIN_MS); // it says nothing when it is there
    if (this.#called.exitCode !== null) throw new Error(`sipp ended with ${this.#called.exitCode}: is a port in use?`);
  }

  async call({ toPort, rate, calls }: CallPlan): Promise<CallCounts> {
    const file = path.join(this.#folder, 'counts.csv');
    rmSync(file, { force: true });
    const timeoutS = Math.ceil(calls / rate) + GRACE_S;
    const caller = this.#run('caller', CALLER_PORT, [
      ...[`${ADDRESS}:${toPort}`, '-r', String(rate), '-m', String(calls), '-l', String(calls)],
      ...['-timeout', `${timeoutS}s`, '-trace_stat', '-stf', file],
    ]);
    await once(caller, 'exit');
    return readCounts(existsSync(file) ? readFileSync(file, 'latin1') : '');
  }

  async close(): Promise<void> {
    await this.#end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #run(scenario: string, port: number, more: string[]): ChildProcess {
    const where = ['-i', ADDRESS, '-p', String(port), '-nostdin', '-skip_rlimit'];
    const args = ['-c', this.#core, 'sipp', '-sf', `${scenario}.xml`, ...where, ...more];
    return spawn('taskset', args, { cwd: this.#folder, stdio: 'ignore' });
  }

  async #end(): Promise<void> {
    const called = this.#called;
    this.#called = null;
    if (!called || called.exitCode !== null || called.signalCode !== null) return;
    called.kill('SIGKILL');
    await once(called, 'exit');
  }
}
