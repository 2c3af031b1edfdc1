/** The peers that forward, as contenders. */
import {
  ADDRESS,
  CONTROL_PORT,
  clearRoutes,
  type ForwardContender,
  type ForwardSetup,
  MEDIA_PORTS,
  SOURCE_PORT,
} from '../system/contender.ts';
import type { Route } from '../system/load/sinks.ts';
import { beside, Remote } from '../system/remote.ts';
import type { DgramSetup } from './node-dgram.ts';
import { Rtpengine } from './rtpengine.ts';

export const nodeDgram: ForwardContender = {
  name: 'node:dgram',
  hasSrtp: false,
  async open(setup) {
    const remote = Remote.start(beside(import.meta.url, './node-dgram'), setup.core);
    const { streams, sinkPorts } = setup;
    const asked: DgramSetup = { address: ADDRESS, firstPort: MEDIA_PORTS.lo, streams, sinks: sinkPorts };
    const ports = await remote.call<number[]>('open', asked);
    return { pid: remote.pid, ports, routes: clearRoutes(setup), close: () => remote.close() };
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
      routes.push({ sink: 0, stream, ssrc: null, keyAndSalt: null });
      continue;
    }
    ports.push((await peer.publish(callId, from)).port);
    for (const [sink, port] of sinkPorts.entries()) {
      const keyAndSalt = await peer.subscribe(callId, { address: ADDRESS, port }, isSrtp);
      routes.push({ sink, stream, ssrc: null, keyAndSalt });
    }
  }
  return { ports, routes };
}

/** One party to another as a call, one stream to several sinks as a publication with subscribers. */
export const rtpengine: ForwardContender = {
  name: 'rtpengine, user space',
  hasSrtp: true,
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

/** Those that can be had here; what is missing is said. */
export async function forwardingPeers(progress: (text: string) => void): Promise<ForwardContender[]> {
  const peers = [nodeDgram];
  if (Rtpengine.version() === null) progress('rtpengine is not installed (Debian: rtpengine-daemon)');
  else peers.push(rtpengine);
  return peers;
}
