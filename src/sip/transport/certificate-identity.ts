/**
 * The SIP identities of a certificate (RFC 5922 7.1, 7.2):
 *
 *   subjectAltName URI  "sip:" without a user part: its host is an identity
 *   subjectAltName DNS  an identity if, and only if, there is no such URI
 *   subject CN          only if the certificate has no subjectAltName at all
 *
 * Identities are compared whole and without regard to case; there are no wildcards. The RFC knows domains only. A URI that
 * names an IP address is met by an iPAddress entry with that very address, or by a `sip:` URI with it; never by DNS or CN.
 */
import { isIP, isIPv6, SocketAddress } from 'node:net';
import { parseSipUri } from '../message/index.ts';

/** The parts of node:tls's PeerCertificate that are looked at. */
export interface CertificateNames {
  subject?: { CN?: string | string[] | undefined };
  /** As OpenSSL prints it: `DNS:example.com, URI:"sip:a,b", IP Address:192.0.2.1`. */
  subjectaltname?: string | undefined;
}

const MAX_IDENTITIES = 64;

/** All identities, in lower case; IP addresses in their shortest form. */
export function sipIdentities(certificate: CertificateNames): string[] {
  const { subjectaltname: alternatives } = certificate;
  if (alternatives === undefined || alternatives === '')
    return commonNames(certificate).filter(isDomainName).map(canonical);
  const entries = splitAlternatives(alternatives);
  const addresses = entries.flatMap(({ type, value }) => (type === 'IP Address' && isIP(value) > 0 ? [value] : []));
  const uris = entries.flatMap(({ type, value }) => (type === 'URI' ? domainOfUri(value) : []));
  const names = entries.flatMap(({ type, value }) => (type === 'DNS' && isDomainName(value) ? [value] : []));
  return [...(uris.length > 0 ? uris : names), ...addresses].slice(0, MAX_IDENTITIES).map(canonical);
}

/** Whether the certificate proves to be `host`, a domain name or an IP address without brackets. */
export function provesIdentity(certificate: CertificateNames, host: string): boolean {
  return sipIdentities(certificate).includes(canonical(host));
}

function canonical(host: string): string {
  if (!isIPv6(host)) return host.toLowerCase();
  return new SocketAddress({ address: host, family: 'ipv6' }).address;
}

function domainOfUri(text: string): string[] {
  const { scheme, user, host } = parseSipUri(text);
  // Any "@" means that there is a user part, an empty one too.
  const isDomain = scheme === 'sip' && user === '' && !text.includes('@');
  return isDomain && (isIP(host) > 0 || isDomainName(host)) ? [host] : [];
}

function commonNames({ subject }: CertificateNames): string[] {
  return [subject?.CN ?? []].flat();
}

/** Letters, digits, hyphens and underscores in labels; neither an IP address nor a wildcard. */
function isDomainName(text: string): boolean {
  if (text.length === 0 || text.length > 253 || isIP(text) > 0) return false;
  return text.split('.').every((label) => label.length <= 63 && /^[a-z0-9_-]+$/i.test(label));
}

/** OpenSSL's list: entries are parted by commas; a value that could be misread stands in quotes, as a JSON string. */
function splitAlternatives(text: string): { type: string; value: string }[] {
  const entries: { type: string; value: string }[] = [];
  let at = 0;
  while (at < text.length && entries.length < MAX_IDENTITIES) {
    const colon = text.indexOf(':', at);
    if (colon < 0) break;
    const quoted = text[colon + 1] === '"';
    const end = quoted ? closingQuote(text, colon + 1) : text.indexOf(',', colon);
    if (quoted && end < 0) break;
    const valueEnd = end < 0 ? text.length : quoted ? end + 1 : end;
    const value = text.slice(colon + 1, valueEnd);
    entries.push({ type: text.slice(at, colon).trim(), value: quoted ? unquoted(value) : value });
    const comma = text.indexOf(',', valueEnd);
    at = comma < 0 ? text.length : comma + 1;
  }
  return entries;
}

function closingQuote(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function unquoted(value: string): string {
  try {
    return String(JSON.parse(value));
  } catch {
    return '';
  }
}
