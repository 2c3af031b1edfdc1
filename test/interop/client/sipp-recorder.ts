/** sipp as a recorder. It keeps nothing: what reached it is read from the capture. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PortRange } from '../phones/capture.ts';
import type { PortBlock } from '../phones/ports.ts';
import { run } from '../recorder.ts';

const SCENARIO = path.join(import.meta.dirname, 'sipp-recorder.xml');
const STARTS_WITHIN_MS = 10_000;
/** SIP, two streams with RTCP, and what sipp binds for itself. */
const PORTS = 12;

export type Form = 'siprec' | 'one-dialog' | 'two-dialogs';

export class SippRecorder {
  readonly uri: string;
  readonly sipPort: number;
  /** Of the streams that it answers with, in order. */
  readonly mediaPorts: [number, number];
  readonly #child: ChildProcess;
  readonly #sockets: Socket[];

  private constructor(child: ChildProcess, { lo }: PortRange, sockets: Socket[]) {
    this.#child = child;
    this.#sockets = sockets;
    this.sipPort = lo;
    this.uri = `sip:recorder@127.0.0.1:${lo}`;
    this.mediaPorts = mediaOf(lo);
  }

  static async start(folder: string, ports: PortBlock, form: Form): Promise<SippRecorder> {
    const range = ports.take(PORTS);
    const [one, other] = mediaOf(range.lo).map((port, index) =>
      [`m=audio ${port} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000', `a=label:${index + 1}`, 'a=recvonly'].join('\n'),
    ) as [string, string];
    const [first, next] = form === 'two-dialogs' ? [one, other] : [`${one}\n${other}`, `${one}\n${other}`];
    const text = readFileSync(SCENARIO, 'utf8').replaceAll(/\{\{(first|next)\}\}/g, (_, which) =>
      which === 'first' ? first : next,
    );
    const scenario = path.join(folder, `sipp-${form}.xml`);
    writeFileSync(scenario, text);
    // Somebody must be there, or each packet brings an ICMP error.
    const sockets = await Promise.all(mediaOf(range.lo).flatMap((port) => [bound(port), bound(port + 1)]));
    const where = ['-i', '127.0.0.1', '-p', String(range.lo), '-mi', '127.0.0.1', '-mp', String(range.lo + 6)];
    const child = spawn(
      'sipp',
      ['-sf', scenario, ...where, '-nostdin', '-trace_err', '-error_file', `${scenario}.errors`],
      {
        stdio: 'ignore',
      },
    );
    await answering(range.lo);
    return new SippRecorder(child, range, sockets);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

function mediaOf(lo: number): [number, number] {
  return [lo + 2, lo + 4];
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** Until it has a socket for SIP. */
async function answering(port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  await run('timeout', [
    String(STARTS_WITHIN_MS / 1000),
    'sh',
    '-c',
    `until grep -q ' 0100007F:${hex} ' /proc/net/udp; do sleep 0.05; done`,
  ]);
}
