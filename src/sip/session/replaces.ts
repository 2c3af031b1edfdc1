/** Replaces (RFC 3891 3): which session a new INVITE takes the place of. */
import { type Parameters, parseParameters, type SipRequest } from '../message/index.ts';
import type { SipSession } from './session.ts';
import type { SipAnswer } from './types.ts';

/** What the Replaces header of an INVITE leads to. */
export interface Replaced {
  session: SipSession | null;
  refusal: SipAnswer | null;
}

type Find = (callId: string, localTag: string, remoteTag: string) => SipSession | undefined;

const refused = (status: number, reason?: string): Replaced => ({
  session: null,
  refusal: reason === undefined ? { status } : { status, reason },
});

/** The session to be replaced: none without the header, 400 when it is malformed, 481 when there is no such session. */
export function findReplaced(request: SipRequest, find: Find): Replaced {
  const count = request.count('replaces');
  if (count === 0) return { session: null, refusal: null };
  const value = request.header('replaces') ?? '';
  const semicolon = value.indexOf(';');
  const params: Parameters = new Map();
  if (count > 1 || semicolon < 1 || !parseParameters(value, semicolon, params))
    return refused(400, 'Malformed Replaces header');
  const toTag = params.get('to-tag');
  const fromTag = params.get('from-tag');
  if (!toTag || !fromTag) return refused(400, 'Malformed Replaces header');
  const session = find(value.slice(0, semicolon).trim(), toTag, fromTag);
  if (!session) return refused(481);
  if (session.over) return refused(603);
  if (params.has('early-only') && session.state !== 'early') return refused(486);
  // An early dialog that the peer itself began can't be replaced.
  if (session.state === 'early' && !session.isCaller) return refused(481);
  return { session, refusal: null };
}
