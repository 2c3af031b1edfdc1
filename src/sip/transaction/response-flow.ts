/** The way back of a response (RFC 3261 18.2.2, RFC 3581 4). */
import type { SipRequest } from '../message/index.ts';
import type { Flow } from '../transport/flow.ts';

/**
 * Where a response goes: back over the connection, and if that is gone over one to the sent-by port; over UDP to the source
 * address, at the source port when the client asked for it by `rport`, else at the sent-by port.
 * `maddr` is not followed: it would let anyone aim us at others.
 */
export function responseFlow(request: SipRequest, from: Flow): Flow {
  const via = request.topVia;
  if (!via || (from.transport === 'udp' && via.params.has('rport'))) return from;
  return { ...from, port: via.port || 5060 };
}
