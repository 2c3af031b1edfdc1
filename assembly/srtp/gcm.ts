/**
 * AES-GCM (NIST SP 800-38D) around a packet in memory: additional data (AAD), what is encrypted, tag. GHASH reads the packet in place,
 * with the AAD in the block before the ciphertext and the lengths behind it; what stood before it is put back.
 *
 * AAD of RTP is the header (RFC 7714 section 8.2); of RTCP it is the first eight bytes and the index word, or, when nothing is
 * encrypted, the whole packet and the index word (section 9.2 and 9.3).
 */
import { CIPHER_GHASH_AT, SRTP_PLAIN_AT, WORK_PACKET_AT, WORK_ROC_AT, WORK_TEXT_AT } from '../layout';
import { encryptBlock } from './aes';
import { counterMode } from './aes-ctr';
import { ghash, ghashUpdate } from './ghash';
import { gcmIv } from './iv';
import {
  cipherOf,
  ENCRYPTED,
  firstBytes,
  INDEX_BYTES,
  isRtcp,
  packetIndexOf,
  RTCP_HEADER_BYTES,
  roundsOf,
  ssrcOf,
  textBytesOf,
  textOf,
} from './work';

/** Counter of the block that hides the tag; the text follows it (section 7.1). */
const TAG_COUNTER: u32 = 1;

function ivOf(work: usize): v128 {
  return gcmIv(cipherOf(work), ssrcOf(work), packetIndexOf(work));
}

/** The block that is xored with the hash to make the tag, for the ROC or index that the work has now. */
export function hidingBlock(work: usize): v128 {
  return encryptBlock(cipherOf(work), roundsOf(work), i8x16.replace_lane(ivOf(work), 15, TAG_COUNTER as i8));
}

function tablesOf(cipher: usize): usize {
  return load<u32>(cipher, CIPHER_GHASH_AT);
}

/** GHASH of AAD and ciphertext. What lies behind the ciphertext (tag, index word) is overwritten. */
export function hashPacket(work: usize): v128 {
  const packet: usize = load<u32>(work, WORK_PACKET_AT);
  const text = textOf(work);
  const bytes = textBytesOf(work);
  if (isRtcp(work)) {
    const word = bswap<u32>(load<u32>(work, WORK_ROC_AT));
    if ((load<u32>(work, WORK_ROC_AT) & ENCRYPTED) == 0) return hashClearRtcp(cipherOf(work), packet, bytes, word);
    const aad = i32x4.replace_lane(firstBytes(v128.load(packet), RTCP_HEADER_BYTES), 2, word);
    return hashShortAad(cipherOf(work), aad, RTCP_HEADER_BYTES + INDEX_BYTES, text, bytes);
  }
  const header: u32 = load<u16>(work, WORK_TEXT_AT);
  if (header > 16) return hashLongAad(cipherOf(work), packet, header, text, bytes);
  return hashShortAad(cipherOf(work), firstBytes(v128.load(packet), header), header, text, bytes);
}

function hashShortAad(cipher: usize, aad: v128, aadBytes: u32, text: usize, bytes: u32): v128 {
  const end = padAndMeasure(aadBytes, text, bytes);
  const before = text - 16;
  const kept = v128.load(before);
  v128.store(before, aad);
  const y = ghash(tablesOf(cipher), before, ((end - before) as u32) >> 4);
  v128.store(before, kept);
  return y;
}

function hashLongAad(cipher: usize, aad: usize, aadBytes: u32, text: usize, bytes: u32): v128 {
  const blocks = (aadBytes + 15) >> 4;
  v128.store(SRTP_PLAIN_AT + (aadBytes & ~15), i64x2.splat(0));
  memory.copy(SRTP_PLAIN_AT, aad, aadBytes);
  const y = ghash(tablesOf(cipher), SRTP_PLAIN_AT, blocks);
  const end = padAndMeasure(aadBytes, text, bytes);
  return ghashUpdate(y, tablesOf(cipher), text, ((end - text) as u32) >> 4);
}

function hashClearRtcp(cipher: usize, packet: usize, bytes: u32, word: u32): v128 {
  const aadBytes = RTCP_HEADER_BYTES + bytes + INDEX_BYTES;
  store<u32>(packet + aadBytes - INDEX_BYTES, word);
  return hashLongAad(cipher, packet, aadBytes, packet + aadBytes, 0);
}

/** Zeros to the next block behind the ciphertext, then the bits of AAD and ciphertext (section 6.4); gives where they end. */
function padAndMeasure(aadBytes: u32, text: usize, bytes: u32): usize {
  let end = text + (bytes & ~15);
  const rest = bytes & 15;
  if (rest != 0) {
    v128.store(end, firstBytes(v128.load(end), rest));
    end += 16;
  }
  v128.store(end, i64x2(bswap<u64>((aadBytes as u64) << 3) as i64, bswap<u64>((bytes as u64) << 3) as i64));
  return end + 16;
}

/** Encrypts in place; gives the block that hides the tag. The 16 bytes before the text are used and put back. */
export function encryptText(work: usize): v128 {
  const before = textOf(work) - 16;
  const kept = v128.load(before);
  const blocks = ((textBytesOf(work) + 15) >> 4) + 1;
  counterMode(cipherOf(work), roundsOf(work), ivOf(work), TAG_COUNTER, before, before, blocks);
  const hiding = v128.xor(v128.load(before), kept);
  v128.store(before, kept);
  return hiding;
}

/** Decrypts aside, for the tag has not been verified yet; gives the block that hides it. */
export function decryptAside(work: usize): v128 {
  const before = textOf(work) - 16;
  const blocks = ((textBytesOf(work) + 15) >> 4) + 1;
  counterMode(cipherOf(work), roundsOf(work), ivOf(work), TAG_COUNTER, before, SRTP_PLAIN_AT, blocks);
  return v128.xor(v128.load(SRTP_PLAIN_AT), v128.load(before));
}

/** What has been decrypted aside takes the ciphertext's place; up to 15 bytes behind it are overwritten. */
export function acceptText(work: usize): void {
  const text = textOf(work);
  const bytes = textBytesOf(work);
  for (let n: u32 = 0; n < bytes; n += 16) v128.store(text + n, v128.load(SRTP_PLAIN_AT + 16 + n));
}
