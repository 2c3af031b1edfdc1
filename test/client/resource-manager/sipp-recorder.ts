/** A recorder that is not ours: sipp, told what to answer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const SDP = `v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 40000 RTP/AVP 8
a=recvonly
`;
const XML = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n';
const DIALOG = ['[last_Via:]', '[last_From:]', '[last_To:];tag=[call_number]', '[last_Call-ID:]', '[last_CSeq:]'];

function send(line: string, headers: string[], body = ''): string {
  const length = body === '' ? 'Content-Length: 0' : 'Content-Type: application/sdp\nContent-Length: [len]';
  return `<![CDATA[\n\nSIP/2.0 ${line}\n${[...headers, length].join('\n')}\n\n${body}]]>`;
}

export interface SippAnswers {
  /** Status and reason of the answer to OPTIONS; null: none is given, nor to INVITE. */
  options: string | null;
  /** The same to INVITE, with headers. A 200 brings a session, which ends with a BYE. */
  invite: string;
  inviteHeaders?: string[];
}

function scenario({ options, invite, inviteHeaders = [] }: SippAnswers): string {
  if (options === null) {
    return `${XML}<scenario name="silent"><recv request="OPTIONS"/><pause milliseconds="600000"/></scenario>`;
  }
  const isTaken = invite.startsWith('200');
  const contact = 'Contact: <sip:[local_ip]:[local_port]>;+sip.srs';
  const answer = send(invite, [...DIALOG, contact, ...inviteHeaders], isTaken ? SDP : '');
  const bye = `<recv request="BYE"/><send next="9">${send(
    '200 OK',
    DIALOG.map((line) => line.replace(/;.*/, '')),
  )}</send>`;
  return `${XML}<scenario name="recorder">
  <recv request="OPTIONS" optional="true" next="1"/>
  <recv request="INVITE"/>
  <send>${answer}</send>
  <recv request="ACK" ${isTaken ? '' : 'next="9"'}/>
  ${isTaken ? bye : ''}
  <label id="1"/>
  <send>${send(options, DIALOG)}</send>
  <label id="9"/>
</scenario>`;
}

export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

export class SippRecorder {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static start(folder: string, name: string, port: number, answers: SippAnswers): SippRecorder {
    const file = path.join(folder, `${name}.xml`);
    writeFileSync(file, scenario(answers));
    const where = ['-i', '127.0.0.1', '-p', String(port), '-nostdin', '-skip_rlimit'];
    const child = spawn('sipp', ['-sf', file, ...where], { cwd: folder, stdio: 'ignore' });
    return new SippRecorder(port, child);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
