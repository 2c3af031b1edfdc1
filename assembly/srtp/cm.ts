/** AES in counter mode over the encrypted part of a packet (RFC 3711 section 4.1.1), in place: encrypts and decrypts alike. */
import { counterMode } from './aes-ctr';
import { counterModeIv } from './iv';
import { cipherOf, packetIndexOf, roundsOf, ssrcOf, textBytesOf, textOf } from './work';

/** Up to 15 bytes behind the text are overwritten. */
export function cryptText(work: usize): void {
  const keys = cipherOf(work);
  const iv = counterModeIv(keys, ssrcOf(work), packetIndexOf(work));
  const text = textOf(work);
  counterMode(keys, roundsOf(work), iv, 0, text, text, (textBytesOf(work) + 15) >> 4);
}
