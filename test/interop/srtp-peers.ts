/** Sockets on the loopback interface, and what ffmpeg and GStreamer are told so that they send or receive SRTP there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import type { SrtpSuite } from '../../src/media/srtp.ts';
import { LOOPBACK } from '../media/loopback.ts';

/** GStreamer's names; a cipher of AEAD goes with no authentication of its own. */
export const GSTREAMER: Partial<Record<SrtpSuite, { cipher: string; auth: string; rtcpAuth: string }>> = {
  AES_CM_128_HMAC_SHA1_80: { cipher: 'aes-128-icm', auth: 'hmac-sha1-80', rtcpAuth: 'hmac-sha1-80' },
  AES_CM_128_HMAC_SHA1_32: { cipher: 'aes-128-icm', auth: 'hmac-sha1-32', rtcpAuth: 'hmac-sha1-80' },
  AES_256_CM_HMAC_SHA1_80: { cipher: 'aes-256-icm', auth: 'hmac-sha1-80', rtcpAuth: 'hmac-sha1-80' },
  AES_256_CM_HMAC_SHA1_32: { cipher: 'aes-256-icm', auth: 'hmac-sha1-32', rtcpAuth: 'hmac-sha1-80' },
  AEAD_AES_128_GCM: { cipher: 'aes-128-gcm', auth: 'null', rtcpAuth: 'null' },
  AEAD_AES_256_GCM: { cipher: 'aes-256-gcm', auth: 'null', rtcpAuth: 'null' },
};

/** ffmpeg's names for them: under that of SDES its SRTCP has a tag of 32 bits, where RFC 4568 section 6.2 says 80. */
export const FFMPEG: Partial<Record<SrtpSuite, string>> = {
  AES_CM_128_HMAC_SHA1_80: 'AES_CM_128_HMAC_SHA1_80',
  AES_CM_128_HMAC_SHA1_32: 'SRTP_AES128_CM_HMAC_SHA1_32',
};

const hasCommand = (name: string) =>
  (process.env.PATH ?? '').split(':').some((folder) => globSync(`${folder}/${name}`).length > 0);

export const noFfmpeg = !hasCommand('ffmpeg') && 'install ffmpeg (Debian) to run this';
export const noGstreamer =
  (!hasCommand('gst-launch-1.0') || globSync('/usr/lib/*/gstreamer-1.0/libgstsrtp.so').length === 0) &&
  'install gstreamer1.0-tools and gstreamer1.0-plugins-base, -good and -bad (Debian) to run this';

/** A port that keeps what comes. */
export class Port {
  readonly socket: Socket;
  readonly packets: Buffer[] = [];

  private constructor(socket: Socket) {
    this.socket = socket.on('message', (packet) => this.packets.push(packet)).unref(); // a failed test must not keep the process alive
  }

  static async open(number = 0): Promise<Port> {
    const socket = createSocket('udp4');
    const port = new Port(socket);
    socket.bind(number, LOOPBACK);
    await once(socket, 'listening');
    socket.setRecvBufferSize(4 << 20);
    return port;
  }

  /** An even one with its neighbour, as RTP and RTCP have them (RFC 3550 section 11). */
  static async openPair(): Promise<[Port, Port]> {
    for (;;) {
      const rtp = await Port.open();
      if (rtp.number % 2 === 0) {
        try {
          return [rtp, await Port.open(rtp.number + 1)];
        } catch {
          // taken: another pair
        }
      }
      rtp.close();
    }
  }

  get number(): number {
    return this.socket.address().port;
  }

  send(packet: Uint8Array, to: number): void {
    this.socket.send(packet, to, LOOPBACK);
  }

  close(): void {
    this.socket.close();
  }
}

/** A port that was free a moment ago, for a peer that must be told one. */
export async function freePort(): Promise<number> {
  const [rtp, rtcp] = await Port.openPair();
  const { number } = rtp;
  for (const port of [rtp, rtcp]) port.close();
  return number;
}

/** A peer's process; what it says is kept for the message of a failure. */
export class Peer {
  readonly process: ChildProcess;
  said = '';
  readonly #output: Buffer[] = [];

  constructor(command: string, args: string[]) {
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stdout?.on('data', (chunk: Buffer) => this.#output.push(chunk));
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.said += chunk.toString();
    });
  }

  get output(): Buffer {
    return Buffer.concat(this.#output);
  }

  async ended(): Promise<void> {
    const { process } = this;
    if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
    if (process.exitCode !== 0) throw new Error(`the peer ended with ${process.exitCode}: ${this.said}`);
  }

  async stop(): Promise<void> {
    const { process } = this;
    if (process.exitCode !== null || process.signalCode !== null) return;
    process.kill('SIGKILL');
    await once(process, 'exit');
  }
}
