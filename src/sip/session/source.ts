/** Where a request came from, as the application sees it. */
import type { Flow } from '../transport/flow.ts';
import type { SipSource } from './types.ts';

export function sourceOf({ address, port, transport, connection, identities = [] }: Flow): SipSource {
  return { address, port, transport, connection, identities };
}
