/** The embedding examples, as a user runs them: what is sent to their ports comes out where they say. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { LOOPBACK, until } from './loopback.ts';
import { rtp } from './rig.ts';
import { deriveSession, unprotectRtp } from './srtp/oracle.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

async function receiver() {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  const packets: Buffer[] = [];
  socket.on('message', (packet) => void packets.push(packet));
  return { socket, packets, port: socket.address().port };
}

/** Until it has said which ports to send to. */
async function run(...args: string[]) {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
  after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const end = async () => {
    child.kill('SIGINT');
    assert.deepEqual(await ended, [0, null]);
  };
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('send RTP to ')) continue;
    const ports = [...line.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
    return { ports, type: (text: string) => child.stdin.write(`${text}\n`), end };
  }
  throw new Error(`${args[0]} has ended`);
}

test('examples/replicate.ts sends a stream on to two addresses, and its past to one that comes late', async () => {
  const [clear, secure, late] = [await receiver(), await receiver(), await receiver()];
  const suite = 'AES_CM_128_HMAC_SHA1_80';
  const keyAndSalt = randomBytes(30);
  const example = await run(
    'examples/replicate.ts',
    `127.0.0.1:${clear.port}`,
    `127.0.0.1:${secure.port}=${suite}:${keyAndSalt.toString('base64')}`,
  );
  const port = example.ports[0]!;
  const payloads = Array.from({ length: 20 }, () => randomBytes(160));
  for (const [seq, payload] of payloads.entries()) {
    clear.socket.send(rtp({ seq, timestamp: seq * 160, payload }), port, LOOPBACK);
  }
  await until(() => clear.packets.length === 20 && secure.packets.length === 20, 'both sinks');
  const session = deriveSession({ suite, keyAndSalt });
  assert.deepEqual(
    clear.packets.map((packet) => packet.subarray(12)),
    payloads,
  );
  assert.deepEqual(
    secure.packets.map((packet) => Buffer.from(unprotectRtp(session.rtp, 0, packet)).subarray(12)),
    payloads,
  );
  example.type(`127.0.0.1:${late.port}`);
  await until(() => late.packets.length === 20, 'the late one');
  assert.deepEqual(
    late.packets.map((packet) => packet.subarray(12)),
    payloads,
  );
  await example.end();
  for (const { socket } of [clear, secure, late]) socket.close();
});

test('examples/anchor.ts lets two parties hear each other from where they send to', async () => {
  const parties = [await receiver(), await receiver()];
  const example = await run('examples/anchor.ts');
  const say = (party: number, seq: number) => {
    parties[party]!.socket.send(rtp({ seq, timestamp: seq * 160 }), example.ports[party]!, LOOPBACK);
  };
  const heardFrom = parties.map(() => new Set<number>());
  for (const [n, { socket }] of parties.entries()) socket.on('message', (_, { port }) => heardFrom[n]!.add(port));
  let seq = 0;
  const speaking = setInterval(() => {
    seq++;
    for (const party of [0, 1]) say(party, seq);
  }, 20);
  await until(() => parties.every(({ packets }) => packets.length > 0), 'both to hear each other');
  clearInterval(speaking);
  assert.deepEqual(heardFrom, [new Set([example.ports[0]]), new Set([example.ports[1]])]);
  await example.end();
  for (const { socket } of parties) socket.close();
});
