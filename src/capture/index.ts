// Packet captures: reading pcap and pcapng, finding the RTP streams in them, writing pcap.

export { type Datagram, decodeDatagram, emptyDatagram, type FrameClass } from './datagram.ts';
export { CaptureDecoder, type CaptureSummary, type DatagramSink, readCapture } from './file.ts';
export type { CapturedFrame } from './frame.ts';
export { CaptureParser } from './parser.ts';
export {
  type CapturedSource,
  type CapturedStream,
  classifyDatagram,
  flowKey,
  type PayloadTypeUse,
  rtpSeq,
  rtpSsrc,
  StreamDiscovery,
} from './rtp-streams.ts';
export { pcapFileHeader, pcapRecord, type SocketAddress } from './writer.ts';
