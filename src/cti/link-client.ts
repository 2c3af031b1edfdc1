/**
 * The client's side of the CTI link as a state machine: after each connection it goes on where it was (RequestResume), or takes the
 * calls that run (RequestStartCallMonitoring) when it is new, or the link's server is, or it was away for too long.
 */
import { readEvent } from './event-reader.ts';
import type { Acknowledgement, CallEvent, ErrorEvent, LinkConnected, PartyInfo } from './events.ts';
import type { CtiRequest } from './requests.ts';

type Unreferenced<R> = R extends unknown ? Omit<R, 'ReferenceID'> : never;
/** A request before it has its number. */
export type UnreferencedRequest = Unreferenced<CtiRequest>;

export type LinkOutput =
  | { type: 'send'; text: string }
  /** In the order of the link, each once. */
  | { type: 'event'; event: CallEvent | PartyInfo }
  /** Subscribed: from here on nothing is missed. */
  | { type: 'ready'; resumed: boolean }
  /** Events after this number were lost; null: how many is not known, for it was another life of the link's server. */
  | { type: 'gap'; afterSeq: number | null }
  | { type: 'answer'; referenceId: number; answer: Acknowledgement | ErrorEvent }
  /** The connection is of no use: close it and begin anew. */
  | { type: 'fault'; reason: string };

const MAX_REFERENCE_ID = 2 ** 31 - 1;

export class LinkClient {
  /** Of the life that {@link lastSeq} belongs to. */
  #linkId: string | null = null;
  #lastSeq = 0;
  #nextReferenceId = 1;
  /** The request that is to subscribe, while its answer is waited for. */
  #subscribing: { referenceId: number; resumes: boolean } | null = null;
  #connected: LinkConnected | null = null;

  /** What the server has said of itself; null: not connected. */
  get connected(): LinkConnected | null {
    return this.#connected;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  closed(): void {
    this.#connected = null;
    this.#subscribing = null;
  }

  request(request: UnreferencedRequest): { referenceId: number; text: string } {
    const referenceId = this.#nextReferenceId;
    this.#nextReferenceId = referenceId === MAX_REFERENCE_ID ? 1 : referenceId + 1;
    return { referenceId, text: JSON.stringify({ ...request, ReferenceID: referenceId }) };
  }

  received(text: string): LinkOutput[] {
    let event: ReturnType<typeof readEvent>;
    try {
      event = readEvent(text);
    } catch (error) {
      return [{ type: 'fault', reason: (error as Error).message }];
    }
    if (event === null) return [];
    switch (event.message) {
      case 'EventLinkConnected':
        return this.#onConnected(event);
      case 'EventACK':
      case 'EventRegistered':
      case 'EventUnregistered':
      case 'EventError':
        return this.#onAnswer(event);
      case 'EventPartyInfo':
        return [{ type: 'event', event }];
      default:
        return this.#onCallEvent(event);
    }
  }

  #onConnected(connected: LinkConnected): LinkOutput[] {
    this.#connected = connected;
    const { LinkID } = connected;
    if (this.#linkId === null) return [this.#beginAnew()];
    if (this.#linkId !== LinkID) return [{ type: 'gap', afterSeq: null }, this.#beginAnew()];
    const where = { LinkID, EventSequenceNumber: this.#lastSeq };
    return [this.#subscribe({ message: 'RequestResume', ...where, CallMonitoring: true }, true)];
  }

  /** There is nothing to go back to until the calls that run have been told. */
  #beginAnew(): LinkOutput {
    this.#linkId = null;
    return this.#subscribe({ message: 'RequestStartCallMonitoring' }, false);
  }

  #subscribe(request: UnreferencedRequest, resumes: boolean): LinkOutput {
    const { referenceId, text } = this.request(request);
    this.#subscribing = { referenceId, resumes };
    return { type: 'send', text };
  }

  #onAnswer(answer: Acknowledgement | ErrorEvent): LinkOutput[] {
    const { ReferenceID: referenceId } = answer;
    if (referenceId === null) return [{ type: 'fault', reason: 'the server could not read a request of ours' }];
    if (this.#subscribing?.referenceId !== referenceId) return [{ type: 'answer', referenceId, answer }];
    const { resumes } = this.#subscribing;
    this.#subscribing = null;
    if (answer.message !== 'EventError') {
      if (!resumes) {
        this.#linkId = this.#connected?.LinkID ?? null;
        this.#lastSeq = answer.EventSequenceNumber ?? 0;
      }
      return [{ type: 'ready', resumed: resumes }];
    }
    if (!resumes || answer.Error !== 'gap') return [{ type: 'fault', reason: answer.ErrorMessage ?? answer.Error }];
    return [{ type: 'gap', afterSeq: this.#lastSeq }, this.#beginAnew()];
  }

  /** All calls are monitored, so a number that is missing is an event that was lost. */
  #onCallEvent(event: CallEvent): LinkOutput[] {
    const { EventSequenceNumber: seq } = event;
    if (this.#subscribing && !this.#subscribing.resumes) return [];
    if (seq <= this.#lastSeq) return [];
    const before = this.#lastSeq;
    this.#lastSeq = seq;
    const known: LinkOutput = { type: 'event', event };
    return seq === before + 1 ? [known] : [{ type: 'gap', afterSeq: before }, known];
  }
}
