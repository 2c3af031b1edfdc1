/** Ours, forwarding: sessions of `doubletrack/media` in a process of its own, each stream replicated to every sink; nothing is recorded. */
import { MediaEngine } from '../../../src/media/index.ts';
import { PCMU, srtpKeys } from '../load/packets.ts';
import { serve } from '../remote.ts';
import { sinkSecret } from './our-forwarder.ts';

export interface ForwarderSetup {
  address: string;
  ports: { lo: number; hi: number };
  journalDir: string;
  sourcePort: number;
  streams: number;
  sinkPorts: number[];
  isSrtp: boolean;
}

/** Where it is to be sent, and as which source it leaves to each sink. */
export interface OpenedStream {
  port: number;
  ssrcs: number[];
}

let engine: MediaEngine;

async function openStream(stream: number, setup: ForwarderSetup): Promise<OpenedStream> {
  const { address, sourcePort, sinkPorts, isSrtp } = setup;
  const session = await engine.openSession();
  const { index, rtpPort } = await session.addStream({
    ...{ label: '1', channel: 0, payloadTypes: PCMU, rtcpMux: true },
    remote: { address, rtpPort: sourcePort, rtcpPort: sourcePort + 1 },
  });
  const ssrcs: number[] = [];
  for (const [sink, port] of sinkPorts.entries()) {
    const srtp = isSrtp ? srtpKeys(sinkSecret(stream, sink)) : null;
    const added = await session.addSink(index, { remote: { address, rtpPort: port }, srtp });
    ssrcs.push(added.ssrc);
  }
  return { port: rtpPort, ssrcs };
}

serve({
  open: async (setup: ForwarderSetup) => {
    const { address, ports, journalDir } = setup;
    engine = await MediaEngine.start({ address, ports, journalDir, onEvent: () => {} });
    const opened: OpenedStream[] = [];
    for (let stream = 0; stream < setup.streams; stream++) opened.push(await openStream(stream, setup));
    return opened;
  },
  close: () => engine.close(),
});
