/**
 * The registrar (RFC 3261 10.3) and the digest authentication of extensions (RFC 3261 22, RFC 8760), for REGISTER and for calls. No I/O and
 * no timers: requests and the time in, answers out. Who may ask is checked before what is asked, so nobody finds out which DNs there are.
 */
import {
  DigestServer,
  parseSipUri,
  type SipAnswer,
  type SipLog,
  type SipRequest,
  type SipSource,
  unescapeUri,
} from '../../sip/index.ts';
import type { ExtensionConfig } from '../config/types.ts';
import { Attempts } from './attempts.ts';
import { type Binding, Bindings, contactHeaders } from './bindings.ts';
import type { RegistrationView } from './call-control.ts';
import { type ContactLimits, readContacts } from './contacts.ts';
import { RegistrationRate } from './registration-rate.ts';

export type { Binding } from './bindings.ts';

export interface RegistrarOptions {
  realm: string;
  /** By DN. */
  extensions: ReadonlyMap<string, ExtensionConfig>;
  log: SipLog;
  /** Shorter ones get a 423; 60 when left out. */
  minExpiresSec?: number;
  /** Longer ones are shortened; 3600 when left out. */
  maxExpiresSec?: number;
  /** Of one DN; 10 when left out. */
  maxContacts?: number;
  /** Wrong passwords that are looked at within a minute; 5 of a source for a DN, 30 of a source, 100 for a DN when left out. */
  attempts?: { perSourceAndDn: number; perSource: number; perDn: number };
  /** REGISTERs of a source; 50 a second, 1,000 at once when left out. */
  rate?: { perSecond: number; burst: number };
}

/** How long a client that floods is told to wait. */
const FLOOD_RETRY_AFTER_SEC = 5;
const MAX_LOGGED_CHARS = 64;

type Identity = { dn: string } | { refuse: SipAnswer };

export class Registrar {
  /** The phones of a DN are others than before, or are elsewhere. */
  onChanged: (dn: string) => void = () => {};
  readonly #limits: ContactLimits;
  readonly #log: SipLog;
  readonly #digest: DigestServer;
  readonly #attempts: Attempts;
  readonly #rate: RegistrationRate;
  readonly #bindings = new Map<string, Bindings>();
  #extensions: ReadonlyMap<string, ExtensionConfig>;

  constructor(options: RegistrarOptions) {
    const { realm, extensions, log, minExpiresSec = 60, maxExpiresSec = 3_600, maxContacts = 10 } = options;
    this.#limits = { minExpiresSec, maxExpiresSec, maxContacts };
    this.#log = log;
    this.#extensions = extensions;
    this.#digest = new DigestServer({ realm });
    this.#attempts = new Attempts(options.attempts ?? { perSourceAndDn: 5, perSource: 30, perDn: 100 });
    this.#rate = new RegistrationRate(options.rate ?? { perSecond: 50, burst: 1_000 });
  }

