/** The Contact headers of a REGISTER (RFC 3261 10.2.1, 10.3): what it asks for, read and checked before anything is changed. */
import { parseDigits, parseNameAddr, parseSipUri, type SipAnswer, type SipRequest } from '../../sip/index.ts';

/** One contact that is to be kept, or with `expiresSec` 0 to be removed. */
export interface WantedContact {
  uri: string;
  expiresSec: number;
  /** Preference, 0 to 1. */
  q: number;
  /** `+sip.instance` and `reg-id` of RFC 5626; null: the phone does not say. */
  instance: string | null;
  regId: number | null;
}

export type Wanted =
  | { kind: 'query' }
  /** `*`: all of them are to be removed. */
  | { kind: 'clear' }
  | { kind: 'update'; contacts: WantedContact[] }
  | { kind: 'refused'; answer: SipAnswer };

export interface ContactLimits {
  minExpiresSec: number;
  maxExpiresSec: number;
  maxContacts: number;
}

const MAX_URI_CHARS = 512;
const MAX_INSTANCE_CHARS = 128;

const refused = (status: number, reason: string, headers: [string, string][] = []): Wanted => ({
  kind: 'refused',
  answer: { status, reason, headers },
});

export function readContacts(request: SipRequest, limits: ContactLimits): Wanted {
  const items = request.list('contact');
  if (items.length === 0) return { kind: 'query' };
  // RFC 3261 10.2.1.1: what can't be read counts as an hour.
  const header = seconds(request.header('expires') ?? null);
  if (items.includes('*')) {
    const alone = items.length === 1 && header === 0;
    return alone ? { kind: 'clear' } : refused(400, 'Contact * needs Expires 0 and no other contact');
  }
  if (items.length > limits.maxContacts) return refused(403, 'Too Many Contacts');
  const contacts: WantedContact[] = [];
  for (const item of items) {
    const contact = readContact(item, header, limits);
    if (!contact) return refused(400, 'Contact must be a SIP URI of up to 512 characters');
    const { expiresSec } = contact;
    // RFC 3261 10.3: nobody who asks for an hour or more is told that it is too brief.
    if (expiresSec > 0 && expiresSec < Math.min(limits.minExpiresSec, 3_600)) {
      return refused(423, 'Interval Too Brief', [['Min-Expires', String(limits.minExpiresSec)]]);
    }
    contacts.push(contact);
  }
  return { kind: 'update', contacts };
}

function readContact(item: string, header: number | null, limits: ContactLimits): WantedContact | null {
  const address = parseNameAddr(item);
  const { scheme, host } = parseSipUri(address?.uri ?? '');
  if (!address || (scheme !== 'sip' && scheme !== 'sips') || host === '' || address.uri.length > MAX_URI_CHARS)
    return null;
  const { params } = address;
  const asked = seconds(params.get('expires') ?? null) ?? header ?? 3_600;
  const instance = params.get('+sip.instance')?.slice(0, MAX_INSTANCE_CHARS) ?? null;
  const regId = parseDigits(params.get('reg-id') ?? '', 9);
  return {
    uri: address.uri,
    expiresSec: Math.min(asked, limits.maxExpiresSec),
    q: qOf(params.get('q') ?? null),
    instance,
    regId: instance !== null && regId > 0 ? regId : null,
  };
}

/** RFC 3261 20.19: up to 2**32 - 1; null when it is missing or no number. */
function seconds(text: string | null): number | null {
  const value = parseDigits(text?.trim() ?? '', 10);
  return value < 0 ? null : value;
}

/** RFC 3261 25.1, qvalue: one digit, and up to three behind the point. */
function qOf(text: string | null): number {
  const value = Number(text ?? '1');
  return text !== null && text.length <= 5 && value >= 0 && value <= 1 ? value : 1;
}
