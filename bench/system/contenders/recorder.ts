/** Ours, receiving and recording: the media engine of `doubletrack/media` in a process of its own. Streams 2n and 2n + 1 are the call n. */
import { randomUUID } from 'node:crypto';
import { MediaEngine, type MediaSession, type StreamMedia } from '../../../src/media/index.ts';
import { PCMU, ssrcOf, streamKeys } from '../load/packets.ts';
import { serve } from '../remote.ts';

export interface RecorderSetup {
  address: string;
  ports: { lo: number; hi: number };
  journalDir: string;
  lanes: number;
  streamsPerPort: number;
}

export interface StreamsSetup {
  calls: number;
  isSrtp: boolean;
  /** Where all of them come from. */
  address: string;
  sourcePort: number;
}

export interface RecorderCounts {
  received: number;
  /** Dropped by us, refused in whatever way, or seen twice. */
  lost: number;
}

/** So many are being opened at a time. */
const OPENING = 50;

let engine: MediaEngine;
const calls: MediaSession[] = [];

async function openCall(call: number, { isSrtp, address, sourcePort }: StreamsSetup): Promise<StreamMedia[]> {
  const recording = await engine.openRecording(randomUUID());
  calls.push(recording);
  const streams: StreamMedia[] = [];
  for (const channel of [0, 1]) {
    const keys = streamKeys(2 * call + channel);
    streams.push(
      await recording.addStream({
        label: String(channel),
        channel,
        payloadTypes: PCMU,
        remote: { address, rtpPort: sourcePort, rtcpPort: sourcePort + 1 },
        rtcpMux: true,
        ssrc: ssrcOf(2 * call + channel),
        srtp: isSrtp ? { receive: keys, send: keys } : null,
      }),
    );
  }
  return streams;
}

serve({
  start: async ({ address, ports, journalDir, lanes, streamsPerPort }: RecorderSetup) => {
    engine = await MediaEngine.start({ address, ports, journalDir, lanes, streamsPerPort, onEvent: () => {} });
  },
  /** @returns the RTP ports of the streams. */
  open: async (setup: StreamsSetup) => {
    const ports: number[] = [];
    const before = calls.length;
    for (let call = 0; call < setup.calls; call += OPENING) {
      const some = Array.from({ length: Math.min(OPENING, setup.calls - call) }, (_, n) => before + call + n);
      for (const streams of await Promise.all(some.map((n) => openCall(n, setup)))) {
        ports.push(...streams.map(({ rtpPort }) => rtpPort));
      }
    }
    return ports;
  },
  counts: (): RecorderCounts => {
    const counts: RecorderCounts = { received: 0, lost: 0 };
    for (const { packets } of engine.stats().lanes) {
      const { received, dropped, invalid, unauthorised, unauthenticated, duplicate } = packets;
      counts.received += received;
      counts.lost += dropped + invalid + unauthorised + unauthenticated + duplicate;
    }
    return counts;
  },
  collectGarbage: () => globalThis.gc?.(),
  /** Everything is in the journal then. */
  close: () => engine.close(),
});
