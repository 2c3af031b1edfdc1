/**
 * One client of the CTI link. Answers go out first, then what a new subscription is told of the calls that run, then the events of the
 * log from where this client has come to: it has a place in the log and no queue of its own, and is cut off when the log has
 * outrun it.
 */
import { performance } from 'node:perf_hooks';
import type { WebSocket } from 'ws';
import {
  CtiError,
  type CtiEvent,
  type CtiRequest,
  errorEvent,
  MAX_ADDRESSES,
  partyInfos,
  type ReplayLog,
  RequestRate,
  type RequestRateOptions,
  readRequest,
  Subscriptions,
} from '../../cti/index.ts';
import { carryOut, type RequestedOptions } from './requested.ts';

export interface SessionLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface CtiSessionOptions extends RequestedOptions {
  log: ReplayLog;
  linkId: string;
  keepAliveMs: number;
  rate: RequestRateOptions;
  /** Octets that may wait in the connection before the next message does. */
  highWaterBytes: number;
  /** Whether the switch has that DN. */
  knowsDn: (dn: string) => boolean;
  logger: SessionLog;
}

/** Codes of a WebSocket's end (RFC 6455 section 7.4). */
export const CLOSE = { goingAway: 1001, policy: 1008, tooSlow: 4008 } as const;

/** Answers and snapshots that wait: more is a client that asks and does not read. */
const MAX_WAITING = 256;
const MAX_UNDER_WAY = 32;

export class CtiSession {
  readonly subscriptions: Subscriptions;
  /** For the records of who has done what. */
  readonly actor: string;
  readonly #socket: WebSocket;
  readonly #options: CtiSessionOptions;
  readonly #rate: RequestRate;
  readonly #answers: CtiEvent[] = [];
  readonly #snapshots: Iterator<CtiEvent>[] = [];
  #underWay = 0;
  /** The last message is still on its way into the connection. */
  #isBlocked = false;
  #isAlive = true;
  #isOver = false;

  constructor(socket: WebSocket, actor: string, options: CtiSessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.actor = actor;
    this.subscriptions = new Subscriptions(options.log, MAX_ADDRESSES);
    this.#rate = new RequestRate(options.rate, performance.now());
    socket.on('message', (data, isBinary) => this.#onMessage(isBinary ? null : String(data)));
    socket.on('ping', () => this.#mayAsk());
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    socket.on('close', () => this.#end());
    // An error is followed by the end; what it was (a message too long, no UTF-8) is the client's affair.
    socket.on('error', (error) => options.logger.debug({ err: error, actor }, 'CTI connection'));
    this.#greet();
  }

  /** Writes what is to be told, as far as the client reads it. */
  pump(): void {
    if (this.subscriptions.isOutrun) return this.cutOff(CLOSE.tooSlow, 'events were made faster than they were read');
    try {
      while (!this.#isBlocked && !this.#isOver) {
        const text = this.#nextText();
        if (text === null) return;
        this.#write(text);
      }
    } catch (error) {
      if (!(error instanceof CtiError)) throw error;
      this.cutOff(CLOSE.tooSlow, error.message);
    }
  }

  /** Once for each keep-alive interval: whoever has not answered the ping of the one before is gone. */
  keepAlive(): void {
    if (this.#isOver) return;
    if (!this.#isAlive) return this.#giveUp();
    this.#isAlive = false;
    this.#socket.ping();
  }

  close(): void {
    this.#socket.close(CLOSE.goingAway, 'the CTI link is being closed');
  }

  /** A client that does not read would not read a farewell either: it is not waited for. */
  cutOff(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#options.logger.warn({ actor: this.actor, reason }, 'CTI client cut off');
    this.#end();
    if (this.#socket.bufferedAmount < this.#options.highWaterBytes) this.#socket.close(code, reason);
    else this.#socket.terminate();
  }

  #giveUp(): void {
    this.#options.logger.warn({ actor: this.actor, reason: 'no answer to a ping' }, 'CTI client cut off');
    this.#end();
    this.#socket.terminate();
  }

  #end(): void {
    this.#isOver = true;
    this.#answers.length = 0;
    this.#snapshots.length = 0;
  }

  #greet(): void {
    const { linkId, log, keepAliveMs, privateMessages } = this.#options;
    this.#answer({
      message: 'EventLinkConnected',
      LinkID: linkId,
      EventSequenceNumber: log.last,
      OldestSequenceNumber: log.oldestAfter,
      KeepAliveMs: keepAliveMs,
      PrivateMessages: privateMessages,
    });
  }

  #nextText(): string | null {
    const answer = this.#answers.shift();
    if (answer) return JSON.stringify(answer);
    for (let [snapshot] = this.#snapshots; snapshot; [snapshot] = this.#snapshots) {
      const next = snapshot.next();
      if (!next.done) return JSON.stringify(next.value);
      this.#snapshots.shift();
    }
    return this.subscriptions.next()?.text ?? null;
  }

