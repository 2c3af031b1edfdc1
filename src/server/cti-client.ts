/**
 * The recording server's connection to a CTI link: kept up for as long as the server runs, with longer and longer waits between
 * attempts. Where it goes on after a loss is src/cti/link-client.ts' affair.
 */
import { readFileSync } from 'node:fs';
import { type ClientOptions, WebSocket } from 'ws';
import {
  type Acknowledgement,
  BackOff,
  type CallEvent,
  type ErrorEvent,
  LinkClient,
  type LinkOutput,
  MAX_EVENT_BYTES,
  type PartyInfo,
  type PrivateMessages,
  type UnreferencedRequest,
} from '../cti/index.ts';
import type { Secret } from '../secret.ts';

export interface CtiClientOptions {
  url: string;
  /** Null: the client certificate is shown instead. */
  token: Secret | null;
  /** PEM files, read again for each connection. */
  ca: string | null;
  cert: string | null;
  key: string | null;
  onEvent: (event: CallEvent | PartyInfo) => void;
  log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  backOff?: { firstMs: number; maxMs: number };
}

export interface CtiLinkState {
  /** Subscribed: events come. */
  isUp: boolean;
  events: number;
  losses: number;
  gaps: number;
}

/** A request that the switch did not carry out, or that could not be asked. */
export class CtiRequestFailed extends Error {
  override readonly name = 'CtiRequestFailed';
  /** As EventError says it; `link-down` when there was nobody to ask. */
  readonly error: string;

  constructor(error: string, message: string) {
    super(message);
    this.error = error;
  }
}

interface Waiting {
  resolve: (answer: Acknowledgement) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

const BACK_OFF = { firstMs: 250, maxMs: 30_000 };
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Keep-alive intervals without a word, after which the link counts as lost. */
const SILENT_INTERVALS = 2.5;
const REQUEST_TIMEOUT_MS = 10_000;

export class CtiClient {
  readonly #options: CtiClientOptions;
  readonly #link = new LinkClient();
  readonly #backOff: BackOff;
  readonly #waiting = new Map<number, Waiting>();
  #socket: WebSocket | null = null;
  #retryTimer: NodeJS.Timeout | null = null;
  #silenceTimer: NodeJS.Timeout | null = null;
  #isClosed = false;
  #isUp = false;
  #counts = { events: 0, losses: 0, gaps: 0 };
  /** Said once, not with each attempt. */
  #lastProblem = '';

  constructor(options: CtiClientOptions) {
    this.#options = options;
    this.#backOff = new BackOff({ ...BACK_OFF, ...options.backOff, random: Math.random });
  }

