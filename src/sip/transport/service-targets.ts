/**
 * The servers behind a name (RFC 3263 4.2, RFC 2782), for who wants to know each of them instead of whichever answers: those of
 * the first service that has any.
 */
import { performance } from 'node:perf_hooks';
import { DnsLookups } from './dns-lookups.ts';
import type { TransportName } from './flow.ts';
import { type Answer, MAX_RECORDS, type Question, servicesOf } from './locating.ts';
import { type NextHop, nextHop } from './next-hop.ts';

export interface ServiceTarget {
  transport: TransportName;
  /** Name as its record has it, lower case. */
  host: string;
  port: number;
  priority: number;
  weight: number;
}

/** Each host and port once. None when there are no records, or when they lead elsewhere than to `supported`. */
export function* serviceTargetsOf(
  hop: NextHop,
  supported: readonly TransportName[],
): Generator<{ ask: Question }, ServiceTarget[], Answer> {
  for (const { transport, name } of yield* servicesOf(hop, supported)) {
    const records = (yield { ask: { type: 'SRV', name } }).srv.slice(0, MAX_RECORDS);
    const found = new Map<string, ServiceTarget>();
    for (const { port, priority, weight, name: target } of records) {
      const host = target.toLowerCase().replace(/\.$/, '');
      const key = `${host}:${port}`;
      if (port > 0 && host !== '' && !found.has(key)) found.set(key, { transport, host, port, priority, weight });
    }
    if (found.size > 0) return [...found.values()];
  }
  return [];
}

/** Asks the DNS, and remembers answers as requests do. */
export class ServiceLookups {
  readonly #lookups: DnsLookups;

  /** @param servers instead of those of the system, as `192.0.2.53` or `192.0.2.53:5353`. */
  constructor(servers: readonly string[] = []) {
    this.#lookups = new DnsLookups(() => performance.now(), servers);
  }

  /** Never rejects: a DNS that does not answer has no records. */
  async targets(uri: string, supported: readonly TransportName[]): Promise<ServiceTarget[]> {
    const search = serviceTargetsOf(nextHop(uri, null), supported);
    let step = search.next();
    while (!step.done) {
      const question = step.value.ask;
      const answer = await new Promise<Answer>((resolve) => this.#lookups.ask(question, resolve));
      step = search.next(answer);
    }
    return step.value;
  }

  close(): void {
    this.#lookups.close();
  }
}
