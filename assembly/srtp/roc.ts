/**
 * Finds the roll-over counter of an RTP packet that does not verify under the expected one: the recorder has joined late, more than
 * 2^15 packets are missing, or the peer has begun again at 0. Tried within bounds, for each try costs a tag; state
 * moves for what has verified only.
 *
 * A lower ROC than before would let old packets be replayed: it is tried only when signalling has allowed it (re-INVITE, hold), and once:
 * with the first packet that verifies so, what the source has sent before is forgotten.
 */
import {
  CONTEXT_NEXT_ROC_AT,
  CONTEXT_ROC_FOUND_AT,
  CONTEXT_ROC_RESET_AT,
  CONTEXT_TRIES_LEFT_AT,
  CONTEXT_TRIES_SINCE_US_AT,
  ROC_TRIES_AHEAD,
  ROC_TRIES_PER_SECOND,
  ROC_TRIES_UNKNOWN,
  SOURCE_FLAGS_AT,
  SOURCE_SENT_RTP,
  SRTP_NOW_US_AT,
  WORK_END_AT,
  WORK_MAC_AT,
  WORK_PACKET_AT,
  WORK_ROC_AT,
} from '../layout';
import { sequenceOf } from '../rtp/header';
import { authenticateOne } from './authenticate';
import { hidingBlock } from './gcm';
import { guessRoc, rocOf } from './sources';
import { restart } from './window';
import { contextOf, isGcm, isRtcp, isTag, storeWord } from './work';

/** Whether the packet verifies under this ROC (of RTCP, index word), which it is left with. */
export function isGenuine(work: usize, roc: u32): bool {
  store<u32>(work, roc, WORK_ROC_AT);
  const mac = v128.load(work, WORK_MAC_AT);
  if (isGcm(work)) return isTag(work, v128.xor(mac, hidingBlock(work)));
  const packet: usize = load<u32>(work, WORK_PACKET_AT);
  if (!isRtcp(work)) storeWord(packet + load<u16>(work, WORK_END_AT), roc);
  authenticateOne(work);
  return isTag(work, v128.load(work, WORK_MAC_AT));
}

/** The ROC that was tried first stands in the work; when it returns true, the right one does. `source` 0: not known. */
export function findRoc(work: usize, source: usize): bool {
  const isKnown = source != 0 && (load<u32>(source, SOURCE_FLAGS_AT) & SOURCE_SENT_RTP) != 0;
  const found = isKnown ? findAhead(work, source) : findAny(work);
  const context = contextOf(work);
  if (found) store<u32>(context, load<u32>(context, CONTEXT_ROC_FOUND_AT) + 1, CONTEXT_ROC_FOUND_AT);
  return found;
}

function findAhead(work: usize, source: usize): bool {
  const tried = load<u32>(work, WORK_ROC_AT);
  // The batch itself may have moved the index on since the first guess.
  const guess = guessRoc(source, sequenceOf(load<u32>(work, WORK_PACKET_AT)));
  if (guess != tried && isGenuine(work, guess)) return true;
  const highest = rocOf(source);
  for (let ahead: u32 = 0; ahead <= (ROC_TRIES_AHEAD as u32); ahead++) {
    const roc = highest + ahead;
    if (roc != tried && roc != guess && mayTry(work) && isGenuine(work, roc)) return true;
  }
  const context = contextOf(work);
  if (load<u32>(context, CONTEXT_ROC_RESET_AT) == 0 || highest == 0 || !mayTry(work) || !isGenuine(work, 0))
    return false;
  store<u32>(context, 0, CONTEXT_ROC_RESET_AT);
  restart(source, 0);
  return true;
}

/** Of a source that was never heard: on from where the search stopped last. */
function findAny(work: usize): bool {
  const context = contextOf(work);
  const tried = load<u32>(work, WORK_ROC_AT);
  for (let n = 0; n < ROC_TRIES_UNKNOWN; n++) {
    const roc = load<u32>(context, CONTEXT_NEXT_ROC_AT);
    if (roc != tried && !mayTry(work)) return false;
    store<u32>(context, (roc + 1) % ROC_TRIES_UNKNOWN, CONTEXT_NEXT_ROC_AT);
    if (roc != tried && isGenuine(work, roc)) {
      store<u32>(context, 0, CONTEXT_NEXT_ROC_AT);
      return true;
    }
  }
  return false;
}

/** Takes one of this second's tries; false if none is left. */
function mayTry(work: usize): bool {
  const context = contextOf(work);
  const now = load<f64>(SRTP_NOW_US_AT);
  if (now - load<f64>(context, CONTEXT_TRIES_SINCE_US_AT) >= 1000000) {
    store<f64>(context, now, CONTEXT_TRIES_SINCE_US_AT);
    store<u32>(context, ROC_TRIES_PER_SECOND, CONTEXT_TRIES_LEFT_AT);
  }
  const left = load<u32>(context, CONTEXT_TRIES_LEFT_AT);
  if (left == 0) return false;
  store<u32>(context, left - 1, CONTEXT_TRIES_LEFT_AT);
  return true;
}
