/** What TCP and TLS do not share: how a stream is listened for and opened. And the TCP kind of it. */
import net from 'node:net';
import type { SendFailure, StreamTransportName } from './flow.ts';

/** A peer, and over TLS what its certificate must name. */
export interface StreamTarget {
  address: string;
  port: number;
  domain: string;
}

/** Where one stream transport gets its sockets from. */
export interface StreamSockets {
  readonly transport: StreamTransportName;
  /** Time within which a connection of ours must be ready for messages. */
  readonly connectTimeoutMs: number;
  /** A server that hands over connections which are ready for messages. Throws an Error that says what is missing. */
  createServer(onStream: (socket: net.Socket, identities: readonly string[]) => void): net.Server;
  /** Opens a connection; `onReady` is called when messages may be sent. */
  connect(to: StreamTarget, onReady: () => void): net.Socket;
  /** What connections to this peer have in common, so that one may stand in for another. */
  poolKey(to: StreamTarget): string;
  failureOf(error: NodeJS.ErrnoException, to: StreamTarget): { failure: SendFailure; detail?: string };
  /** Closes what has not become a connection yet. */
  abandon(): void;
}

export function systemFailure(error: NodeJS.ErrnoException): { failure: SendFailure } {
  if (error.code === 'ECONNREFUSED') return { failure: 'refused' };
  return { failure: error.code === 'ETIMEDOUT' ? 'timeout' : 'unreachable' };
}

/**
 * A connection to a port of this machine where nobody listens may get that port as its own: TCP then opens it from both ends at
 * once (RFC 9293 3.5), and requests would come back to who sends them. Over TLS the handshake fails by itself.
 */
function isSelfConnected({ localAddress, localPort, remoteAddress, remotePort }: net.Socket): boolean {
  return localPort === remotePort && localAddress === remoteAddress;
}

export class TcpSockets implements StreamSockets {
  readonly transport = 'tcp';
  readonly connectTimeoutMs = 4_000;

  createServer(onStream: (socket: net.Socket, identities: readonly string[]) => void): net.Server {
    return net.createServer({ noDelay: true }, (socket) => onStream(socket, []));
  }

  connect(to: StreamTarget, onReady: () => void): net.Socket {
    const socket = net.connect({ host: to.address, port: to.port }, () => {
      if (isSelfConnected(socket)) socket.destroy(Object.assign(new Error('nobody listens'), { code: 'ECONNREFUSED' }));
      else onReady();
    });
    return socket;
  }

  poolKey(to: StreamTarget): string {
    return `${to.address}|${to.port}`;
  }

  failureOf(error: NodeJS.ErrnoException): { failure: SendFailure } {
    return systemFailure(error);
  }

  abandon(): void {}
}
