/**
 * rtpengine (Debian's rtpengine-daemon) as a peer: our own child process in user space (no kernel table), driven over its control protocol
 * NG, which is bencoded dictionaries in datagrams behind a cookie.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bencodable, decode, encode } from './bencode.ts';

export interface RtpengineOptions {
  address: string;
  controlPort: number;
  ports: { lo: number; hi: number };
  /** The core that it runs on. */
  core: string;
}

/** An address that media is sent to, or comes from. */
export interface MediaAddress {
  address: string;
  port: number;
}

type Dictionary = { [key: string]: Bencodable };

const ANSWER_WITHIN_MS = 2_000;
const START_TRIES = 50;
const START_WAIT_MS = 100;
/** Nobody looks at the calls of a benchmark before they are deleted. */
const CALL_TIMEOUT_S = 3_600;

export class NgError extends Error {
  override readonly name = 'NgError';
}

export class Rtpengine {
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  readonly #options: RtpengineOptions;
  readonly #waiting = new Map<string, (answer: Dictionary) => void>();
  #cookies = 0;

  private constructor(process: ChildProcess, socket: Socket, options: RtpengineOptions) {
    this.#process = process;
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (datagram) => this.#onAnswer(datagram));
  }

  /** @returns the version, or null when it is not installed. */
  static version(): string | null {
    const { error, stdout, stderr } = spawnSync('rtpengine', ['--version'], { encoding: 'utf8' });
    return error ? null : ((stdout + stderr).match(/Version: (\S+)/)?.[1] ?? 'unknown');
  }

