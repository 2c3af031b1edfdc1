/** baresip's remote control (module ctrl_tcp): JSON in netstrings; commands one at a time, events as they come. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../recorder.ts';

export interface PhoneEvent {
  /** REGISTER_OK, CALL_INCOMING, CALL_ESTABLISHED, CALL_CLOSED, TRANSFER … */
  type: string;
  /** Call-ID. */
  id?: string;
  direction?: 'incoming' | 'outgoing';
  peeruri?: string;
  param?: string;
  /** Milliseconds since 1970. */
  atMs: number;
}

interface Answer {
  ok: boolean;
  data: string;
}

const ANSWERS_WITHIN_MS = 10_000;
const RETRY_MS = 10;
const COMMA = 0x2c;
const COLON = 0x3a;

/** The whole frames of what has been received, and what is left. */
function netstrings(received: Buffer): { frames: string[]; rest: Buffer } {
  const frames: string[] = [];
  for (;;) {
    const colon = received.indexOf(COLON);
    if (colon < 0) break;
    const bytes = Number(received.toString('latin1', 0, colon));
    const end = colon + 1 + bytes;
    if (received.length <= end) break;
    if (received[end] !== COMMA) throw new Error(`not a netstring: ${received.toString('latin1', 0, 80)}`);
    frames.push(received.toString('utf8', colon + 1, end));
    received = received.subarray(end + 1);
  }
  return { frames, rest: received };
}

export class CtrlTcp {
  onEvent: (event: PhoneEvent) => void = () => {};
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #answer: ((answer: Answer) => void) | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece) => this.#onData(piece));
    socket.on('error', () => {});
  }

  /** Tries until it listens. */
  static async connect(port: number, deadlineMs: number): Promise<CtrlTcp> {
    for (const end = performance.now() + deadlineMs; ; await delay(RETRY_MS)) {
      const socket = connect(port, '127.0.0.1');
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      });
      if (isOpen) return new CtrlTcp(socket);
      if (performance.now() > end) throw new Error(`baresip did not listen on port ${port} within ${deadlineMs} ms`);
    }
  }

  /** What it answers; rejects when the command failed. */
  command(command: string, params?: string): Promise<string> {
    const answered = this.#turn.then(() => this.#send(command, params));
    this.#turn = answered.catch(() => {});
    return answered;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #send(command: string, params?: string): Promise<string> {
    const text = JSON.stringify(params === undefined ? { command } : { command, params });
    const answered = new Promise<Answer>((resolve) => {
      this.#answer = resolve;
    });
    this.#socket.write(`${Buffer.byteLength(text)}:${text},`);
    const { ok, data } = await within(ANSWERS_WITHIN_MS, `the answer to ${command}`, answered);
    if (!ok) throw new Error(`baresip: ${command} ${params ?? ''} failed: ${data}`);
    return data;
  }

  #onData(piece: Buffer): void {
    const { frames, rest } = netstrings(Buffer.concat([this.#received, piece]));
    this.#received = rest;
    for (const frame of frames) {
      const message = JSON.parse(frame);
      if (message.response === true) this.#answer?.(message);
      else if (message.event === true) this.onEvent({ ...message, atMs: Date.now() });
    }
  }
}
