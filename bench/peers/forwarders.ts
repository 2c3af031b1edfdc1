/** The peers that forward, as contenders. */
import {
  ADDRESS,
  CONTROL_PORT,
  type ForwardContender,
  type ForwardSetup,
  MEDIA_PORTS,
  SOURCE_PORT,
} from '../system/contender.ts';
import { ssrcOf } from '../system/load/packets.ts';
import type { Route } from '../system/load/sinks.ts';
import { beside, Remote } from '../system/remote.ts';
import { openForwarder } from './clear-forwarder.ts';
import type { DgramSetup } from './node-dgram.ts';
import { installProjectRtp } from './project-rtp.ts';
import { Rtpengine } from './rtpengine.ts';

export const nodeDgram: ForwardContender = {
  name: 'node:dgram',
  hasSrtp: false,
  mostSinks: Number.POSITIVE_INFINITY,
  async open(setup) {
    const remote = Remote.start(beside(import.meta.url, './node-dgram'), setup.core);
    const { streams, sinkPorts } = setup;
    const asked: DgramSetup = { address: ADDRESS, firstPort: MEDIA_PORTS.lo, streams, sinks: sinkPorts };
    return openForwarder(remote, asked, setup);
  },
};

/** Calls are set up one after the other: rtpengine answers in well under a millisecond. */
async function setUpCalls(peer: Rtpengine, setup: ForwardSetup): Promise<{ ports: number[]; routes: Route[] }> {
  const { streams, sinkPorts, isSrtp } = setup;
  const from = { address: ADDRESS, port: SOURCE_PORT };
  const [ports, routes]: [number[], Route[]] = [[], []];
  for (let stream = 0; stream < streams; stream++) {
    const callId = `stream-${stream}`;
    if (sinkPorts.length === 1 && !isSrtp) {
      const { port } = await peer.forward(callId, from, { address: ADDRESS, port: sinkPorts[0]! });
      ports.push(port);
      routes.push({ sink: 0, stream, srtp: null });
      continue;
    }
    ports.push((await peer.publish(callId, from)).port);
    for (const [sink, port] of sinkPorts.entries()) {
      const keyAndSalt = await peer.subscribe(callId, { address: ADDRESS, port }, isSrtp);
      routes.push({ sink, stream, srtp: keyAndSalt && { ssrc: ssrcOf(stream), keyAndSalt } });
    }
  }
  return { ports, routes };
}

/** One party to another as a call, one stream to several sinks as a publication with subscribers. */
export const rtpengine: ForwardContender = {
  name: 'rtpengine, user space',
  hasSrtp: true,
  mostSinks: Number.POSITIVE_INFINITY,
  async open(setup) {
    const options = { address: ADDRESS, controlPort: CONTROL_PORT, ports: MEDIA_PORTS, core: setup.core };
    const peer = await Rtpengine.start(options);
    try {
      const { ports, routes } = await setUpCalls(peer, setup);
      return { pid: peer.pid, ports, routes, close: () => peer.close() };
    } catch (error) {
      await peer.close();
      throw error;
    }
  },
};

export interface Peers {
  contenders: ForwardContender[];
  versions: Record<string, string>;
  /** On those that cannot be had here. */
  notes: string[];
}

/** Not among the peers. */
const MEDIASOUP =
  'mediasoup takes no part: its npm package has no binary, and what its installation downloads or compiles is no package of npm or Debian';

export function forwardingPeers(): Peers {
  const peers: Peers = { contenders: [nodeDgram], versions: {}, notes: [MEDIASOUP] };
  const version = Rtpengine.version();
  if (version === null) peers.notes.push('rtpengine takes no part: it is not installed (Debian: rtpengine-daemon)');
  else {
    peers.contenders.push(rtpengine);
    peers.versions.rtpengine = version;
  }
  const installed = installProjectRtp();
  if (typeof installed === 'string') peers.notes.push(installed);
  else {
    peers.contenders.push(installed.contender);
    peers.versions.projectrtp = installed.version;
  }
  return peers;
}
