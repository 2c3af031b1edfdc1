/** Who may use the CTI link: whoever knows a token, or where there is none, shows a certificate of the authority that is trusted. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export class CtiAccess {
  readonly #tokens: Buffer[];

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens.map(digest);
  }

  /** Null: it may; otherwise the status to answer with (RFC 6750 section 3). */
  refusal({ headers, socket }: IncomingMessage): 401 | 403 | null {
    if (this.#tokens.length > 0) return this.#knows(headers.authorization) ? null : 401;
    // A page's connection would bring along the certificate of whoever looks at it.
    if (headers.origin !== undefined) return 403;
    return socket instanceof TLSSocket && socket.authorized ? null : 403;
  }

  /** All are compared, by digests of one length: the time tells neither which one nor how much of it was right. */
  #knows(authorization: string | undefined): boolean {
    const [scheme = '', token = '', more] = (authorization ?? '').split(' ');
    if (scheme.toLowerCase() !== 'bearer' || more !== undefined) return false;
    const given = digest(token);
    let knows = false;
    for (const known of this.#tokens) knows = timingSafeEqual(known, given) || knows;
    return knows;
  }
}
