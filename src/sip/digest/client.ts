/**
 * Digest authentication, client role (RFC 3261 22.2, 22.3, RFC 8760 2.4): answers challenges of a call or of one request, those of the
 * server (401) and of proxies before it (407) beside each other.
 */
import type { SipResponse } from '../message/index.ts';
import { type DigestParams, parseDigest, writeDigest } from './header.ts';
import { type DigestCredentials, digestResponse, isKnownAlgorithm } from './response.ts';

const BARE = new Set(['algorithm', 'qop', 'nc']);
/** Challenges in a row that are answered; a proxy and a server, each with a stale nonce, make four. */
const MAX_CHALLENGES = 6;
const MAX_REALMS = 4;

interface Challenge {
  /** Header that answers it. */
  header: 'Authorization' | 'Proxy-Authorization';
  params: DigestParams;
  count: number;
  /** Whoever asked was content with our answer. */
  wasTaken: boolean;
}

/** What an authorization is made for. */
export interface AuthorizationInput {
  /** Value of WWW-Authenticate or Proxy-Authenticate. */
  challenge: string;
  method: string;
  /** The Request-URI. */
  uri: string;
  credentials: DigestCredentials;
  /** How often this nonce has been used, this time included. */
  count: number;
  cnonce: string;
}

/** The value of Authorization or Proxy-Authorization; null for a challenge that we can't answer. */
export function authorization({ challenge, ...rest }: AuthorizationInput): string | null {
  const params = parseDigest(challenge);
  return params && isAnswerable(params) ? answer(params, rest) : null;
}

function isAnswerable(params: DigestParams): boolean {
  if (!params.has('realm') || !params.has('nonce') || !isKnownAlgorithm(params.get('algorithm'))) return false;
  return !params.has('qop') || offersAuth(params);
}

function offersAuth(params: DigestParams): boolean {
  const offered = (params.get('qop') ?? '').split(',', 8);
  return offered.some((one) => one.trim().toLowerCase() === 'auth');
}

function answer(params: DigestParams, input: Omit<AuthorizationInput, 'challenge'>): string {
  const { method, uri, credentials, count, cnonce } = input;
  const { username, password } = credentials;
  const realm = params.get('realm') ?? '';
  const nonce = params.get('nonce') ?? '';
  const algorithm = params.get('algorithm');
  const qop = params.has('qop') ? 'auth' : undefined;
  const nc = count.toString(16).padStart(8, '0');
  const values = { algorithm, username, realm, password, method, uri, nonce, qop, nc, cnonce };
  const parts: [string, string][] = [
    ['username', username],
    ['realm', realm],
    ['nonce', nonce],
    ['uri', uri],
    ['response', digestResponse(values)],
  ];
  if (algorithm !== undefined) parts.push(['algorithm', algorithm]);
  const opaque = params.get('opaque');
  if (opaque !== undefined) parts.push(['opaque', opaque]);
  if (qop !== undefined) parts.push(['qop', qop], ['nc', nc]);
  if (qop !== undefined || algorithm?.toLowerCase().endsWith('-sess')) parts.push(['cnonce', cnonce]);
  return writeDigest(parts, BARE);
}

export class DigestClient {
  readonly #credentials: DigestCredentials;
  readonly #randomHex: (count: number) => string;
  readonly #challenges = new Map<string, Challenge>();
  #inARow = 0;
  #ofInvite: [string, string][] = [];

  constructor(credentials: DigestCredentials, randomHex: (count: number) => string) {
    this.#credentials = credentials;
    this.#randomHex = randomHex;
  }

  /**
   * Takes a final response to a request that had our `headers`. True when the request is worth sending again: a challenge is new, or
   * says that only the nonce is stale. Another one for credentials that were not taken before says that the password is wrong.
   */
  take(response: SipResponse): boolean {
    const { status } = response;
    if (status !== 401 && status !== 407) {
      this.#inARow = 0;
      for (const challenge of this.#challenges.values()) challenge.wasTaken = true;
      return false;
    }
    if (++this.#inARow > MAX_CHALLENGES) return false;
    const header = status === 401 ? 'Authorization' : 'Proxy-Authorization';
    let isNew = false;
    // RFC 8760 2.4: of each realm the topmost that we can answer counts.
    const seen = new Set<string>();
    for (const line of response.headers(status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate')) {
      const params = parseDigest(line);
      const key = `${header}|${params?.get('realm')}`;
      if (!params || !isAnswerable(params) || seen.has(key)) continue;
      seen.add(key);
      isNew = this.#note(key, { header, params, count: 0, wasTaken: false }) || isNew;
    }
    // Who lets us through to the next that asks has taken ours.
    for (const [key, challenge] of this.#challenges)
      if (!seen.has(key) && challenge.count > 0) challenge.wasTaken = true;
    return isNew;
  }

  #note(key: string, challenge: Challenge): boolean {
    const known = this.#challenges.get(key);
    if (known?.params.get('nonce') === challenge.params.get('nonce')) return false;
    if (!known && this.#challenges.size >= MAX_REALMS) return false;
    this.#challenges.set(key, challenge);
    const isStale = challenge.params.get('stale')?.toLowerCase() === 'true';
    return known === undefined || known.count === 0 || known.wasTaken || isStale;
  }

  /** Headers that answer what was asked so far; none before the first challenge. */
  headers(method: string, uri: string): [string, string][] {
    const headers = [...this.#challenges.values()].map((challenge): [string, string] => {
      challenge.count++;
      const { params, count, header } = challenge;
      return [
        header,
        answer(params, { method, uri, credentials: this.#credentials, count, cnonce: this.#randomHex(8) }),
      ];
    });
    if (method === 'INVITE') this.#ofInvite = headers;
    return headers;
  }

  /** RFC 3261 22.1: the ACK of a 2xx has the credentials of its INVITE. */
  get ofInvite(): [string, string][] {
    return this.#ofInvite;
  }
}
