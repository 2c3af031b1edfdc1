/** Whoever a sink sends to, and what it must have got. */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { SrtpKeys } from '../../src/media/index.ts';
import { Secret } from '../../src/media/srtp.ts';
import { LOOPBACK } from './loopback.ts';
import { rtp } from './rig.ts';
import { deriveSession, protectRtp, type Session } from './srtp/oracle.ts';

/** Octets of master key and salt. */
export const SUITES = { AES_CM_128_HMAC_SHA1_80: 30, AEAD_AES_128_GCM: 28, AES_256_CM_HMAC_SHA1_80: 46 } as const;

export class Receiver {
  readonly packets: Buffer[] = [];
  readonly from = new Set<number>();
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (packet, { port }) => {
      this.packets.push(packet);
      this.from.add(port);
    });
  }

  static async open(): Promise<Receiver> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    socket.unref();
    return new Receiver(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }
}

export function newKeys(suite: keyof typeof SUITES): SrtpKeys {
  return { suite, keys: [{ keyAndSalt: new Secret(randomBytes(SUITES[suite])), mki: null }] };
}

/** The oracle's session under the first master key. */
export function sessionOf({ suite, keys }: SrtpKeys): Session {
  return deriveSession({ suite, keyAndSalt: keys[0]!.keyAndSalt.reveal() });
}

export const packetOf = (seq: number) => rtp({ seq, timestamp: seq * 160, payload: Buffer.alloc(160, seq) });

/** The source's packets as the sink must have sent them, by what its first header says it began with. */
export function asSent(first: Buffer, sources: number[], keys: SrtpKeys | null): Buffer[] {
  const session = keys && sessionOf(keys);
  return sources.map((seq, n) => {
    const packet = packetOf(seq);
    const steps = seq - sources[0]!;
    if (n === 0) packet[1]! |= 0x80;
    packet.writeUInt16BE((first.readUInt16BE(2) + steps) & 0xffff, 2);
    packet.writeUInt32BE((first.readUInt32BE(4) + steps * 160) >>> 0, 4);
    packet.writeUInt32BE(first.readUInt32BE(8), 8);
    return session ? protectRtp(session.rtp, 0, packet) : packet;
  });
}
