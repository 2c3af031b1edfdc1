/**
 * libsrtp as a peer: its driver is compiled here and asked over pipes, by tests for its opinion and by benchmarks for its time.
 * LIBSRTP_PREFIX selects another build than the system's.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';

const ROOTS = [path.resolve(import.meta.dirname, '../..'), path.resolve(import.meta.dirname, '../../..')];
/** As in the driver. */
const MAX_SESSIONS = 4096;
const SOURCE = 'bench/peers/libsrtp-driver.c';

/** What `open` needs to know. */
export interface LibsrtpSession {
  suite: string;
  direction: 'protect' | 'unprotect';
  keyAndSalt: Uint8Array;
  mki?: Uint8Array | null;
  /** 0: libsrtp's own choice, 128. */
  windowPackets?: number;
  unencryptedSrtcp?: boolean;
  /** Of the one stream whose ROC is to be set. */
  ssrc?: number;
}

export interface Timed {
  /** Of the first session. */
  id: number;
  sessions: number;
  /** Which of them the first packet is for. */
  first: number;
  /** RTP packets of so many octets, each in a slot with room for a trailer. */
  slots: Uint8Array;
  bytes: number;
  slotBytes: number;
}

export interface Timing {
  /** Of each run of 256 packets. */
  ns: number[];
  /** Of each packet afterwards. */
  bytes: number;
  slots: Buffer;
}

interface Question {
  rawBytes: number;
  resolve: (answer: { line: string; raw: Buffer }) => void;
  reject: (error: Error) => void;
}

/** Compiles the driver into the folder. @returns null, or what the compiler says. */
function compile(folder: string, prefix: string | null): string | null {
  const root = ROOTS.find((candidate) => existsSync(path.join(candidate, SOURCE)));
  if (!root) return `${SOURCE} is not part of the package`;
  const lib = `${prefix}/lib`;
  const where = prefix ? [`-I${prefix}/include`, `-L${lib}`, `-Wl,-rpath,${lib}`] : [];
  const args = ['-std=c11', '-O2', '-Wall', '-Werror', '-o', path.join(folder, 'driver'), path.join(root, SOURCE)];
  const { error, status, stderr } = spawnSync('cc', [...args, ...where, '-lsrtp2']);
  if (error) return error.message;
  return status === 0 ? null : stderr.toString();
}

export class Libsrtp {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #folder: string;
  readonly #questions: Question[] = [];
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #neededBytes = 1;
  #freeIds = Array.from({ length: MAX_SESSIONS }, (_, n) => MAX_SESSIONS - 1 - n);

  private constructor(folder: string) {
    this.#folder = folder;
    this.#process = spawn(path.join(folder, 'driver'), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdout.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#process.stdin.on('error', () => {}); // what counts is the exit
    this.#process.on('exit', (code) => {
      for (const { reject } of this.#questions.splice(0)) reject(new Error(`the libsrtp driver ended with ${code}`));
    });
  }

  /** @returns the driver, or a sentence about what is missing. */
  static start(prefix: string | null = process.env.LIBSRTP_PREFIX ?? null): Libsrtp | string {
    const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-libsrtp-'));
    const fault = compile(folder, prefix);
    if (fault === null) return new Libsrtp(folder);
    rmSync(folder, { recursive: true });
    return `install gcc, libc6-dev and libsrtp2-dev (Debian), or set LIBSRTP_PREFIX, to run this: ${fault.split('\n')[0]}`;
  }

  async version(): Promise<string> {
    return (await this.#ask('version')).line;
  }

  async hasSuite(suite: string): Promise<boolean> {
    return (await this.#ask(`probe ${suite}`)).line === 'ok';
  }

  /** @returns the session's number; they follow each other as long as none is closed. */
  async open(session: LibsrtpSession): Promise<number> {
    const id = this.#freeIds.pop();
    if (id === undefined) throw new RangeError('too many sessions');
    const { suite, direction, keyAndSalt, mki, windowPackets = 0, unencryptedSrtcp, ssrc } = session;
    const way = direction === 'protect' ? 'out' : 'in';
    const srtcp = unencryptedSrtcp ? 'clear' : 'encrypted';
    const words = [suite, way, hex(keyAndSalt), mki ? hex(mki) : '-', windowPackets, srtcp, ssrc ?? 'any'];
    const { line } = await this.#ask(`open ${id} ${words.join(' ')}`);
    if (line !== 'ok') throw new Error(`libsrtp: ${line}`);
    return id;
  }

  /** RFC 3711 section 3.3.1: the ROC that the stream's next packet has. */
  async setRoc(id: number, ssrc: number, roc: number): Promise<void> {
    const { line } = await this.#ask(`roc ${id} ${ssrc} ${roc}`);
    if (line !== 'ok') throw new Error(`libsrtp: ${line}`);
  }

  /** @returns the packet, or null when libsrtp refuses it. */
  async convert(id: number, kind: 'rtp' | 'rtcp', packet: Uint8Array): Promise<Buffer | null> {
    const { line } = await this.#ask(`${kind} ${id} ${hex(packet)}`);
    return line.startsWith('error') ? null : Buffer.from(line, 'hex');
  }

  /** Times the packets, dealt to the sessions in turn. */
  async time({ id, sessions, first, slots, bytes, slotBytes }: Timed): Promise<Timing> {
    const question = `time ${id} ${sessions} ${first % sessions} ${bytes} ${slots.length / slotBytes} ${slotBytes}`;
    const { line, raw } = await this.#ask(question, slots);
    const [length, ...ns] = line.split(' ').map(Number) as [number, ...number[]];
    return { ns, bytes: length, slots: raw };
  }

  async closeSession(id: number): Promise<void> {
    await this.#ask(`close ${id}`);
    this.#freeIds.push(id);
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #ask(line: string, raw?: Uint8Array): Promise<{ line: string; raw: Buffer }> {
    return new Promise((resolve, reject) => {
      this.#questions.push({ rawBytes: raw?.length ?? 0, resolve, reject });
      this.#process.stdin.write(`${line}\n`);
      if (raw) this.#process.stdin.write(raw);
    });
  }

  #onData(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes < this.#neededBytes) return; // a large answer: not joined for each of its pieces
    let rest = Buffer.concat(this.#received);
    for (let answered = 0; ; rest = rest.subarray(answered)) {
      answered = this.#answer(rest);
      if (answered === 0) break;
    }
    this.#received = [rest];
    this.#receivedBytes = rest.length;
  }

  /** @returns the octets of the answer that the bytes begin with; 0 when it is not there as a whole. */
  #answer(bytes: Buffer): number {
    const [question] = this.#questions;
    const end = bytes.indexOf('\n') + 1;
    this.#neededBytes = bytes.length + 1;
    if (!question || end === 0) return 0;
    const isRefused = bytes.subarray(0, 5).equals(Buffer.from('error'));
    const whole = end + (isRefused ? 0 : question.rawBytes);
    this.#neededBytes = whole;
    if (bytes.length < whole) return 0;
    this.#questions.shift();
    question.resolve({ line: bytes.toString('latin1', 0, end - 1), raw: Buffer.from(bytes.subarray(end, whole)) });
    return whole;
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
