/**
 * Unprotects a batch of SRTP and SRTCP packets (RFC 3711 sections 3.3 and 3.4, RFC 7714 sections 8 and 9), each in place. In this order:
 * parse and guess the index, authenticate, look for replays, move state, decrypt. A packet that does not verify changes nothing.
 *
 * A replay is told after the tag has verified, not before: so a duplicate of the network is never mistaken for a forged packet.
 *
 *   RTP    header | payload ................ | [MKI] | tag      GCM   header | payload | tag | [MKI]
 *   RTCP   header | ........ | E, index | [MKI] | tag           GCM   header | ... | tag | E, index | [MKI]
 */
import {
  CIPHER_AES_CM,
  CONTEXT_CIPHER_AT,
  CONTEXT_PREVIOUS_KEY_AT,
  SRTP_CHUNK_PACKETS,
  SRTP_INVALID,
  SRTP_NOW_US_AT,
  SRTP_OK,
  SRTP_PENDING,
  SRTP_REPLAYED,
  SRTP_UNAUTHENTICATED,
  WORK_END_AT,
  WORK_KEY_AT,
  WORK_LENGTH_AT,
  WORK_MAC_AT,
  WORK_PACKET_AT,
  WORK_ROC_AT,
  WORK_SEALED_AT,
  WORK_STATUS_AT,
  WORK_TAG_AT,
  WORK_TEXT_AT,
} from '../layout';
import { FIXED_HEADER_BYTES, headerBytes, sequenceOf } from '../rtp/header';
import { authenticateBatch, prepareMessage } from './authenticate';
import { cryptText } from './cm';
import { acceptText, decryptAside, hashPacket } from './gcm';
import { findRoc, isGenuine } from './roc';
import { findSource, guessRoc, takeSource } from './sources';
import { isReplayed, isRtcpReplayed, markRtcpSeen, markSeen } from './window';
import {
  contextOf,
  ENCRYPTED,
  findKey,
  INDEX_BYTES,
  isGcm,
  isRtcp,
  isTag,
  mkiBytesOf,
  packetIndexOf,
  RTCP_HEADER_BYTES,
  ssrcOf,
  tagBytesOf,
  wordAt,
  workAt,
} from './work';

/** `nowUs`: any clock that does not go back. */
export function unprotectBatch(works: usize, count: u32, nowUs: f64): void {
  store<f64>(SRTP_NOW_US_AT, nowUs);
  for (let n: u32 = 0; n < count; n += SRTP_CHUNK_PACKETS) {
    unprotectSome(workAt(works, n), min<u32>(count - n, SRTP_CHUNK_PACKETS));
  }
}

function unprotectSome(works: usize, count: u32): void {
  for (let n: u32 = 0; n < count; n++) {
    const work = workAt(works, n);
    store<u32>(work, parse(work), WORK_STATUS_AT);
  }
  authenticateBatch(works, count);
  for (let n: u32 = 0; n < count; n++) {
    const work = workAt(works, n);
    if (load<u32>(work, WORK_STATUS_AT) != SRTP_PENDING) continue;
    const status = finish(work);
    store<u32>(work, status, WORK_STATUS_AT);
    if (status == SRTP_OK) store<u32>(work, load<u16>(work, WORK_END_AT), WORK_LENGTH_AT);
  }
}

