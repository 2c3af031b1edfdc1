/**
 * Matching messages to transactions (RFC 3261 17.1.3, 17.2.3): branch + sent-by + method when the branch begins with the
 * magic cookie; the RFC 2543 identification otherwise, also for a branch that is nothing but the cookie (RFC 4475 3.2.1).
 */
import type { SipRequest } from '../message/index.ts';

const COOKIE = 'z9hG4bK';

/** Key of the server transaction of `method` (ACK looks for its INVITE); '' when the branch identifies nothing. */
export function serverKey(request: SipRequest, method: string): string {
  const via = request.topVia;
  if (!via || via.branch.length <= COOKIE.length || via.branch.slice(0, 7).toLowerCase() !== 'z9hg4bk') return '';
  return `${via.branch}|${via.host}:${via.port}|${method === 'ACK' ? 'INVITE' : method}`;
}

/** Key by Request-URI, From tag, Call-ID, CSeq number and top Via. To tags differ between INVITE and ACK and are left out. */
export function legacyServerKey(request: SipRequest, method: string): string {
  if (serverKey(request, method) !== '') return '';
  const via = request.topVia;
  const hop = via ? `${via.host}:${via.port};${via.branch}` : '';
  const name = method === 'ACK' ? 'INVITE' : method;
  return `2543|${request.uri}|${request.fromTag}|${request.callId}|${request.cseq.number}|${hop}|${name}`;
}

/** Key of a client transaction. Branches are ours and unique. */
export function clientKey(branch: string, method: string): string {
  return `${branch}|${method}`;
}
