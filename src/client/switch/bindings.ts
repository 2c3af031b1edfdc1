/**
 * The bindings of one address-of-record (RFC 3261 10.3 steps 6 to 8; RFC 5626 6 for phones that name their instance): pure, time comes
 * from outside.
 */
import {
  flowUri,
  isSameSipUri,
  parseSipUri,
  type SipRequest,
  type SipSource,
  type TransportName,
} from '../../sip/index.ts';
import type { Wanted, WantedContact } from './contacts.ts';

export interface Binding {
  /** URI that the phone wants in the request line. */
  contact: string;
  /** SIP URI to send to: where the phone sent from, or the contact itself (`InviteOptions.nextHop`). */
  nextHop: string;
  transport: TransportName;
  expiresAtMs: number;
  q: number;
  instance: string | null;
  regId: number | null;
  userAgent: string | null;
  /** Address that registered it. */
  source: string;
}

interface Kept extends Binding {
  callId: string;
  cseq: number;
}

/** What a REGISTER did. `out-of-order`: nothing, for a later one was there before. */
export type Outcome = 'changed' | 'refreshed' | 'out-of-order';

const MAX_USER_AGENT_CHARS = 128;

export class Bindings {
  /** Most recent first. */
  #kept: Kept[] = [];

  get isEmpty(): boolean {
    return this.#kept.length === 0;
  }

  live(nowMs: number): Binding[] {
    return this.#kept.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  }

  /** True when some had run out. */
  expire(nowMs: number): boolean {
    const before = this.#kept.length;
    this.#kept = this.#kept.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
    return this.#kept.length < before;
  }

  /** All or nothing (RFC 3261 10.3 step 7). Beyond `most`, what was refreshed longest ago gives way. */
  apply(
    wanted: Wanted & { kind: 'clear' | 'update' },
    request: SipRequest,
    source: SipSource,
    nowMs: number,
    most: number,
  ): Outcome {
    const isGone = this.expire(nowMs);
    const { callId, cseq } = request;
    const contacts = wanted.kind === 'update' ? wanted.contacts : [];
    const meant =
      wanted.kind === 'clear' ? this.#kept : this.#kept.filter((one) => contacts.some((c) => isSame(one, c)));
    if (meant.some((one) => one.callId === callId && one.cseq >= cseq.number)) return 'out-of-order';
    const fresh = contacts
      .filter(({ expiresSec }) => expiresSec > 0)
      .filter(({ uri }, at, all) => all.findIndex((other) => isSameSipUri(other.uri, uri)) === at)
      .map((contact): Kept => ({ ...bindingOf(contact, request, source, nowMs), callId, cseq: cseq.number }));
    const before = this.#kept;
    this.#kept = [...fresh, ...before.filter((one) => !meant.includes(one))].slice(0, most);
    return isGone || !isSameSet(before, this.#kept) ? 'changed' : 'refreshed';
  }
}

/** RFC 5626 6: of a phone that names its instance, the registration is the binding, whatever its contact is now. */
function isSame(kept: Kept, wanted: WantedContact): boolean {
  if (kept.instance !== null && kept.instance === wanted.instance && kept.regId === wanted.regId) return true;
  return isSameSipUri(kept.contact, wanted.uri);
}

function isSameSet(before: readonly Kept[], after: readonly Kept[]): boolean {
  const places = (all: readonly Kept[]) => new Set(all.map(({ contact, nextHop }) => `${contact} ${nextHop}`));
  const [old, now] = [places(before), places(after)];
  return old.size === now.size && [...old].every((one) => now.has(one));
}

function bindingOf(wanted: WantedContact, request: SipRequest, source: SipSource, nowMs: number): Binding {
  const { uri, expiresSec, q, instance, regId } = wanted;
  const isFlow = comesFromItself(uri, request, source);
  return {
    contact: uri,
    nextHop: isFlow ? flowUri(source) : uri,
    transport: isFlow ? source.transport : transportOf(uri),
    expiresAtMs: nowMs + expiresSec * 1_000,
    q,
    instance,
    regId,
    userAgent: request.header('user-agent')?.slice(0, MAX_USER_AGENT_CHARS) ?? null,
    source: source.address,
  };
}

/**
 * Whether the phone registered itself, so that it is reached where it sent from (RFC 3581, RFC 5626): its contact is at that
 * address, or at the one it believes to have (sent-by), or at one that nobody can send to. Another contact is somebody else.
 * A phone that sends from one port, listens on another, and does not ask for answers to the first is reached at its contact.
 */
function comesFromItself(uri: string, request: SipRequest, source: SipSource): boolean {
  const { host, port } = parseSipUri(uri);
  const via = request.topVia;
  const isSymmetric =
    source.transport !== 'udp' || (via?.params.has('rport') ?? false) || (port || 5_060) === source.port;
  if (host === source.address) return isSymmetric;
  return host === via?.host || host.endsWith('.invalid');
}

function transportOf(uri: string): TransportName {
  const { scheme, params } = parseSipUri(uri);
  const named = params.get('transport')?.toLowerCase();
  if (scheme === 'sips' || named === 'tls') return 'tls';
  return named === 'tcp' ? 'tcp' : 'udp';
}

/** The Contact headers of a 200: every binding with what is left of it (RFC 3261 10.3 step 8). */
export function contactHeaders(bindings: readonly Binding[], nowMs: number): [string, string][] {
  return bindings.map(({ contact, expiresAtMs, q, instance, regId }): [string, string] => {
    const parts = [`<${contact}>`, `expires=${Math.max(1, Math.round((expiresAtMs - nowMs) / 1_000))}`];
    if (q !== 1) parts.push(`q=${q}`);
    if (instance !== null) parts.push(`+sip.instance="${instance.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
    if (regId !== null) parts.push(`reg-id=${regId}`);
    return ['Contact', parts.join(';')];
  });
}