/** Where the parts are, which key it is, and which index it has if all goes as expected. */
function parse(work: usize): u32 {
  const context = contextOf(work);
  const packet: usize = load<u32>(work, WORK_PACKET_AT);
  const bytes = load<u32>(work, WORK_LENGTH_AT);
  const reports = isRtcp(work);
  const gcm = isGcm(work);
  const tagBytes = tagBytesOf(work);
  const mkiBytes = mkiBytesOf(work);
  const behind = tagBytes + mkiBytes + (reports ? INDEX_BYTES : 0);
  const text = reports ? RTCP_HEADER_BYTES : bytes < FIXED_HEADER_BYTES ? 0 : headerBytes(packet, bytes);
  if (text == 0 || text + behind > bytes || load<u8>(packet) >> 6 != 2) return SRTP_INVALID;
  const end = bytes - behind;
  const key = findKey(context, packet + bytes - (gcm ? mkiBytes : mkiBytes + tagBytes));
  if (key == 0) return SRTP_UNAUTHENTICATED;
  store<u16>(work, text as u16, WORK_TEXT_AT);
  store<u16>(work, end as u16, WORK_END_AT);
  store<u32>(work, key as u32, WORK_KEY_AT);
  v128.store(work, v128.load(packet + (gcm ? end : bytes - tagBytes)), WORK_TAG_AT);
  const word = reports
    ? wordAt(packet + (gcm ? end + tagBytes : end))
    : guessRoc(findSource(context, ssrcOf(work)), sequenceOf(packet));
  store<u32>(work, word, WORK_ROC_AT);
  if (!gcm) prepareMessage(work, reports ? end + INDEX_BYTES : end);
  return SRTP_PENDING;
}

/** Whether the tag verifies under the expected key and index. What GCM decrypts on the way lies aside. */
function isAsExpected(work: usize): bool {
  if (!isGcm(work)) return tagBytesOf(work) == 0 || isTag(work, v128.load(work, WORK_MAC_AT));
  const hash = hashPacket(work);
  v128.store(work, hash, WORK_MAC_AT);
  if (isSealed(work)) return isGenuine(work, load<u32>(work, WORK_ROC_AT));
  return isTag(work, v128.xor(hash, decryptAside(work)));
}

function isSealed(work: usize): bool {
  return load<u32>(work, WORK_SEALED_AT) != 0;
}

/** Sent before the keys changed: without an MKI that shows only by trying. */
function isUnderPreviousKey(work: usize): bool {
  const key = load<u32>(contextOf(work), CONTEXT_PREVIOUS_KEY_AT);
  if (key == 0 || mkiBytesOf(work) != 0) return false;
  const present = load<u32>(work, WORK_KEY_AT);
  if (isGenuineUnder(work, key)) return true;
  isGenuineUnder(work, present); // for who looks on: key and tag are those of the present again
  return false;
}

function isGenuineUnder(work: usize, key: u32): bool {
  store<u32>(work, key, WORK_KEY_AT);
  if (isGcm(work)) v128.store(work, hashPacket(work), WORK_MAC_AT);
  return isGenuine(work, load<u32>(work, WORK_ROC_AT));
}

function finish(work: usize): u32 {
  const context = contextOf(work);
  const reports = isRtcp(work);
  const ssrc = ssrcOf(work);
  const known = findSource(context, ssrc);
  // The batch itself may have moved the index on since the first guess, and without a tag nothing else would tell.
  if (tagBytesOf(work) == 0) {
    store<u32>(work, guessRoc(known, sequenceOf(load<u32>(work, WORK_PACKET_AT))), WORK_ROC_AT);
  }
  const expected = isAsExpected(work);
  if (!expected && !isUnderPreviousKey(work) && (reports || !findRoc(work, known))) return SRTP_UNAUTHENTICATED;
  const index = packetIndexOf(work);
  if (reports ? isRtcpReplayed(known, index as u32) : isReplayed(known, index)) return SRTP_REPLAYED;
  const source = takeSource(context, ssrc, known);
  if (reports) markRtcpSeen(source, index as u32);
  else markSeen(source, index);
  const isClear = reports && (load<u32>(work, WORK_ROC_AT) & ENCRYPTED) == 0;
  if (!isClear && !isSealed(work)) decrypt(work, expected);
  return SRTP_OK;
}

/** `isAside`: GCM has decrypted it on the way to the tag. */
function decrypt(work: usize, isAside: bool): void {
  if (isGcm(work)) {
    if (!isAside) decryptAside(work);
    acceptText(work);
  } else if (load<u32>(contextOf(work), CONTEXT_CIPHER_AT) == CIPHER_AES_CM) cryptText(work);
}