  get state(): CtiLinkState {
    return { isUp: this.#isUp, ...this.#counts };
  }

  /** Null: not connected. */
  get privateMessages(): PrivateMessages | null {
    return this.#isUp ? (this.#link.connected?.PrivateMessages ?? null) : null;
  }

  start(): void {
    this.#connect();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#retryTimer) clearTimeout(this.#retryTimer);
    this.#socket?.terminate();
    this.#onLost('closed here');
  }

  /** Rejects with CtiRequestFailed. */
  request(request: UnreferencedRequest, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Acknowledgement> {
    const socket = this.#socket;
    if (!this.#isUp || !socket) return Promise.reject(new CtiRequestFailed('link-down', 'the CTI link is down'));
    const { referenceId, text } = this.#link.request(request);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(referenceId);
        reject(new CtiRequestFailed('timeout', `no answer over the CTI link within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(referenceId, { resolve, reject, timer });
      socket.send(text);
    });
  }

  #connect(): void {
    this.#retryTimer = null;
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#options.url, this.#connectionOptions());
    } catch (error) {
      // A file that can't be read may be there again with the next attempt.
      this.#problem((error as Error).message);
      return this.#tryLater();
    }
    this.#socket = socket;
    this.#watchSilence(HANDSHAKE_TIMEOUT_MS * 2);
    socket.on('message', (data, isBinary) => {
      if (!isBinary && this.#socket === socket) this.#onMessage(String(data));
    });
    socket.on('ping', () => this.#onHeard());
    socket.on('error', (error) => this.#problem(explained(error.message)));
    socket.on('close', (code, reason) => {
      if (this.#socket !== socket) return;
      this.#onLost(`${code} ${reason}`.trim());
      if (!this.#isClosed) this.#tryLater();
    });
  }

  #connectionOptions(): ClientOptions {
    const { token, ca, cert, key } = this.#options;
    const read = (name: string | null) => (name === null ? undefined : readFileSync(name, 'utf8'));
    const authorization = token && `Bearer ${Buffer.from(token.reveal()).toString('latin1')}`;
    return {
      ...{ ca: read(ca), cert: read(cert), key: read(key), minVersion: 'TLSv1.2' },
      ...{ handshakeTimeout: HANDSHAKE_TIMEOUT_MS, maxPayload: MAX_EVENT_BYTES },
      ...{ perMessageDeflate: false, followRedirects: false },
      headers: authorization ? { authorization } : {},
    };
  }

  #tryLater(): void {
    if (this.#isClosed) return;
    this.#retryTimer = setTimeout(() => this.#connect(), this.#backOff.nextMs()).unref();
  }

  #onMessage(text: string): void {
    for (const output of this.#link.received(text)) {
      // A fault among them ends the connection, and what is behind it belongs to nobody.
      if (this.#socket) this.#carryOut(output);
    }
    this.#onHeard();
  }

  #carryOut(output: LinkOutput): void {
    switch (output.type) {
      case 'send':
        return this.#socket?.send(output.text);
      case 'event':
        return this.#onEvent(output.event);
      case 'ready':
        return this.#onReady(output.resumed);
      case 'gap':
        this.#counts.gaps += 1;
        return this.#options.log.error(
          { afterSeq: output.afterSeq },
          'CTI events were lost: the calls are asked for anew',
        );
      case 'answer':
        return this.#onAnswer(output.referenceId, output.answer);
      case 'fault':
        this.#problem(output.reason);
        this.#socket?.terminate();
    }
  }

  #onEvent(event: CallEvent | PartyInfo): void {
    this.#counts.events += 1;
    try {
      this.#options.onEvent(event);
    } catch (error) {
      this.#options.log.error({ err: error, event: event.message }, 'a CTI event could not be taken in');
    }
  }

  #onReady(resumed: boolean): void {
    this.#isUp = true;
    this.#lastProblem = '';
    this.#backOff.succeeded();
    this.#options.log.info({ resumed, afterSeq: this.#link.lastSeq }, 'the CTI link is up');
  }

  #onAnswer(referenceId: number, answer: Acknowledgement | ErrorEvent): void {
    const waiting = this.#waiting.get(referenceId);
    if (!waiting) return;
    this.#waiting.delete(referenceId);
    clearTimeout(waiting.timer);
    if (answer.message !== 'EventError') return waiting.resolve(answer);
    waiting.reject(new CtiRequestFailed(answer.Error, answer.ErrorMessage ?? `error ${answer.ErrorCode}`));
  }

  #onHeard(): void {
    const keepAliveMs = this.#link.connected?.KeepAliveMs;
    if (keepAliveMs !== undefined) this.#watchSilence(keepAliveMs * SILENT_INTERVALS);
  }

  #watchSilence(afterMs: number): void {
    if (this.#silenceTimer) clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      this.#problem('nothing was heard for too long');
      this.#socket?.terminate();
    }, afterMs).unref();
  }

  #onLost(reason: string): void {
    if (this.#silenceTimer) clearTimeout(this.#silenceTimer);
    this.#socket = null;
    this.#link.closed();
    if (this.#isUp) {
      this.#isUp = false;
      this.#counts.losses += 1;
      if (!this.#isClosed) this.#options.log.warn({ reason }, 'the CTI link is lost: it is taken up again');
    }
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new CtiRequestFailed('link-down', 'the CTI link was lost before the answer came'));
    }
    this.#waiting.clear();
  }

  #problem(reason: string): void {
    if (reason === this.#lastProblem) return;
    this.#lastProblem = reason;
    this.#options.log.warn({ reason, url: this.#options.url }, 'the CTI link cannot be used');
  }
}

function explained(message: string): string {
  if (message.includes('401')) return `${message}: check cti.token`;
  if (message.includes('403')) return `${message}: the link wants a token, or a certificate of an authority it trusts`;
  return message;
}
