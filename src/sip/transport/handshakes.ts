/** TLS handshakes under way at a server: so many in all, so many of one source, and why they brought no connection. */
import type net from 'node:net';
import { plainAddress } from './local-address.ts';

const MAX_HANDSHAKES = 1_024;
const MAX_HANDSHAKES_PER_SOURCE = 128;

/** A handshake that brought no connection. */
export interface HandshakeFailure {
  address: string;
  port: number;
  reason: string;
}

interface Handshake {
  raw: net.Socket;
  address: string;
  reason: string;
}

export class Handshakes {
  readonly #onFailure: (failure: HandshakeFailure) => void;
  readonly #running = new Map<string, Handshake>();
  readonly #ofSource = new Map<string, number>();

  constructor(onFailure: (failure: HandshakeFailure) => void) {
    this.#onFailure = onFailure;
  }

  /** A connection has come; closes it when there are too many already. */
  begin(raw: net.Socket): void {
    const key = keyOf(raw);
    const address = plainAddress(raw.remoteAddress ?? '');
    const ofSource = this.#ofSource.get(address) ?? 0;
    const full = this.#running.size >= MAX_HANDSHAKES || ofSource >= MAX_HANDSHAKES_PER_SOURCE;
    this.#running.set(key, { raw, address, reason: full ? 'too many handshakes at a time' : '' });
    this.#ofSource.set(address, ofSource + 1);
    const port = raw.remotePort ?? 0;
    raw.once('close', () => {
      const failed = this.#end(key);
      // An untrusted certificate ends in silence.
      const reason = failed?.reason || 'closed, or the certificate of the client was not accepted';
      if (failed) this.#onFailure({ address, port, reason });
    });
    if (full) raw.destroy();
  }

  /** Why the handshake is about to fail; it counts as failed when its connection closes. */
  note(socket: net.Socket, reason: string): void {
    const handshake = this.#running.get(keyOf(socket));
    if (handshake) handshake.reason ||= reason;
  }

  succeeded(socket: net.Socket): void {
    this.#end(keyOf(socket));
  }

  abandon(): void {
    for (const { raw } of [...this.#running.values()]) raw.destroy();
  }

  #end(key: string): Handshake | undefined {
    const handshake = this.#running.get(key);
    if (!handshake) return undefined;
    this.#running.delete(key);
    const left = (this.#ofSource.get(handshake.address) ?? 1) - 1;
    if (left > 0) this.#ofSource.set(handshake.address, left);
    else this.#ofSource.delete(handshake.address);
    return handshake;
  }
}

/** node:tls doesn't say which connection lies under a TLS socket; the peer's address and port do. */
function keyOf(socket: net.Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`;
}
