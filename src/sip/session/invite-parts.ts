/** From what an application says about a call to the parts of its INVITE (RFC 3261 8.1.1). */
import { DigestClient, type DigestCredentials } from '../digest/index.ts';
import {
  hasNonUri,
  parseNameAddr,
  parseSipUri,
  requestUriFault,
  type SipBody,
  type SipResponse,
  wireValue,
} from '../message/index.ts';
import type { InviteParts } from './outgoing-invite.ts';

/** The call as the application describes it. */
export interface InviteRequest {
  to: string;
  from?: string;
  body?: SipBody;
  headers: [string, string][];
  require?: string[];
  /** Request-URI, where it is not that of `to`. */
  uri?: string;
  callId?: string;
  maxForwards?: number;
  credentials?: DigestCredentials;
  contactUser?: string;
  contactParams?: string[];
  answer?: (response: SipResponse) => SipBody | null;
}

/** Throws a TypeError for an address that is none. URI parameters of the Request-URI don't go into To. */
export function inviteParts(
  request: InviteRequest,
  randomHex: (count: number) => string,
  ownUri: (to: string) => string,
): InviteParts {
  const callee = parseNameAddr(wireValue('To', request.to.includes('<') ? request.to : `<${request.to}>`));
  const named = requireSipUri(callee?.uri ?? '', request.to);
  const uri = request.uri === undefined ? named : requireSipUri(wireValue('Request-URI', request.uri), request.uri);
  const caller = request.from ?? ownUri(uri);
  const from = wireValue('From', caller.includes('<') ? caller : `<${caller}>`);
  if (!parseNameAddr(from)) throw new TypeError(`not a SIP address: ${JSON.stringify(caller)}`);
  const headers = [...request.headers];
  if (request.require && request.require.length > 0) headers.unshift(['Require', request.require.join(', ')]);
  for (const [name, value] of headers) wireValue(name, value);
  const { contactUser, contactParams, maxForwards } = request;
  wireValue('Contact', [contactUser ?? '', ...(contactParams ?? [])].join(';'));
  return {
    uri: withoutHeaders(uri),
    from,
    localTag: randomHex(8),
    to: wireValue('To', request.to.includes('<') ? request.to : `<${withoutHeaders(named)}>`),
    callId: callIdOf(request.callId ?? `${randomHex(12)}@${parseSipUri(parseNameAddr(from)!.uri).host || 'localhost'}`),
    headers,
    body: request.body ?? null,
    answer: request.answer ?? null,
    maxForwards,
    digest: request.credentials ? new DigestClient(request.credentials, randomHex) : null,
    identity: { contactUser, contactParams },
  };
}

function requireSipUri(uri: string, shown: string): string {
  const { scheme, host } = parseSipUri(uri);
  if ((scheme !== 'sip' && scheme !== 'sips') || host === '' || requestUriFault(withoutHeaders(uri)) !== '') {
    throw new TypeError(`not a SIP URI: ${JSON.stringify(shown)}`);
  }
  return uri;
}

function callIdOf(text: string): string {
  if (text === '' || hasNonUri(text)) throw new TypeError(`not a Call-ID: ${JSON.stringify(text)}`);
  return wireValue('Call-ID', text);
}

/** A Request-URI has no headers (RFC 3261 19.1.1, table 1). */
function withoutHeaders(uri: string): string {
  const question = uri.indexOf('?', uri.lastIndexOf('@') + 1);
  return question < 0 ? uri : uri.slice(0, question);
}
