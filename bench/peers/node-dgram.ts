/**
 * What one writes without us: node:dgram, a socket per stream. It receives and counts, or sends each packet on to every sink; in the
 * clear, and it keeps nothing.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { serve } from '../system/remote.ts';

export interface DgramSetup {
  address: string;
  firstPort: number;
  streams: number;
  /** Ports of the sinks; none: packets end here. */
  sinks: number[];
}

const RECEIVE_BUFFER_BYTES = 1 << 20;

let received = 0;

async function openStream(address: string, port: number, sinks: number[]): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES });
  socket.on('message', (packet) => {
    received++;
    for (const sink of sinks) socket.send(packet, sink, address);
  });
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}

serve({
  open: async ({ address, firstPort, streams, sinks }: DgramSetup) => {
    const sockets = Array.from({ length: streams }, (_, n) => openStream(address, firstPort + n, sinks));
    await Promise.all(sockets);
    return Array.from({ length: streams }, (_, n) => firstPort + n);
  },
  received: () => received,
});
