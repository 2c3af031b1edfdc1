/** Ids of recording metadata (RFC 7865 section 6.11): base64 of a UUID, the same for the same thing to every recorder. */
import { createHash } from 'node:crypto';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Of a UUID; of any other text, a UUID is made from it (RFC 9562 section 5.8). */
export function metadataId(name: string): string {
  const bytes = UUID.test(name) ? Buffer.from(name.replaceAll('-', ''), 'hex') : namedUuid(name);
  return bytes.toString('base64');
}

function namedUuid(name: string): Buffer {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}
