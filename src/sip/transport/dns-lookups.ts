/**
 * Answers of the DNS, remembered for as long as they hold, within bounds. Addresses come from the system (hosts file and all),
 * unless servers are configured: then everything is asked of those.
 */
import dns from 'node:dns';
import { performance } from 'node:perf_hooks';
import type { TransportName } from './flow.ts';
import { type Answer, NO_ANSWER, type Question, TargetList, targetsOf } from './locating.ts';
import { nextHop } from './next-hop.ts';

/** Node tells no TTL of NAPTR, SRV and the system's addresses: they are remembered for this long. */
const UNTOLD_TTL_MS = 30_000;
const LONGEST_TTL_MS = 3_600_000;
/** That there is nothing is soon asked again. */
const NOTHING_TTL_MS = 5_000;
const MAX_REMEMBERED = 1_024;
const MAX_RECORDS = 64;
const QUERY_TIMEOUT_MS = 1_500;
const QUERY_TRIES = 2;

interface Remembered {
  answer: Answer;
  until: number;
}

type Callback = (answer: Answer) => void;

export class DnsLookups {
  readonly #now: () => number;
  readonly #resolver = new dns.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  readonly #asksSystem: boolean;
  readonly #known = new Map<string, Remembered>();
  readonly #waiting = new Map<string, Callback[]>();

  /** Throws a TypeError when one of `servers` is no IP address with or without a port. */
  constructor(now: () => number, servers: readonly string[] = []) {
    this.#now = now;
    this.#asksSystem = servers.length === 0;
    if (servers.length > 0) this.#resolver.setServers(servers);
  }

  /** Calls back at once with what is remembered. A question that fails is answered by nothing. */
  ask(question: Question, callback: Callback): void {
    const name = question.name.toLowerCase().replace(/\.$/, '');
    const key = `${question.type} ${name}`;
    const known = this.#known.get(key);
    if (known && known.until > this.#now()) {
      callback(known.answer);
      return;
    }
    const waiting = this.#waiting.get(key);
    if (waiting) {
      waiting.push(callback);
      return;
    }
    this.#waiting.set(key, [callback]);
    this.#look(question.type, name, (answer, ttlMs) => this.#settle(key, answer, ttlMs));
  }

  #settle(key: string, answer: Answer, ttlMs: number): void {
    const callbacks = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    if (this.#known.size >= MAX_REMEMBERED) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest!);
    }
    this.#known.delete(key);
    const until = this.#now() + Math.min(ttlMs, LONGEST_TTL_MS);
    if (ttlMs > 0) this.#known.set(key, { answer, until });
    for (const callback of callbacks) callback(answer);
  }

  #look(type: Question['type'], name: string, done: (answer: Answer, ttlMs: number) => void): void {
    const give = (error: Error | null, answer: Partial<Answer>) => {
      if (error) done(NO_ANSWER, NOTHING_TTL_MS);
      else done({ ...NO_ANSWER, ...answer }, UNTOLD_TTL_MS);
    };
    try {
      if (type === 'NAPTR') {
        this.#resolver.resolveNaptr(name, (error, naptr) => give(error, { naptr: naptr?.slice(0, MAX_RECORDS) ?? [] }));
      } else if (type === 'SRV') {
        this.#resolver.resolveSrv(name, (error, srv) => give(error, { srv: srv?.slice(0, MAX_RECORDS) ?? [] }));
      } else if (this.#asksSystem) {
        dns.lookup(name, { all: true }, (error, found) =>
          give(error, { addresses: found?.slice(0, MAX_RECORDS).map(({ address }) => address) ?? [] }),
        );
      } else this.#lookForAddresses(name, done);
    } catch (error) {
      // A name that no DNS can have, for example a label of more than 63 letters.
      give(error as Error, {});
    }
  }

  /** A and AAAA together, IPv4 first; the shortest TTL counts. */
  #lookForAddresses(name: string, done: (answer: Answer, ttlMs: number) => void): void {
    const found: { v4: dns.RecordWithTtl[] | null; v6: dns.RecordWithTtl[] | null } = { v4: null, v6: null };
    const both = () => {
      if (!found.v4 || !found.v6) return;
      const records = [...found.v4, ...found.v6].slice(0, MAX_RECORDS);
      const ttlMs = Math.min(...records.map(({ ttl }) => ttl * 1_000));
      if (records.length === 0) done(NO_ANSWER, NOTHING_TTL_MS);
      else done({ ...NO_ANSWER, addresses: records.map(({ address }) => address) }, ttlMs);
    };
    this.#resolver.resolve4(name, { ttl: true }, (_error, records) => {
      found.v4 = records ?? [];
      both();
    });
    this.#resolver.resolve6(name, { ttl: true }, (_error, records) => {
      found.v6 = records ?? [];
      both();
    });
  }

  /** Questions under way are answered by nothing. */
  close(): void {
    this.#resolver.cancel();
  }
}

/** The IP address that a request to a URI would go to first (RFC 3263); null when none is found. */
export function firstTarget(uri: string, transport: TransportName): Promise<string | null> {
  const lookups = new DnsLookups(() => performance.now());
  const hop = { ...nextHop(uri, null), transport };
  const targets = new TargetList(targetsOf(hop, [transport], Math.random), (question, answer) =>
    lookups.ask(question, answer),
  );
  return new Promise((resolve) => targets.next((target) => resolve(target?.address ?? null)));
}
