/** From what an application says about a call to the parts of its INVITE (RFC 3261 8.1.1). */
import { parseNameAddr, parseSipUri, type SipBody, type SipResponse, wireValue } from '../message/index.ts';
import type { InviteParts } from './outgoing-invite.ts';

/** The call as the application describes it. */
export interface InviteRequest {
  to: string;
  from?: string;
  body?: SipBody;
  headers: [string, string][];
  require?: string[];
  answer?: (response: SipResponse) => SipBody | null;
}

/** Throws a TypeError for an address that is none. URI parameters of the Request-URI don't go into To. */
export function inviteParts(
  request: InviteRequest,
  randomHex: (count: number) => string,
  ownUri: (to: string) => string,
): InviteParts {
  const callee = parseNameAddr(wireValue('To', request.to.includes('<') ? request.to : `<${request.to}>`));
  const uri = callee?.uri ?? '';
  const parsed = parseSipUri(uri);
  if ((parsed.scheme !== 'sip' && parsed.scheme !== 'sips') || parsed.host === '') {
    throw new TypeError(`not a SIP URI: ${JSON.stringify(request.to)}`);
  }
  const caller = request.from ?? ownUri(uri);
  const from = wireValue('From', caller.includes('<') ? caller : `<${caller}>`);
  if (!parseNameAddr(from)) throw new TypeError(`not a SIP address: ${JSON.stringify(caller)}`);
  const headers = [...request.headers];
  if (request.require && request.require.length > 0) headers.unshift(['Require', request.require.join(', ')]);
  for (const [name, value] of headers) wireValue(name, value);
  return {
    uri: withoutHeaders(uri),
    from,
    localTag: randomHex(8),
    to: wireValue('To', request.to.includes('<') ? request.to : `<${withoutHeaders(uri)}>`),
    callId: `${randomHex(12)}@${parseSipUri(parseNameAddr(from)!.uri).host || 'localhost'}`,
    headers,
    body: request.body ?? null,
    answer: request.answer ?? null,
  };
}

/** A Request-URI has no headers (RFC 3261 19.1.1, table 1). */
function withoutHeaders(uri: string): string {
  const question = uri.indexOf('?', uri.lastIndexOf('@') + 1);
  return question < 0 ? uri : uri.slice(0, question);
}
