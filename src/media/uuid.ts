/** UUIDs as the journal keeps them (RFC 9562): 16 bytes in the order of the text. */

const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @throws TypeError when the text is no UUID. */
export function uuidBytes(text: string): Uint8Array {
  if (!TEXT.test(text)) throw new TypeError(`not a UUID: ${text}`);
  return Uint8Array.from(Buffer.from(text.replaceAll('-', ''), 'hex'));
}