  #write(text: string): void {
    this.#socket.send(text, () => {
      if (!this.#isBlocked) return;
      if (this.#socket.bufferedAmount >= this.#options.highWaterBytes) return;
      this.#isBlocked = false;
      this.pump();
    });
    this.#isBlocked = this.#socket.bufferedAmount >= this.#options.highWaterBytes;
  }

  #answer(event: CtiEvent): void {
    if (this.#answers.length >= MAX_WAITING) return this.cutOff(CLOSE.tooSlow, 'asks and does not read the answers');
    this.#answers.push(event);
    this.pump();
  }

  /** @returns false when this request is not to be looked at. */
  #mayAsk(): boolean {
    if (this.#isOver) return false;
    const verdict = this.#rate.take(performance.now());
    if (verdict === 'ok') return true;
    if (verdict === 'flood') this.cutOff(CLOSE.policy, 'too many requests');
    return false;
  }

  #onMessage(text: string | null): void {
    this.#isAlive = true;
    if (this.#isOver) return;
    if (!this.#mayAsk()) return this.#refuse(text);
    let referenceId: number | null = null;
    try {
      if (text === null) throw new CtiError('invalid-attribute', 'messages are text, not binary');
      const request = readRequest(text);
      referenceId = request.ReferenceID;
      this.#onRequest(request);
    } catch (error) {
      this.#onFailure(error, referenceId);
    }
  }

  #refuse(text: string | null): void {
    if (this.#isOver) return;
    const { perSec } = this.#options.rate;
    // Its number is still told: the client knows then which one to send again.
    const id = /"ReferenceID"\s{0,8}:\s{0,8}(\d{1,10})\b/.exec(text?.slice(0, 1024) ?? '')?.[1];
    const error = new CtiError('too-fast', `more than ${perSec} requests per second`, id ? Number(id) : null);
    this.#answer(errorEvent(error));
  }

  #onRequest(request: CtiRequest): void {
    const { ReferenceID: id } = request;
    switch (request.message) {
      case 'RequestRegisterAddress':
        return this.#register(id, request.ThisDN);
      case 'RequestUnregisterAddress':
        if (!this.subscriptions.unregister(request.ThisDN)) {
          throw new CtiError('not-registered', `${request.ThisDN} is not registered`);
        }
        return this.#answer({ message: 'EventUnregistered', ReferenceID: id, ThisDN: request.ThisDN });
      case 'RequestStartCallMonitoring':
        if (this.subscriptions.monitorsAll) throw new CtiError('wrong-state', 'all calls are monitored already');
        this.subscriptions.monitorAll(true);
        return this.#tellCalls(id, null);
      case 'RequestStopCallMonitoring':
        if (!this.subscriptions.monitorsAll) throw new CtiError('wrong-state', 'calls are not monitored');
        this.subscriptions.monitorAll(false);
        return this.#answer({ message: 'EventACK', ReferenceID: id });
      case 'RequestResume':
        return this.#resume(request);
      default:
        return this.#carryOut(request);
    }
  }

  #register(referenceId: number, dn: string): void {
    if (!this.#options.knowsDn(dn)) throw new CtiError('unknown-dn', `the switch has no DN ${dn}`);
    if (!this.subscriptions.register(dn)) throw new CtiError('wrong-state', `${dn} is registered already`);
    this.#tellCalls(referenceId, dn);
  }

  #resume(request: Extract<CtiRequest, { message: 'RequestResume' }>): void {
    const { ReferenceID, LinkID, EventSequenceNumber, Addresses = [], CallMonitoring = false } = request;
    const { log, linkId, knowsDn } = this.#options;
    if (LinkID !== linkId) {
      throw new CtiError('gap', 'the link has begun anew since: register anew and take the calls');
    }
    const unknown = Addresses.find((dn) => !knowsDn(dn));
    if (unknown !== undefined) throw new CtiError('unknown-dn', `the switch has no DN ${unknown}`);
    if (Addresses.length === 0 && !CallMonitoring) {
      throw new CtiError('invalid-attribute', 'give Addresses or CallMonitoring: there is nothing to resume');
    }
    this.subscriptions.resume(EventSequenceNumber, Addresses, CallMonitoring);
    this.#answer({ message: 'EventACK', ReferenceID, EventSequenceNumber: log.last });
  }

  /** Those that run now; the answer ends them, so that who has it has all of them. */
  #tellCalls(referenceId: number, dn: string | null): void {
    if (this.#snapshots.length >= MAX_WAITING) throw new CtiError('too-many', 'too many registrations at once');
    const { log, calls } = this.#options;
    const last = log.last;
    const views = dn === null ? calls.calls() : calls.callsOf(dn);
    const dns = dn === null ? null : new Set([dn]);
    function* told(): Generator<CtiEvent> {
      for (const call of views) if (call.state !== 'ended') yield* partyInfos(call, dns, referenceId);
      if (dn === null) yield { message: 'EventACK', ReferenceID: referenceId, EventSequenceNumber: last };
      else yield { message: 'EventRegistered', ReferenceID: referenceId, ThisDN: dn, EventSequenceNumber: last };
    }
    this.#snapshots.push(told());
    this.pump();
  }

  #carryOut(request: Parameters<typeof carryOut>[0]): void {
    if (this.#underWay >= MAX_UNDER_WAY) throw new CtiError('too-many', `${MAX_UNDER_WAY} requests are under way`);
    this.#underWay += 1;
    carryOut(request, this, this.#options)
      .then(
        (answer) => this.#answer(answer),
        (error: unknown) => this.#onFailure(error, request.ReferenceID),
      )
      .finally(() => {
        this.#underWay -= 1;
      });
  }

  #onFailure(error: unknown, referenceId: number | null): void {
    if (error instanceof CtiError) return this.#answer(errorEvent(error, referenceId ?? error.referenceId));
    this.#options.logger.error({ err: error, actor: this.actor }, 'a CTI request failed');
    const told = new CtiError('internal', 'the request failed: the log of the recording client says why');
    this.#answer(errorEvent(told, referenceId));
  }
}
