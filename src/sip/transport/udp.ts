/** SIP over UDP (RFC 3261 18): one socket per listen address; it both receives and sends, so that rport works. */
import dgram from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { ListenAddress, OnSendFailure } from './flow.ts';
import { plainAddress } from './local-address.ts';

/** Room for bursts: an INVITE flood of a second at several thousand calls per second. */
const SOCKET_BUFFER_BYTES = 4 * 1_024 * 1_024;

type Lookup = (
  host: string,
  options: unknown,
  callback: (error: Error | null, address: string, family: number) => void,
) => void;

/** Addresses are resolved before they get here; the socket must not ask the resolver for each datagram. */
const literalOnly: Lookup = (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4);

/** Called for each datagram. */
export type OnDatagram = (bytes: Buffer, address: string, port: number) => void;

export class UdpSocket {
  readonly v6: boolean;
  readonly #socket: dgram.Socket;
  #address: ListenAddress;

  constructor(listen: ListenAddress, onDatagram: OnDatagram, onError: (error: Error) => void) {
    this.v6 = isIPv6(listen.host);
    this.#address = listen;
    this.#socket = dgram.createSocket({ type: this.v6 ? 'udp6' : 'udp4', lookup: literalOnly as never });
    this.#socket.on('message', (bytes, from) => onDatagram(bytes, plainAddress(from.address), from.port));
    this.#socket.on('error', onError);
  }

  get address(): ListenAddress {
    return this.#address;
  }

  bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.bind({ address: this.#address.host, port: this.#address.port, exclusive: true }, () => {
        this.#socket.removeListener('error', reject);
        this.#address = { ...this.#address, port: this.#socket.address().port };
        enlarge(this.#socket);
        resolve();
      });
    });
  }

  send(bytes: Buffer, address: string, port: number, onFailure: OnSendFailure | undefined): void {
    this.#socket.send(bytes, port, address, (error) => {
      if (error) onFailure?.('unreachable');
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      try {
        this.#socket.close(() => resolve());
      } catch {
        resolve();
      }
    });
  }
}

/** The system may grant less; that is what kernel drop counters are for. */
function enlarge(socket: dgram.Socket): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {
    // Not fatal: the default size serves moderate rates.
  }
}

/** How long an ICMP answer may take to come back. */
const PROBE_MS = 1_000;

/**
 * Asks whether anyone listens at a UDP address: a connected socket hears the ICMP error that an unconnected one never does.
 * It sends the keep-alive of RFC 5626 3.5.1, which no SIP element answers over UDP or minds.
 */
export function probeUdp(address: string, port: number, onFailure: OnSendFailure): void {
  const socket = dgram.createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', lookup: literalOnly as never });
  const timer = setTimeout(() => socket.close(), PROBE_MS);
  timer.unref();
  socket.unref();
  socket.on('error', () => {
    clearTimeout(timer);
    socket.close();
    onFailure('refused');
  });
  socket.connect(port, address, () => socket.send('\r\n\r\n'));
}
