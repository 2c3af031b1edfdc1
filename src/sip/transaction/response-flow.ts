/** The way back of a response (RFC 3261 18.2.2, RFC 3581 4). */
import type { SipRequest } from '../message/index.ts';
import type { Flow } from '../transport/flow.ts';

/**
 * Where a response goes (18.2.2, RFC 3581 4): back over the connection; over UDP to the source address, at the source port
 * when the client asked for it by `rport`, else at the sent-by port. `maddr` is not followed: it would let anyone aim us.
 */
export function responseFlow(request: SipRequest, from: Flow): Flow {
  const via = request.topVia;
  if (from.transport !== 'udp' || !via || via.params.has('rport')) return from;
  return { ...from, port: via.port || 5060 };
}
