/**
 * Protects a batch of RTP and RTCP packets, each in place (RFC 3711 sections 3.3 and 3.4, RFC 7714 sections 8 and 9). No packet index is
 * used twice with a key: a packet whose index has been sent is refused, whatever is in it.
 */
import {
  CIPHER_AES_CM,
  CONTEXT_CIPHER_AT,
  CONTEXT_FIRST_RTCP_INDEX_AT,
  CONTEXT_KEY_AT,
  CONTEXT_RTCP_ENCRYPTED_AT,
  SOURCE_FLAGS_AT,
  SOURCE_RTCP_INDEX_AT,
  SOURCE_SENT_RTCP,
  SRTP_CHUNK_PACKETS,
  SRTP_INVALID,
  SRTP_KEY_EXHAUSTED,
  SRTP_KEY_MKI_AT,
  SRTP_OK,
  SRTP_PENDING,
  SRTP_REPLAYED,
  SRTP_TOO_MANY_SOURCES,
  WORK_END_AT,
  WORK_KEY_AT,
  WORK_LENGTH_AT,
  WORK_MAC_AT,
  WORK_PACKET_AT,
  WORK_ROC_AT,
  WORK_STATUS_AT,
  WORK_TEXT_AT,
} from '../layout';
import { headerBytes, payloadBytes, sequenceOf } from '../rtp/header';
import { authenticateBatch, prepareMessage } from './authenticate';
import { cryptText } from './cm';
import { encryptText, hashPacket, hidingBlock } from './gcm';
import { findSource, guessRoc, hasPlace, indexOf, rocOf, takeSource } from './sources';
import { isReplayed, markRtcpSeen, markSeen } from './window';
import {
  contextOf,
  ENCRYPTED,
  INDEX_BYTES,
  isGcm,
  isRtcp,
  MAX_RTCP_INDEX,
  mkiBytesOf,
  RTCP_HEADER_BYTES,
  ssrcOf,
  storeWord,
  tagBytesOf,
  workAt,
} from './work';

export function protectBatch(works: usize, count: u32): void {
  for (let n: u32 = 0; n < count; n += SRTP_CHUNK_PACKETS) {
    protectSome(workAt(works, n), min<u32>(count - n, SRTP_CHUNK_PACKETS));
  }
}

function protectSome(works: usize, count: u32): void {
  for (let n: u32 = 0; n < count; n++) {
    const work = workAt(works, n);
    store<u32>(work, load<u32>(contextOf(work), CONTEXT_KEY_AT), WORK_KEY_AT);
    store<u32>(work, isRtcp(work) ? encryptRtcp(work) : encryptRtp(work), WORK_STATUS_AT);
  }
  authenticateBatch(works, count);
  for (let n: u32 = 0; n < count; n++) {
    const work = workAt(works, n);
    if (load<u32>(work, WORK_STATUS_AT) != SRTP_PENDING) continue;
    appendTag(work);
    store<u32>(work, SRTP_OK, WORK_STATUS_AT);
  }
}

function encryptRtp(work: usize): u32 {
  const packet: usize = load<u32>(work, WORK_PACKET_AT);
  const bytes = load<u32>(work, WORK_LENGTH_AT);
  if (payloadBytes(packet, bytes) < 0) return SRTP_INVALID;
  const context = contextOf(work);
  const known = findSource(context, ssrcOf(work));
  if (known == 0 && !hasPlace(context)) return SRTP_TOO_MANY_SOURCES;
  const seq = sequenceOf(packet);
  const roc = guessRoc(known, seq);
  if (roc == 0 && known != 0 && rocOf(known) == 0xffffffff) return SRTP_KEY_EXHAUSTED;
  const index = indexOf(roc, seq);
  if (isReplayed(known, index)) return SRTP_REPLAYED;
  markSeen(takeSource(context, ssrcOf(work), known), index);
  store<u32>(work, roc, WORK_ROC_AT);
  encrypt(work, headerBytes(packet, bytes), bytes, true);
  return SRTP_PENDING;
}

function encryptRtcp(work: usize): u32 {
  const packet: usize = load<u32>(work, WORK_PACKET_AT);
  const bytes = load<u32>(work, WORK_LENGTH_AT);
  if (bytes < RTCP_HEADER_BYTES || load<u8>(packet) >> 6 != 2) return SRTP_INVALID;
  const context = contextOf(work);
  const known = findSource(context, ssrcOf(work));
  if (known == 0 && !hasPlace(context)) return SRTP_TOO_MANY_SOURCES;
  const index = nextRtcpIndex(context, known);
  if (index > MAX_RTCP_INDEX) return SRTP_KEY_EXHAUSTED;
  markRtcpSeen(takeSource(context, ssrcOf(work), known), index);
  const isEncrypted = load<u32>(context, CONTEXT_RTCP_ENCRYPTED_AT) != 0;
  store<u32>(work, isEncrypted ? index | ENCRYPTED : index, WORK_ROC_AT);
  encrypt(work, RTCP_HEADER_BYTES, bytes, isEncrypted);
  return SRTP_PENDING;
}

function nextRtcpIndex(context: usize, source: usize): u32 {
  if (source == 0 || (load<u32>(source, SOURCE_FLAGS_AT) & SOURCE_SENT_RTCP) == 0) {
    return load<u32>(context, CONTEXT_FIRST_RTCP_INDEX_AT);
  }
  return load<u32>(source, SOURCE_RTCP_INDEX_AT) + 1;
}

/** Encrypts the text, and prepares the message of the tag or, for GCM, makes the tag. */
function encrypt(work: usize, text: u32, end: u32, isEncrypted: bool): void {
  store<u16>(work, text as u16, WORK_TEXT_AT);
  store<u16>(work, end as u16, WORK_END_AT);
  if (isGcm(work)) {
    const hiding = isEncrypted ? encryptText(work) : hidingBlock(work);
    v128.store(work, v128.xor(hashPacket(work), hiding), WORK_MAC_AT);
    return;
  }
  if (isEncrypted && load<u32>(contextOf(work), CONTEXT_CIPHER_AT) == CIPHER_AES_CM) cryptText(work);
  if (isRtcp(work)) {
    storeWord(load<u32>(work, WORK_PACKET_AT) + end, load<u32>(work, WORK_ROC_AT));
    end += INDEX_BYTES;
  }
  if (tagBytesOf(work) != 0) prepareMessage(work, end);
}

/** Index word, MKI and tag, in the order that the cipher has them in. */
function appendTag(work: usize): void {
  const packet: usize = load<u32>(work, WORK_PACKET_AT);
  let at = packet + load<u16>(work, WORK_END_AT);
  if (isGcm(work)) {
    v128.store(at, v128.load(work, WORK_MAC_AT));
    at = appendMki(work, appendIndex(work, at + tagBytesOf(work)));
  } else {
    at = appendMki(work, appendIndex(work, at));
    v128.store(at, v128.load(work, WORK_MAC_AT)); // what is too much lies in the slack
    at += tagBytesOf(work);
  }
  store<u32>(work, (at - packet) as u32, WORK_LENGTH_AT);
}

function appendIndex(work: usize, at: usize): usize {
  if (!isRtcp(work)) return at;
  storeWord(at, load<u32>(work, WORK_ROC_AT));
  return at + INDEX_BYTES;
}

function appendMki(work: usize, at: usize): usize {
  const bytes = mkiBytesOf(work);
  if (bytes != 0) memory.copy(at, load<u32>(work, WORK_KEY_AT) + SRTP_KEY_MKI_AT, bytes);
  return at + bytes;
}
