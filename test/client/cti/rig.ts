/** A CTI link's server over a fake switch, and clients over real WebSockets. */
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import type { CtiConfig } from '../../../src/client/config/types.ts';
import { type CtiLimits, CtiServer } from '../../../src/client/cti/index.ts';
import { FakeSwitch } from './fake-switch.ts';

export const TOKEN = 'correct-horse-battery-staple';
const WAIT_MS = 15_000;

export type Message = Record<string, unknown> & { message: string };

export interface Logged {
  level: 'debug' | 'info' | 'warn' | 'error';
  fields: Record<string, unknown>;
  message: string;
}

export interface Rig {
  switch: FakeSwitch;
  server: CtiServer;
  logged: Logged[];
  connect(options?: ClientOptions): Promise<CtiPeer>;
}

export const PRIVATE_MESSAGES = { start: 3013, stop: 3014, pause: 3015, resume: 3016 };

export async function startRig(
  t: Pick<TestContext, 'after'>,
  given: { config?: Partial<CtiConfig>; limits?: Partial<CtiLimits>; fake?: FakeSwitch; host?: string } = {},
): Promise<Rig> {
  const fake = given.fake ?? new FakeSwitch();
  const config: CtiConfig = {
    ...{ host: '127.0.0.1', port: 0, tokens: [TOKEN], tls: null, privateMessages: PRIVATE_MESSAGES },
    ...given.config,
  };
  const logged: Logged[] = [];
  const logs = (level: Logged['level']) => (fields: object, message: string) => {
    logged.push({ level, fields: fields as Record<string, unknown>, message });
  };
  const server = new CtiServer({
    config,
    calls: fake,
    knowsDn: (dn) => /^5\d{3}$/.test(dn),
    supervises: (dn) => dn === '5900',
    log: { debug: logs('debug'), info: logs('info'), warn: logs('warn'), error: logs('error') },
    limits: given.limits ?? {},
    host: given.host ?? 'switch1',
  });
  await server.start();
  const peers: CtiPeer[] = [];
  t.after(async () => {
    for (const peer of peers) peer.drop();
    await server.close();
  });
  const connect = async (options: ClientOptions = {}) => {
    const peer = await CtiPeer.open(server.url, options);
    peers.push(peer);
    return peer;
  };
  return { switch: fake, server, logged, connect };
}

/** A client that believes nothing: it keeps what comes and waits for what is asked for. */
export class CtiPeer {
  readonly socket: WebSocket;
  readonly received: Message[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #read = 0;
  #arrived: () => void = () => {};
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      this.received.push(JSON.parse(String(data)) as Message);
      this.#arrived();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    void this.closed.then(() => this.#arrived());
  }

  /** Rejects with `Error: Unexpected server response: STATUS` when it is refused. */
  static async open(url: string, options: ClientOptions = {}): Promise<CtiPeer> {
    const headers = { authorization: `Bearer ${TOKEN}`, ...options.headers };
    const socket = new WebSocket(url, { ...options, headers });
    const peer = new CtiPeer(socket);
    await once(socket, 'open');
    return peer;
  }

  send(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The next message that was not taken yet. */
  async next(): Promise<Message> {
    for (const end = performance.now() + WAIT_MS; this.#read >= this.received.length; ) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('the connection is closed');
      await this.#arrival(end - performance.now());
    }
    return this.received[this.#read++]!;
  }

  /** The next one with that name; those before it are let go. */
  async nextOf(...names: string[]): Promise<Message> {
    for (;;) {
      const message = await this.next();
      if (names.includes(message.message)) return message;
    }
  }

  async take(count: number): Promise<Message[]> {
    const taken: Message[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }

  /** Sends a request; resolves with its answer. Events before it are let go. */
  async ask(request: Record<string, unknown> & { message: string }): Promise<Message> {
    const ReferenceID = this.#nextId++;
    this.send({ ReferenceID, ...request });
    for (;;) {
      const answer = await this.nextOf('EventACK', 'EventError', 'EventRegistered', 'EventUnregistered');
      if (answer.ReferenceID === (request.ReferenceID ?? ReferenceID)) return answer;
    }
  }

  drop(): void {
    this.socket.terminate();
  }

  async #arrival(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#arrived = resolve;
      timer = setTimeout(() => reject(new Error(`nothing came within ${WAIT_MS} ms`)), waitMs);
    }).finally(() => clearTimeout(timer));
  }
}
