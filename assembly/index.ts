/** What the media core exports. All state lives at the addresses of layout.ts; there are no globals. */
import { countKernelDrops as countDropsOfSocket, describeReceived } from './io/received';

import { targetUs } from './jitter/delay';
import { decoded } from './jitter/play';
import { playerAt } from './jitter/player';
import { appendRecord, flushBlocks } from './journal/blocks';
import { buildCrcTable, crc32c as crc32cOf } from './journal/crc32c';
import { KIND_NOTE, NO_STREAM } from './layout';
import { mixerAt } from './mix/mixer';
import { setTone } from './mix/tone';
import { forget } from './replicate/look-back';
import { beginRound, replaySome, stopLookingBack } from './replicate/replay';
import { beginReplication, replicateSome } from './replicate/replicate';
import { writeSinkReport } from './replicate/report';
import { sinkAt } from './replicate/sink';
import { linkSink, unlinkSink } from './replicate/sinks';
import { process as processBatch } from './rtp/process';
import { lostInStream } from './rtp/reception';
import { writeReport } from './rtp/rtcp';
import { declareDrops, streamAt } from './rtp/stream';
import { initAes } from './srtp/aes-tables';
import { initGhash } from './srtp/ghash';
import { initSha1 } from './srtp/sha1';
import { initWork } from './srtp/work';

export { finaliserDecode } from './codec/decode';
export { encodeAlaw, encodeMulaw } from './codec/g711';
export { g722Decode, g722Init } from './codec/g722';
export { g722Encode, g722InitEncoder } from './codec/g722-encode';
export { plcConceal, plcGood, plcInit } from './codec/plc';
export { setReceiver as setSinkReceiver } from './replicate/receivers';
export { lookBack as beginLookBack, stopLookingBack as endLookBack } from './replicate/replay';
export { linkSource, unlinkSource } from './rtp/demultiplex';
export * from './srtp/known-answers';
export { finaliserIndex } from './timeline/index-records';
export {
  finaliserAdvance,
  finaliserClearChannels,
  finaliserInterleave,
  finaliserMix,
  finaliserMixResampled,
} from './timeline/window';

/** Once per memory. */
export function initialise(): void {
  buildCrcTable();
  initAes();
  initSha1();
  initWork();
  initGhash();
}

/** Takes the batch described at DESCRIPTORS_AT. */
export function process(packets: u32): void {
  processBatch(packets);
}

/** Puts a note (UTF-8 JSON) into the recording's journal; 0 when there is no room now. */
export function note(recording: u32, at: usize, bytes: u32, nowUs: u64): u32 {
  return appendRecord(recording, NO_STREAM, KIND_NOTE, 0, 0, nowUs, at, bytes) ? 1 : 0;
}

/** Takes into the batch what recvmmsg has put into its slots from `first` on; see io/received.ts. */
export function received(first: u32, count: u32, socket: u32, nowUs: f64, aheadUs: f64): void {
  describeReceived(first, count, socket, nowUs, aheadUs);
}

/** What the kernel has dropped of a socket since it was opened; the journal is told of what is new. */
export function countKernelDrops(socket: u32, total: u32): void {
  countDropsOfSocket(socket, total);
}

/** Outgoing packets of the batch that was processed last: to be called until it gives 0; `isFirst`: it begins anew. */
export function replicate(packets: u32, isFirst: u32): u32 {
  if (isFirst != 0) beginReplication();
  return replicateSome(packets);
}

export function openSink(sink: u32): void {
  linkSink(sink);
}

export function closeSink(sink: u32): void {
  stopLookingBack(sink);
  unlinkSink(sink);
}

/** What the receiver of a sink is told; see replicate/report.ts. 0: nothing. */
export function sinkReport(
  sink: u32,
  to: usize,
  nowUs: u64,
  wallMs: f64,
  cname: usize,
  cnameBytes: u32,
  isLast: u32,
): u32 {
  return writeSinkReport(sinkAt(sink), to, nowUs, wallMs, cname, cnameBytes, isLast != 0);
}

/** Outgoing packets of look-back rings that are due now: to be called until it gives 0; `isFirst`: a round begins. */
export function replay(nowUs: u64, isFirst: u32): u32 {
  if (isFirst != 0) beginRound();
  return replaySome(nowUs);
}

/** Nothing of the stream is kept any more. */
export function forgetLookBack(stream: u32): void {
  forget(streamAt(stream));
}

/** 0 when there are drops to declare and no room in the journal to do it now. */
export function declareStreamDrops(stream: u32, nowUs: u64): u32 {
  return declareDrops(streamAt(stream), nowUs) ? 1 : 0;
}

/** Blocks of everything journaled since the last flush, from BLOCKS_AT on; gives their bytes. */
export function flush(monoUs: u64, wallUs: u64): u32 {
  return flushBlocks(monoUs, wallUs);
}

export function receiverReport(stream: u32, to: usize, nowUs: u64, cname: usize, cnameBytes: u32): u32 {
  return writeReport(streamAt(stream), to, nowUs, cname, cnameBytes);
}

/** Packets of the stream that did not come, as far as is known now. */
export function lost(stream: u32): u32 {
  return lostInStream(streamAt(stream));
}

export function crc32c(at: usize, bytes: u32): u32 {
  return crc32cOf(at, bytes);
}
// Players and mixers by their numbers; what else they need is written into lane memory (see src/media/player-memory.ts).
export { playAll } from './jitter/play';
export { closePlayer as playerClose, openPlayer as playerOpen } from './jitter/player';
export { changeMixer as mixerChange, closeMixer as mixerClose, openMixer as mixerOpen } from './mix/mixer';
export { sendMixer as mixerSend, sendMixers } from './mix/send';
// SRTP: contexts and keys by their addresses, packets by what stands at WORK_AT (see layout.ts).
export {
  addKey as srtpAddKey,
  closeContext as srtpClose,
  forgetPreviousKeys as srtpForgetPreviousKeys,
  openContext as srtpOpen,
  rekeyContext as srtpRekey,
} from './srtp/keys';
export { protectBatch as srtpProtect } from './srtp/protect';
export { unprotectBatch as srtpUnprotect } from './srtp/unprotect';

/** What `playAll` stopped for, a packet or what was asked for in place of one, has been made into so many samples. */
export function playerDecoded(player: u32, samples: u32): void {
  decoded(playerAt(player), samples);
}

/** See mix/tone.ts; for a mixer that was just opened. */
export function mixerTone(mixer: u32, coefficient: f64, start: f64, samples: u32, every: u32): void {
  setTone(mixerAt(mixer), coefficient, start, samples, every);
}

/** The playout delay that the player is to have at the moment, in microseconds. */
export function playerTargetUs(player: u32): f64 {
  return targetUs(playerAt(player));
}
