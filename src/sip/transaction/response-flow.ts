/** The way back of a response (RFC 3261 18.2.2, RFC 3581 4, RFC 3263 5). */
import type { SipRequest } from '../message/index.ts';
import { defaultPort, type Flow } from '../transport/flow.ts';
import type { NextHop } from '../transport/next-hop.ts';

/**
 * Where a response goes: back over the connection, and if that is gone over one to the sent-by port; over UDP to the source
 * address, at the source port when the client asked for it by `rport`, else at the sent-by port.
 *
 * Lenient: a sent-by that isn't where the datagram came from (a host name, an address behind a NAT) says nothing about the
 * port either, so the source port is taken as if `rport` were there. `maddr` is not followed: it would let anyone aim us.
 */
export function responseFlow(request: SipRequest, from: Flow): Flow {
  const via = request.topVia;
  if (!via) return from;
  const sourcePort = via.params.has('rport') || via.host !== from.address;
  if (from.transport === 'udp' && sourcePort) return from;
  const port = via.port || defaultPort(from.transport);
  // A new TLS connection would have to be to whom the request says it is from (RFC 3261 26.3.2.2).
  return from.transport === 'tls' ? { ...from, port, domain: via.host } : { ...from, port };
}

/**
 * Where a response over a stream goes when neither its connection nor its source takes it: to sent-by, by SRV without a port
 * (RFC 3263 5). Null where that is the source again, and over UDP, where it would let anyone aim us.
 */
export function sentByHop(request: SipRequest, from: Flow): NextHop | null {
  const via = request.topVia;
  if (!via || from.transport === 'udp' || via.host === from.address) return null;
  const { host, port } = via;
  return { host, port, transport: from.transport, onlyTls: from.transport === 'tls', domain: host, connection: 0 };
}
