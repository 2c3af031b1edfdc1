/** Our Contact value (RFC 3261 8.1.1.8, 12.1.1), as the peer at one place should see it. */
import type { TransportName } from '../transport/flow.ts';
import type { ContactIdentity } from './types.ts';

/** `own` is our address towards that peer; port 0 where we have no listener. */
export function contactValue(
  own: { host: string; port: number },
  transport: TransportName,
  secure: boolean,
  identity: ContactIdentity,
): string {
  const { contactUser, contactParams } = identity;
  const user = contactUser ? `${contactUser}@` : '';
  const address = own.port > 0 ? `${own.host}:${own.port}` : own.host;
  const suffix = secure || transport === 'udp' ? '' : `;transport=${transport}`;
  return [`<${secure ? 'sips' : 'sip'}:${user}${address}${suffix}>`, ...(contactParams ?? [])].join(';');
}
