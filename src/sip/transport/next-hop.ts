/** A request's next hop before DNS has been asked (RFC 3263 4): what the URI says, and what a dialog knows already. */
import { isIP } from 'node:net';
import { formatHost, parseDigits, parseSipUri } from '../message/index.ts';
import type { Flow, TransportName } from './flow.ts';

export interface NextHop {
  /** Domain name, or IP address without brackets. */
  host: string;
  /** 0 when none was given. */
  port: number;
  /** Null lets DNS, or the default, decide. */
  transport: TransportName | null;
  /** A sips URI, or a dialog that began over TLS: nothing else will do, whatever DNS says. */
  onlyTls: boolean;
  /** What a TLS peer's certificate must name: what the URI named, never what DNS made of it (RFC 5922 7.3). */
  domain: string;
  /** A stream connection to use as long as it lives; 0 when there is none. */
  connection: number;
  /** Back to where a peer sent from, and nowhere else: neither another transport nor what its Contact names. */
  isFlow?: true;
}

const TRANSPORTS: readonly TransportName[] = ['udp', 'tcp', 'tls'];

/**
 * The next hop of a URI. `known` is the flow that the dialog uses already: its transport is kept where the URI names none, and
 * its connection where the URI leads to the same address. What is `secure`, or began over TLS, stays there.
 */
export function nextHop(uri: string, known: Flow | null, secure = false): NextHop {
  const { scheme, host: named, port, params } = parseSipUri(uri);
  const wanted = params.get('transport')?.toLowerCase();
  const onlyTls = secure || scheme === 'sips' || known?.transport === 'tls';
  const transport = TRANSPORTS.find((one) => one === wanted) ?? known?.transport ?? null;
  const host = params.get('maddr') ?? named;
  const same = known !== null && known.address === host && (!onlyTls || known.transport === 'tls') ? known : null;
  // Who was found under a name at this very address and port is expected to prove that name again, not the address.
  const domain = (same?.port === port ? same.domain : undefined) ?? named;
  return {
    host,
    port,
    // `transport=tcp` of a sips URI means TLS over TCP (RFC 3261 26.2.2), and none lets NAPTR choose the domain of the SRV.
    transport: onlyTls && transport !== null ? 'tls' : transport,
    onlyTls,
    domain,
    connection: same !== null && (transport === same.transport || onlyTls) ? same.connection : 0,
  };
}

/** What may be behind a NAT is reached where it sent from, over the connection that it opened (RFC 3581 4, RFC 5626 in spirit). */
export function flowHop({ transport, address, port, connection, domain = '' }: Flow): NextHop {
  return { host: address, port, transport, onlyTls: transport === 'tls', domain, connection, isFlow: true };
}

/** The same as a SIP URI. Only what the application itself says may name a connection; in a message `flow` means nothing. */
export function flowUri({ transport, address, port, connection }: Omit<Flow, 'identities' | 'domain'>): string {
  return `sip:${formatHost(address)}:${port};transport=${transport};flow=${connection}`;
}

/** The next hop that the application names: a URI of `flowUri`, or any other. */
export function namedHop(uri: string, known: Flow | null): NextHop {
  const { host, port, params } = parseSipUri(uri);
  const transport = TRANSPORTS.find((one) => one === params.get('transport'));
  const connection = parseDigits(params.get('flow') ?? '', 15);
  if (connection < 0 || transport === undefined || isIP(host) === 0 || port === 0) return nextHop(uri, known);
  return flowHop({ transport, address: host, port, connection });
}
