/** A small DNS server on a UDP port of this machine: answers what its zone has, and counts what it is asked. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import dnsPacket, { type Answer } from 'dns-packet';

export interface DnsServer {
  /** As node:dns wants it. */
  address: string;
  /** Records by name, in lower case. */
  zone: Record<string, Answer[]>;
  /** `SRV _sip._tcp.example.com`, in order. */
  asked: string[];
}

const NXDOMAIN = 3;

export async function dnsServer(context: TestContext, zone: Record<string, Answer[]>): Promise<DnsServer> {
  const socket = dgram.createSocket('udp4');
  const server: DnsServer = { address: '', zone, asked: [] };
  socket.on('message', (bytes, from) => {
    const { id, questions } = dnsPacket.decode(bytes);
    const { type, name } = questions![0]!;
    server.asked.push(`${type} ${name}`);
    const answers = (server.zone[name.toLowerCase()] ?? []).filter((answer) => answer.type === type);
    const flags = dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (answers.length > 0 ? 0 : NXDOMAIN);
    const reply = dnsPacket.encode({ type: 'response', id: id!, flags, questions: questions!, answers });
    socket.send(reply, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  context.after(() => socket.close());
  server.address = `127.0.0.1:${socket.address().port}`;
  return server;
}

export const srv = (name: string, target: string, port: number, priority = 0, weight = 0): Answer => ({
  type: 'SRV',
  name,
  ttl: 60,
  data: { priority, weight, port, target },
});

export const naptr = (name: string, services: string, replacement: string, order = 0): Answer => ({
  type: 'NAPTR',
  name,
  ttl: 60,
  data: { order, preference: 0, flags: 's', services, regexp: '', replacement },
});

export const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, ttl, data });
