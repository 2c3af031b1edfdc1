/**
 * A recorder whose URI has a name without a port is as many recorders as its SRV records name. The stack itself goes from target to
 * target (RFC 3263 4.3), and that will do for one request; but each target needs a heartbeat and a count of its own, or else it would not
 * be noticed that the one died which has the sessions, and two simultaneous recordings could both go to the same.
 *
 * Over TLS it is left to the stack: a certificate must name what the URI names (RFC 5922 7.3), not what DNS made of it, so the URI
 * cannot be another one. Such a recorder has one heartbeat, answered by whichever target the stack finds.
 */
import { isIP } from 'node:net';
import { parseSipUri, ServiceLookups, type TransportName } from '../../sip/index.ts';
import type { ServiceTarget } from './recorder.ts';

/** Whether the DNS may have SRV records of it that are for us to look at. */
export function mayBeSeveral(uri: string): boolean {
  const { scheme, host, port, params } = parseSipUri(uri);
  if (scheme !== 'sip' || port > 0 || isIP(host) > 0 || host === '') return false;
  if (host === 'localhost' || host.endsWith('.localhost') || params.has('maddr')) return false;
  return params.get('transport')?.toLowerCase() !== 'tls';
}

/** What asks the DNS. `transports` are those of the endpoint; `dnsServers` as there. */
export function srvResolver(transports: readonly TransportName[], dnsServers: readonly string[] = []) {
  const lookups = new ServiceLookups(dnsServers);
  return async (uri: string): Promise<ServiceTarget[]> => {
    const found = mayBeSeveral(uri) ? await lookups.targets(uri, transports) : [];
    if (found.some(({ transport }) => transport === 'tls')) return [];
    return found.map(({ transport, host, port, priority, weight }) => ({
      uri: uriOfTarget(uri, host, port, transport),
      name: `${host}:${port}`,
      priority,
      weight,
    }));
  };
}

/** The URI with the target's name and port in place of its own; user part and parameters stay. */
export function uriOfTarget(uri: string, host: string, port: number, transport: TransportName): string {
  const { scheme, user, params } = parseSipUri(uri);
  if (transport !== 'udp' && !params.has('transport')) params.set('transport', transport);
  const behind = [...params].map(([name, value]) => (value === null ? `;${name}` : `;${name}=${value}`));
  return `${scheme}:${user === '' ? '' : `${user}@`}${host}:${port}${behind.join('')}`;
}
