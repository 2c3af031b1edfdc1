/**
 * HMAC-SHA1 over a batch (RFC 3711 section 4.2.1), four packets at a time. The message of RTP is the packet and its ROC, which is
 * written where MKI and tag stood; that of RTCP is the packet with its index word.
 */
import {
  CIPHER_HMAC_AT,
  SRTP_PENDING,
  SRTP_TAGS_AT,
  WORK_BLOCKS_AT,
  WORK_MAC_AT,
  WORK_PACKET_AT,
  WORK_ROC_AT,
  WORK_STATUS_AT,
} from '../layout';
import { hmacSha1, hmacSha1x4, sha1Pad } from './hmac-sha1';
import { cipherOf, isGcm, isRtcp, storeWord, tagBytesOf, workAt } from './work';

/** From one tag at SRTP_TAGS_AT to the next. */
const TAG_STRIDE: u32 = 32;

/** Pads the message that ends `bytes` behind the packet's start. */
export function prepareMessage(work: usize, bytes: u32): void {
  const packet: usize = load<u32>(work, WORK_PACKET_AT);
  if (!isRtcp(work)) {
    storeWord(packet + bytes, load<u32>(work, WORK_ROC_AT));
    bytes += 4;
  }
  store<u32>(work, sha1Pad(packet, bytes), WORK_BLOCKS_AT);
}

/** The tags of all prepared messages of the batch, to WORK_MAC_AT. */
export function authenticateBatch(works: usize, count: u32): void {
  let waiting: u32 = 0;
  let a: usize = 0;
  let b: usize = 0;
  let c: usize = 0;
  for (let n: u32 = 0; n < count; n++) {
    const work = workAt(works, n);
    if (!hasMessage(work)) continue;
    if (waiting == 3) {
      authenticateFour(a, b, c, work);
      waiting = 0;
      continue;
    }
    if (waiting == 0) a = work;
    else if (waiting == 1) b = work;
    else c = work;
    waiting++;
  }
  if (waiting == 1) authenticateOne(a);
  else if (waiting != 0) authenticateFour(a, b, waiting == 3 ? c : a, a);
}

function hasMessage(work: usize): bool {
  return load<u32>(work, WORK_STATUS_AT) == SRTP_PENDING && tagBytesOf(work) != 0 && !isGcm(work);
}

/** Once more, when the ROC is another. */
export function authenticateOne(work: usize): void {
  const message: usize = load<u32>(work, WORK_PACKET_AT);
  hmacSha1(cipherOf(work) + CIPHER_HMAC_AT, message, load<u32>(work, WORK_BLOCKS_AT), SRTP_TAGS_AT);
  takeTag(work, 0);
}

function authenticateFour(a: usize, b: usize, c: usize, d: usize): void {
  hmacSha1x4(
    cipherOf(a) + CIPHER_HMAC_AT,
    cipherOf(b) + CIPHER_HMAC_AT,
    cipherOf(c) + CIPHER_HMAC_AT,
    cipherOf(d) + CIPHER_HMAC_AT,
    load<u32>(a, WORK_PACKET_AT),
    load<u32>(b, WORK_PACKET_AT),
    load<u32>(c, WORK_PACKET_AT),
    load<u32>(d, WORK_PACKET_AT),
    load<u32>(a, WORK_BLOCKS_AT),
    load<u32>(b, WORK_BLOCKS_AT),
    load<u32>(c, WORK_BLOCKS_AT),
    load<u32>(d, WORK_BLOCKS_AT),
    SRTP_TAGS_AT,
  );
  takeTag(a, 0);
  takeTag(b, 1);
  takeTag(c, 2);
  takeTag(d, 3);
}

function takeTag(work: usize, lane: u32): void {
  v128.store(work, v128.load(SRTP_TAGS_AT + lane * TAG_STRIDE), WORK_MAC_AT);
}
