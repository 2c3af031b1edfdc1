/** The journal: writer in the lane, demultiplexer and recovery around it. */

export { demultiplex, PACKETS_SUFFIX, packetFilePath } from './demux.ts';
export {
  type BlockHeader,
  type JournalRecord,
  KIND_DROPPED,
  KIND_DUPLICATE,
  KIND_NOTE,
  KIND_PAUSED,
  KIND_RTCP,
  KIND_RTP,
  NO_STREAM,
  noteBlock,
  records,
} from './format.ts';
export {
  type Block,
  type BlockWindow,
  blocks,
  type ReadOptions,
  type ReadReport,
  readBlocks,
  readWindows,
} from './reader.ts';
export { markRecovered } from './recover.ts';
export { leftOverSegments, parseSegmentName, syncFolder } from './segment.ts';
export { type JournalOptions, type JournalState, type JournalStats, JournalWriter } from './writer.ts';
