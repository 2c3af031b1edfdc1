/** A packet of a batch, and what its context and key say about it. */
import {
  CHANNEL_RTCP,
  CIPHER_AES_GCM,
  CONTEXT_CIPHER_AT,
  CONTEXT_KEY_AT,
  CONTEXT_MKI_BYTES_AT,
  CONTEXT_PREVIOUS_KEY_AT,
  CONTEXT_ROUNDS_AT,
  CONTEXT_RTCP_TAG_BYTES_AT,
  CONTEXT_RTP_TAG_BYTES_AT,
  SRTP_KEY_MKI_AT,
  SRTP_KEY_NEXT_AT,
  SRTP_KEY_RTCP_AT,
  SRTP_KEY_RTP_AT,
  SRTP_MASKS_AT,
  WORK_BYTES,
  WORK_CHANNEL_AT,
  WORK_CONTEXT_AT,
  WORK_END_AT,
  WORK_KEY_AT,
  WORK_PACKET_AT,
  WORK_ROC_AT,
  WORK_TAG_AT,
  WORK_TEXT_AT,
} from '../layout';
import { sequenceOf } from '../rtp/header';
import { indexOf } from './sources';

/** In RTCP, the fixed part that is never encrypted (RFC 3711 section 3.4); behind the rest comes the index word. */
export const RTCP_HEADER_BYTES: u32 = 8;
export const INDEX_BYTES: u32 = 4;
/** The E bit of the index word, and the index. */
export const ENCRYPTED: u32 = 0x80000000;
export const MAX_RTCP_INDEX: u32 = 0x7fffffff;

export function workAt(works: usize, n: u32): usize {
  return works + n * WORK_BYTES;
}

export function contextOf(work: usize): usize {
  return load<u32>(work, WORK_CONTEXT_AT);
}

export function isGcm(work: usize): bool {
  return load<u32>(contextOf(work), CONTEXT_CIPHER_AT) == CIPHER_AES_GCM;
}

export function roundsOf(work: usize): u32 {
  return load<u32>(contextOf(work), CONTEXT_ROUNDS_AT);
}

/** Where what is encrypted begins, and its bytes. */
export function textOf(work: usize): usize {
  return load<u32>(work, WORK_PACKET_AT) + load<u16>(work, WORK_TEXT_AT);
}

export function textBytesOf(work: usize): u32 {
  return (load<u16>(work, WORK_END_AT) as u32) - load<u16>(work, WORK_TEXT_AT);
}

/** The packet's index: of RTP for the ROC that the work has now, of RTCP as it stands in the packet. */
export function packetIndexOf(work: usize): u64 {
  const word = load<u32>(work, WORK_ROC_AT);
  if (isRtcp(work)) return (word & MAX_RTCP_INDEX) as u64;
  return indexOf(word, sequenceOf(load<u32>(work, WORK_PACKET_AT)));
}

export function isRtcp(work: usize): bool {
  return load<u32>(work, WORK_CHANNEL_AT) == CHANNEL_RTCP;
}

export function tagBytesOf(work: usize): u32 {
  const context = contextOf(work);
  return isRtcp(work) ? load<u32>(context, CONTEXT_RTCP_TAG_BYTES_AT) : load<u32>(context, CONTEXT_RTP_TAG_BYTES_AT);
}

export function mkiBytesOf(work: usize): u32 {
  return load<u32>(contextOf(work), CONTEXT_MKI_BYTES_AT);
}

/** The session keys for the packet: those of RTP or of RTCP. */
export function cipherOf(work: usize): usize {
  return load<u32>(work, WORK_KEY_AT) + (isRtcp(work) ? SRTP_KEY_RTCP_AT : SRTP_KEY_RTP_AT);
}

/** The key with the MKI that lies at `mki`, a previous one too; 0 if there is none. Without MKIs it is the first. */
export function findKey(context: usize, mki: usize): usize {
  const bytes = load<u32>(context, CONTEXT_MKI_BYTES_AT);
  const first: usize = load<u32>(context, CONTEXT_KEY_AT);
  if (bytes == 0) return first;
  const key = findInList(first, mki, bytes);
  return key != 0 ? key : findInList(load<u32>(context, CONTEXT_PREVIOUS_KEY_AT), mki, bytes);
}

function findInList(key: usize, mki: usize, bytes: u32): usize {
  while (key != 0 && memory.compare(key + SRTP_KEY_MKI_AT, mki, bytes) != 0) key = load<u32>(key, SRTP_KEY_NEXT_AT);
  return key;
}

/** SSRC as it lies in the packet. */
export function ssrcOf(work: usize): u32 {
  return load<u32>(load<u32>(work, WORK_PACKET_AT) + (isRtcp(work) ? 4 : 8));
}

/** Whether the packet's tag is this one, in a time that does not depend on where they differ. */
export function isTag(work: usize, tag: v128): bool {
  return !v128.any_true(firstBytes(v128.xor(tag, v128.load(work, WORK_TAG_AT)), tagBytesOf(work)));
}

/** Once per memory. */
export function initWork(): void {
  v128.store(SRTP_MASKS_AT, i8x16.splat(-1));
  v128.store(SRTP_MASKS_AT, i8x16.splat(0), 16);
}

/** The first `bytes` of a block, with zeros behind. */
export function firstBytes(block: v128, bytes: u32): v128 {
  return v128.and(block, v128.load(SRTP_MASKS_AT + 16 - bytes));
}

export function wordAt(at: usize): u32 {
  return bswap<u32>(load<u32>(at));
}

export function storeWord(at: usize, word: u32): void {
  store<u32>(at, bswap<u32>(word));
}