  /** Other extensions, of a configuration that was read again. Those that are gone lose their registrations. */
  reload(extensions: ReadonlyMap<string, ExtensionConfig>): void {
    this.#extensions = extensions;
    for (const dn of [...this.#bindings.keys()].filter((one) => !extensions.has(one))) {
      this.#bindings.delete(dn);
      this.onChanged(dn);
    }
  }

  /** For `SipEndpoint.admit`: refuses a REGISTER of a source that floods before anything is kept of it. */
  admit(source: SipSource, nowMs: number): { retryAfterSec: number } | null {
    return this.#rate.take(source.address, nowMs) ? null : { retryAfterSec: FLOOD_RETRY_AFTER_SEC };
  }

  /** Answers a REGISTER: 200 with all bindings, or 400, 401, 403, 404, 423. */
  register(request: SipRequest, source: SipSource, nowMs: number): SipAnswer {
    const dn = userOf(request.to.uri);
    const identity = this.#identify(request, 401, dn, source, nowMs);
    if ('refuse' in identity) return identity.refuse;
    if (!this.#extensions.has(dn)) return { status: 404 };
    // RFC 3261 10.3 step 4: nobody registers for another.
    if (identity.dn !== dn) return { status: 403, reason: 'Not Your Address' };
    const wanted = readContacts(request, this.#limits);
    if (wanted.kind === 'refused') return wanted.answer;
    if (wanted.kind !== 'query') {
      const bindings = this.#bindings.get(dn) ?? new Bindings();
      const outcome = bindings.apply(wanted, request, source, nowMs, this.#limits.maxContacts);
      if (outcome === 'out-of-order') return { status: 400, reason: 'CSeq Out Of Order' };
      if (bindings.isEmpty) this.#bindings.delete(dn);
      else this.#bindings.set(dn, bindings);
      if (outcome === 'changed') this.#changed(dn, source, nowMs);
    }
    const headers = contactHeaders(this.bindings(dn, nowMs), nowMs);
    return { status: 200, headers: [...headers, ['Date', new Date(nowMs).toUTCString()]] };
  }

  #changed(dn: string, source: SipSource, nowMs: number): void {
    const contacts = this.bindings(dn, nowMs).map(({ contact }) => contact);
    this.#log.info({ dn, contacts, source: source.address, transport: source.transport }, 'registration');
    this.onChanged(dn);
  }

  /** Proxy authentication of an INVITE (or another request that is not REGISTER) that comes from a DN: that of its From. */
  authenticate(request: SipRequest, source: SipSource, nowMs: number): Identity {
    const dn = userOf(request.from.uri);
    const identity = this.#identify(request, 407, dn, source, nowMs);
    if ('refuse' in identity || identity.dn === dn) return identity;
    return { refuse: { status: 403, reason: 'From Is Not Yours' } };
  }

  /** `dn` is whom it is about, and whose phones are challenged as they can bear it. */
  #identify(request: SipRequest, status: 401 | 407, dn: string, source: SipSource, nowMs: number): Identity {
    const { address } = source;
    const algorithms = this.#extensions.get(dn)?.digest;
    const options = algorithms ? { client: address, algorithms } : { client: address };
    const passwordOf = (username: string) => this.#extensions.get(username)?.password || null;
    const claimed = this.#digest.claimedUser(request, status);
    if (claimed === null) return this.#challenge(status, nowMs, options);
    const waitMs = this.#attempts.waitMs(address, claimed, this.#isAt(claimed, address, nowMs), nowMs);
    if (waitMs > 0) return tooMany(waitMs);
    const verdict = this.#digest.verify(request, status, passwordOf, nowMs, options);
    if (verdict.result === 'ok') {
      this.#attempts.noteRight(address, claimed);
      return { dn: claimed };
    }
    if (verdict.result === 'malformed') return { refuse: { status: 400, reason: 'Malformed Credentials' } };
    if (verdict.result !== 'wrong') {
      return this.#challenge(status, nowMs, { ...options, stale: verdict.result === 'stale' });
    }
    this.#noteWrong(request, claimed, source, nowMs);
    return { refuse: { status: 403, reason: 'Wrong Credentials' } };
  }

  #challenge(status: 401 | 407, nowMs: number, options: Parameters<DigestServer['challenge']>[2]): Identity {
    return { refuse: { status, headers: this.#digest.challenge(status, nowMs, options) } };
  }

  /** Those that follow within the minute are not looked at, and not logged either. */
  #noteWrong(request: SipRequest, claimed: string, source: SipSource, nowMs: number): void {
    const isLast = this.#attempts.noteWrong(source.address, claimed, nowMs);
    const facts = {
      user: claimed.slice(0, MAX_LOGGED_CHARS),
      source: source.address,
      transport: source.transport,
      method: request.method,
      userAgent: request.header('user-agent')?.slice(0, MAX_LOGGED_CHARS),
    };
    const what = 'wrong password, or no such extension';
    this.#log.warn(facts, isLast ? `${what}; no more tries are looked at for a minute` : what);
  }

  #isAt(dn: string, address: string, nowMs: number): boolean {
    return this.bindings(dn, nowMs).some(({ source }) => source === address);
  }

  /** Live bindings of a DN, most recent first. */
  bindings(dn: string, nowMs: number): Binding[] {
    return this.#bindings.get(dn)?.live(nowMs) ?? [];
  }

  /** Forgets what has run out, and says so; to be called every few seconds. */
  expire(nowMs: number): void {
    for (const [dn, bindings] of [...this.#bindings]) {
      if (!bindings.expire(nowMs)) continue;
      if (bindings.isEmpty) this.#bindings.delete(dn);
      this.#log.info({ dn }, 'registration has run out');
      this.onChanged(dn);
    }
  }

  /** Of all extensions, those without a phone too. */
  view(nowMs: number): RegistrationView[] {
    return [...this.#extensions.values()].map(({ dn, name }) => ({
      dn,
      name,
      contacts: this.bindings(dn, nowMs).map(({ contact, expiresAtMs, userAgent }) => ({
        uri: contact,
        expiresAtMs,
        userAgent,
      })),
    }));
  }
}

/** The user part of a SIP URI, unescaped; '' when there is none. */
function userOf(uri: string): string {
  return unescapeUri(parseSipUri(uri).user);
}

function tooMany(waitMs: number): Identity {
  const headers: [string, string][] = [['Retry-After', String(Math.ceil(waitMs / 1_000))]];
  return { refuse: { status: 403, reason: 'Too Many Wrong Passwords', headers } };
}