  /** One thread, so that all it does is on one core. @throws Error when it does not come up. */
  static async start(options: RtpengineOptions): Promise<Rtpengine> {
    const { address, controlPort, ports, core } = options;
    const settings = [
      '--foreground',
      '--config-file=none',
      '--log-stderr',
      '--log-level=2',
      '--table=-1',
      `--interface=${address}`,
      `--listen-ng=${address}:${controlPort}`,
      `--port-min=${ports.lo}`,
      `--port-max=${ports.hi}`,
      '--num-threads=1',
      '--media-num-threads=1',
      `--timeout=${CALL_TIMEOUT_S}`,
      `--silent-timeout=${CALL_TIMEOUT_S}`,
    ];
    const child = spawn('taskset', ['-c', core, 'rtpengine', ...settings], { stdio: ['ignore', 'ignore', 'pipe'] });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill); // however the benchmark ends
    child.once('exit', () => process.off('exit', kill));
    let said = '';
    child.stderr!.on('data', (text) => (said = `${said}${text}`.slice(-2_000)));
    const socket = createSocket('udp4').unref();
    socket.bind(0, address);
    await once(socket, 'listening');
    const peer = new Rtpengine(child, socket, options);
    for (let tries = 0; tries < START_TRIES && child.exitCode === null; tries++) {
      if (await peer.ping()) return peer;
      await delay(START_WAIT_MS);
    }
    await peer.close();
    throw new Error(`rtpengine does not come up: ${said.trim().split('\n').at(-1)}`);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async ping(): Promise<boolean> {
    try {
      return (await this.#ask({ command: 'ping' }, START_WAIT_MS)).result === 'pong';
    } catch {
      return false;
    }
  }

  /** A call of two parties. @returns where the first one's media is to be sent, which goes on to `to`. */
  async forward(callId: string, from: MediaAddress, to: MediaAddress): Promise<MediaAddress> {
    await this.#ask({
      command: 'offer',
      'call-id': callId,
      'from-tag': 'a',
      replace: ['origin'],
      sdp: description(from, 'sendrecv'),
    });
    const { sdp } = await this.#ask({
      command: 'answer',
      'call-id': callId,
      'from-tag': 'a',
      'to-tag': 'b',
      replace: ['origin'],
      sdp: description(to, 'sendrecv'),
    });
    return mediaAddress(sdp);
  }

  /** One party whose media goes nowhere yet. @returns where it is to be sent. */
  async publish(callId: string, from: MediaAddress): Promise<MediaAddress> {
    const { sdp } = await this.#ask({
      command: 'publish',
      'call-id': callId,
      'from-tag': 'a',
      sdp: description(from, 'sendonly'),
    });
    return mediaAddress(sdp);
  }

  /**
   * Another place that the media of party `a` goes to.
   * @returns master key and salt of what it gets, if it is to be SRTP (SDES, RFC 4568).
   */
  async subscribe(callId: string, to: MediaAddress, isSrtp: boolean): Promise<Uint8Array | null> {
    const request = await this.#ask({
      command: 'subscribe request',
      'call-id': callId,
      'from-tag': 'a',
      ...(isSrtp ? { 'transport-protocol': 'RTP/SAVP' } : {}),
    });
    const offered = isSrtp ? offeredKey(request.sdp) : null;
    await this.#ask({
      command: 'subscribe answer',
      'call-id': callId,
      'to-tag': request['to-tag']!,
      sdp: description(to, 'recvonly', offered?.tag),
    });
    return offered?.keyAndSalt ?? null;
  }

  async delete(callId: string): Promise<void> {
    await this.#ask({ command: 'delete', 'call-id': callId, 'delete-delay': 0 });
  }

  async close(): Promise<void> {
    this.#socket.close();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }

  /** @throws NgError */
  async #ask(command: Dictionary, withinMs = ANSWER_WITHIN_MS): Promise<Dictionary> {
    const cookie = `doubletrack-${this.#cookies++}`;
    const { address, controlPort } = this.#options;
    const answered = new Promise<Dictionary>((resolve) => this.#waiting.set(cookie, resolve));
    this.#socket.send(`${cookie} ${encode(command)}`, controlPort, address);
    const answer = await Promise.race([answered, delay(withinMs, null)]);
    this.#waiting.delete(cookie);
    if (!answer) throw new NgError(`rtpengine does not answer to ${command.command}`);
    if (answer.result === 'error') throw new NgError(`rtpengine, ${command.command}: ${answer['error-reason']}`);
    return answer;
  }

  #onAnswer(datagram: Buffer): void {
    const space = datagram.indexOf(' ');
    this.#waiting.get(datagram.toString('latin1', 0, space))?.(decode(datagram.subarray(space + 1)) as Dictionary);
  }
}

const SUITE = 'AES_CM_128_HMAC_SHA1_80';

/** Of the suite that every contender uses. */
function offeredKey(sdp: Bencodable | undefined): { tag: string; keyAndSalt: Uint8Array } {
  const [, tag, key] = String(sdp).match(new RegExp(`^a=crypto:(\\d+) ${SUITE} inline:([A-Za-z0-9+/=]+)`, 'm')) ?? [];
  if (!tag || !key) throw new NgError(`rtpengine: no ${SUITE} in ${sdp}`);
  return { tag, keyAndSalt: Buffer.from(key, 'base64') };
}

/** @param cryptoTag of the offer's crypto line that is taken; left out: in the clear */
function description({ address, port }: MediaAddress, direction: string, cryptoTag?: string): string {
  const ownKey = randomBytes(30).toString('base64');
  const lines = [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/${cryptoTag ? 'S' : ''}AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    `a=${direction}`,
    ...(cryptoTag ? [`a=crypto:${cryptoTag} ${SUITE} inline:${ownKey}`] : []),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function mediaAddress(sdp: Bencodable | undefined): MediaAddress {
  const [, port] = String(sdp).match(/^m=audio (\d+) /m) ?? [];
  const [, address] = String(sdp).match(/^c=IN IP4 (\S+)/m) ?? [];
  if (!port || !address) throw new NgError(`rtpengine: no media address in ${sdp}`);
  return { address, port: Number(port) };
}
