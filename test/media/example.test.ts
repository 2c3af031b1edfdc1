/** The embedding example, as a user runs it: what is sent to its port comes out at both addresses, in the clear and under the key. */
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

test('examples/replicate.ts sends a stream on to two addresses, and its past to one that comes late', async () => {
  const [clear, secure, late] = [await receiver(), await receiver(), await receiver()];
  const suite = 'AES_CM_128_HMAC_SHA1_80';
  const keyAndSalt = randomBytes(30);
  const child = spawn(
    process.execPath,
    [
      'examples/replicate.ts',
      `127.0.0.1:${clear.port}`,
      `127.0.0.1:${secure.port}=${suite}:${keyAndSalt.toString('base64')}`,
    ],
    { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  let port = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    port = Number(/send RTP to 127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? 0);
    if (port > 0) break;
  }
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
  child.stdin.write(`127.0.0.1:${late.port}\n`);
  await until(() => late.packets.length === 20, 'the late one');
  assert.deepEqual(
    late.packets.map((packet) => packet.subarray(12)),
    payloads,
  );
  child.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
  for (const { socket } of [clear, secure, late]) socket.close();
});
