/** What the network does not take from a sink is counted with it, and holds up neither the stream nor its other sinks. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chooseDriver } from '../../src/media/sockets.ts';

/** A link that nobody reads from and that takes 8 kbit/s, in a namespace that goes with its last process. */
const NETWORK = `
  ip link set lo up &&
  ip link add slow0 type veth peer name slow1 &&
  ip addr add 10.9.0.1/24 dev slow0 && ip link set slow0 up && ip link set slow1 up &&
  ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev slow0 &&
  tc qdisc add dev slow0 root tbf rate 8kbit burst 2000 limit 100000000`;

interface Told {
  sent: number;
  arrived: number;
  received: number;
  sinks: Record<'near' | 'slow' | 'nowhere', { packets: number; sendErrors: number }>;
}

function whyNot(): string | false {
  if (chooseDriver('auto').driver !== 'native') return 'node:dgram queues what the kernel does not take';
  const made = spawnSync('unshare', ['-n', 'sh', '-c', NETWORK], { encoding: 'utf8' });
  return made.status === 0 ? false : 'needs root, iproute2 and the kernel modules veth and sch_tbf';
}

test('EAGAIN and ENETUNREACH of a sink are counted, and nobody waits', { skip: whyNot() }, async () => {
  const script = path.join(import.meta.dirname, 'send-errors.ts');
  const args = ['-n', 'sh', '-c', `${NETWORK} && exec "$0" "$1"`, process.execPath, script];
  const { stdout } = await promisify(execFile)('unshare', args, { timeout: 60_000 });
  const { sent, arrived, received, sinks } = JSON.parse(stdout) as Told;
  assert.equal(received, sent, 'all of it is recorded');
  assert.equal(arrived, sent, 'the near sink has all of it');
  assert.equal(sinks.near.sendErrors, 0);
  assert.ok(
    sinks.slow.sendErrors > 0 && sinks.slow.sendErrors < sent,
    `${sinks.slow.sendErrors} found the buffer full`,
  );
  assert.equal(sinks.nowhere.sendErrors, sent);
});
