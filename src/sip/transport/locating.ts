/**
 * Locating SIP servers (RFC 3263): NAPTR, SRV, addresses. A search asks questions and gives targets, one after the other, as
 * they are wanted; who runs it brings the answers. No I/O, no clock, and chance comes from outside.
 */
import { isIP } from 'node:net';
import { defaultPort, type Flow, type TransportName } from './flow.ts';
import type { NextHop } from './next-hop.ts';

export type Question = { type: 'NAPTR' | 'SRV' | 'ADDRESS'; name: string };

export interface Naptr {
  order: number;
  preference: number;
  flags: string;
  service: string;
  replacement: string;
}

export interface Srv {
  priority: number;
  weight: number;
  port: number;
  name: string;
}

/** What DNS knows; the lists that were not asked for are empty. */
export interface Answer {
  naptr: readonly Naptr[];
  srv: readonly Srv[];
  addresses: readonly string[];
}

/** A search is run by handing over the answer to each question that it asks. */
export type Search = Generator<{ ask: Question } | { target: Flow }, void, Answer>;

export const NO_ANSWER: Answer = { naptr: [], srv: [], addresses: [] };

/** Records of one answer that are looked at. */
export const MAX_RECORDS = 32;
const SERVICES: Record<string, TransportName> = { 'sip+d2u': 'udp', 'sip+d2t': 'tcp', 'sips+d2t': 'tls' };
const SRV_PREFIX: Record<TransportName, string> = { udp: '_sip._udp', tcp: '_sip._tcp', tls: '_sips._tcp' };

export interface Service {
  transport: TransportName;
  /** Where the SRV records are. */
  name: string;
}

/** The targets of a next hop, best first. `supported` are our transports; `random` gives numbers from 0 to below 1. */
export function* targetsOf(hop: NextHop, supported: readonly TransportName[], random: () => number): Search {
  const { host, port } = hop;
  // 4.2: a numeric address or a port leaves nothing to SRV, and nothing to NAPTR either (4.1).
  if (isIP(host) > 0 || port > 0 || isLocal(host)) {
    yield* addressTargets(hop, host, port, hop.transport ?? defaultTransport(hop, supported));
    return;
  }
  let answered = false;
  for (const { transport, name } of yield* servicesOf(hop, supported)) {
    const records = (yield { ask: { type: 'SRV', name } }).srv.slice(0, MAX_RECORDS);
    answered ||= records.length > 0;
    // RFC 2782: a target of "." says that the service is decidedly not there.
    const usable = records.filter((record) => record.port > 0 && record.name !== '' && record.name !== '.');
    for (const record of inOrder(usable, random)) yield* addressTargets(hop, record.name, record.port, transport);
    if (usable.length > 0) return;
  }
  if (!answered) yield* addressTargets(hop, host, 0, hop.transport ?? defaultTransport(hop, supported));
}

/** RFC 6761 6.3: not a matter of the DNS. */
function isLocal(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost');
}

/** 4.1: TLS for sips, UDP for sip. */
function defaultTransport({ onlyTls }: NextHop, supported: readonly TransportName[]): TransportName {
  if (onlyTls) return 'tls';
  return supported.includes('udp') ? 'udp' : (supported[0] ?? 'udp');
}

/** 4.1: the transport that the URI names, else those of NAPTR that we speak, else every one that we speak. */
export function* servicesOf(
  hop: NextHop,
  supported: readonly TransportName[],
): Generator<{ ask: Question }, Service[], Answer> {
  const { host, transport, onlyTls } = hop;
  if (transport !== null) return [{ transport, name: `${SRV_PREFIX[transport]}.${host}` }];
  const spoken: readonly TransportName[] = onlyTls ? ['tls'] : supported;
  const { naptr } = yield { ask: { type: 'NAPTR', name: host } };
  const named = naptr
    .slice(0, MAX_RECORDS)
    .filter(({ flags, replacement }) => flags.toLowerCase() === 's' && replacement !== '' && replacement !== '.')
    .sort((a, b) => a.order - b.order || a.preference - b.preference)
    .flatMap(({ service, replacement }) => {
      const offered = SERVICES[service.toLowerCase()];
      return offered !== undefined && spoken.includes(offered) ? [{ transport: offered, name: replacement }] : [];
    });
  return named.length > 0 ? named : spoken.map((one) => ({ transport: one, name: `${SRV_PREFIX[one]}.${host}` }));
}

function* addressTargets(hop: NextHop, name: string, port: number, transport: TransportName): Search {
  const addresses = isIP(name) > 0 ? [name] : (yield { ask: { type: 'ADDRESS', name } }).addresses;
  for (const address of addresses.slice(0, MAX_RECORDS)) {
    const { connection, domain } = hop;
    const target: Flow = { transport, address, port: port || defaultPort(transport), connection };
    yield { target: transport === 'tls' ? { ...target, domain } : target };
  }
}

/**
 * RFC 2782: by priority; within one, "select a random number between 0 and the sum of the weights, and select the first record
 * whose running sum is greater than or equal to it", those of weight 0 first in the list, until none is left.
 */
export function inOrder(records: readonly Srv[], random: () => number): Srv[] {
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const ordered: Srv[] = [];
  while (left.length > 0) {
    const group = left.filter(({ priority }) => priority === left[0]!.priority);
    const sum = group.reduce((total, { weight }) => total + weight, 0);
    let rest = Math.floor(random() * (sum + 1));
    const chosen = group.find(({ weight }) => {
      rest -= weight;
      return rest <= 0;
    });
    ordered.push(chosen!);
    left.splice(left.indexOf(chosen!), 1);
  }
  return ordered;
}

/** Runs a search as far as the next target, when one is wanted. */
export class TargetList {
  readonly #search: Search;
  readonly #ask: (question: Question, callback: (answer: Answer) => void) => void;
  readonly #isLast: (target: Flow) => boolean;
  readonly #last: Flow[] = [];
  #answer: Answer = NO_ANSWER;

  /** Targets for which `isLast` is true come when there are no others. */
  constructor(
    search: Search,
    ask: (question: Question, callback: (answer: Answer) => void) => void,
    isLast: (target: Flow) => boolean = () => false,
  ) {
    this.#search = search;
    this.#ask = ask;
    this.#isLast = isLast;
  }

  /** Calls back with the next target, at once where nothing has to be asked; with null when there are no more. */
  next(callback: (target: Flow | null) => void): void {
    for (;;) {
      const { done, value } = this.#search.next(this.#answer);
      if (done) return callback(this.#last.shift() ?? null);
      if ('ask' in value) {
        if (!this.#asked(value.ask, callback)) return;
      } else if (this.#isLast(value.target)) this.#last.push(value.target);
      else return callback(value.target);
    }
  }

  /** True when the answer came at once; otherwise the search goes on when it comes. */
  #asked(question: Question, callback: (target: Flow | null) => void): boolean {
    let waiting = true;
    let late = false;
    this.#ask(question, (answer) => {
      this.#answer = answer;
      waiting = false;
      if (late) this.next(callback);
    });
    late = true;
    return !waiting;
  }
}
