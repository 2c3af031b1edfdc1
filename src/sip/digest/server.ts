/** Digest authentication, server role (RFC 3261 22.2 to 22.4, RFC 7616 3.3, RFC 8760 2.3): challenges, and what answers them. */
import { parseSipUri, type SipRequest } from '../message/index.ts';
import { type DigestParams, parseDigest, writeDigest } from './header.ts';
import { Nonces } from './nonces.ts';
import { type DigestAlgorithm, digestResponse, isSameDigest } from './response.ts';

/** 401 is what a registrar or user agent answers, 407 a proxy, and whoever stands in for one. */
export type ChallengeStatus = 401 | 407;

export interface DigestServerOptions {
  realm: string;
  /** Best first (RFC 8760 2.3); SHA-256 and MD5 when left out. */
  algorithms?: readonly DigestAlgorithm[];
  /** Five minutes when left out. */
  nonceLifeMs?: number;
  /** Nonces in use whose counts are remembered; 100,000 when left out. */
  maxNonces?: number;
}

/**
 * `stale`: the password is right, the nonce is too old, not ours, or was used with this count. `missing`: no credentials for our
 * realm. `malformed`: nothing that could be checked.
 */
export type DigestVerdict =
  | { result: 'ok' | 'stale' | 'wrong'; username: string }
  | { result: 'missing' | 'malformed'; username: null };

const BARE = new Set(['algorithm', 'stale', 'qop', 'nc']);
const HEX = '0123456789abcdef';

export class DigestServer {
  readonly #realm: string;
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #nonces: Nonces;

  constructor(options: DigestServerOptions) {
    this.#realm = options.realm;
    this.#algorithms = options.algorithms ?? ['SHA-256', 'MD5'];
    this.#nonces = new Nonces({
      realm: options.realm,
      lifeMs: options.nonceLifeMs ?? 300_000,
      maxRemembered: options.maxNonces ?? 100_000,
    });
  }

  /**
   * One header for each algorithm. A user agent that knows RFC 2617 only may give up at a name that it does not know, wherever
   * that stands: it is challenged with `algorithms` that it knows.
   */
  challenge(
    status: ChallengeStatus,
    nowMs: number,
    stale = false,
    algorithms: readonly DigestAlgorithm[] = this.#algorithms,
  ): [string, string][] {
    const name = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate';
    const nonce = this.#nonces.make(nowMs);
    return algorithms.map((algorithm): [string, string] => {
      const params: [string, string][] = [
        ['realm', this.#realm],
        ['nonce', nonce],
        ['algorithm', algorithm],
      ];
      if (stale) params.push(['stale', 'true']);
      // RFC 3261 22.4: qop is quoted in a challenge and a token in credentials.
      return [name, `${writeDigest(params, BARE)}, qop="auth"`];
    });
  }

  /** Checks the credentials of a request: by `algorithms` that were offered. `passwordOf` gives null for a user that there is not. */
  verify(
    request: SipRequest,
    status: ChallengeStatus,
    passwordOf: (username: string) => string | null,
    nowMs: number,
    algorithms: readonly DigestAlgorithm[] = this.#algorithms,
  ): DigestVerdict {
    const lines = request.headers(status === 401 ? 'Authorization' : 'Proxy-Authorization');
    const read = lines.map(parseDigest);
    const params = read.find((one) => one?.get('realm') === this.#realm);
    if (!params) return { result: read.includes(null) ? 'malformed' : 'missing', username: null };
    const claim = claimOf(params);
    if (!claim) return { result: 'malformed', username: null };
    const { username } = claim;
    const known = algorithms.find((one) => one === (claim.algorithm ?? 'MD5').toUpperCase());
    const password = passwordOf(username);
    if (!known || !isSameTarget(claim.uri, request.uri)) return { result: 'wrong', username };
    // A user that there is not costs the same time.
    const input = { ...claim, realm: this.#realm, method: request.method, password: password ?? '' };
    const right = isSameDigest(digestResponse(input), claim.response) && password !== null;
    if (!right) return { result: 'wrong', username };
    // RFC 7616 3.4: without qop there is no count, so that such a nonce is good once.
    const count = claim.qop === undefined ? 1 : Number.parseInt(claim.nc, 16);
    return { result: this.#nonces.use(claim.nonce, count, nowMs) ? 'ok' : 'stale', username };
  }
}

function claimOf(params: DigestParams) {
  const username = params.get('username');
  const nonce = params.get('nonce');
  const uri = params.get('uri');
  const response = params.get('response');
  const qop = params.get('qop')?.toLowerCase();
  const nc = params.get('nc') ?? '';
  const cnonce = params.get('cnonce') ?? '';
  if (username === undefined || nonce === undefined || uri === undefined || response === undefined) return null;
  if (qop !== undefined && (qop !== 'auth' || !isCount(nc) || cnonce === '')) return null;
  return { username, nonce, uri, response, qop, nc, cnonce, algorithm: params.get('algorithm') };
}

/** RFC 7616 3.4: eight hexadecimal digits. */
function isCount(text: string): boolean {
  return text.length === 8 && [...text.toLowerCase()].every((digit) => HEX.includes(digit));
}

/**
 * RFC 7616 3.4.6: credentials are for one resource. Parameters and the port are left out of the comparison, for they are what
 * user agents and proxies on the way leave out or add.
 */
function isSameTarget(claimed: string, actual: string): boolean {
  if (claimed === actual) return true;
  const a = parseSipUri(claimed);
  const b = parseSipUri(actual);
  return a.scheme !== '' && a.scheme === b.scheme && a.user === b.user && a.host === b.host;
}
