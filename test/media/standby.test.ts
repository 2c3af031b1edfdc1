/** What a life makes of what it hears before it begins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import * as layout from '../../assembly/layout.ts';
import { MediaCore } from '../../src/media/core.ts';
import type { Beginning, StandbyMessage, WireSetup } from '../../src/media/lane-protocol.ts';
import { LaneStreams } from '../../src/media/lane-streams.ts';
import { createLaneMemory } from '../../src/media/memory.ts';
import { type Begun, beginning } from '../../src/media/standby.ts';
import { until } from './loopback.ts';

const NOTHING: Beginning = { recordings: [], sinks: [], players: [], mixers: [], before: [] };
const PLACE = { address: '127.0.0.1', rtpPort: 20_000, rtcpPort: null, host: null, reportTo: null };
const MEDIA = { recording: 0, index: 0, clockRate: 8000, ownSsrc: 1, rtcpMux: true, remote: null };

function setup(keyBytes: number): WireSetup {
  const keys = [{ keyAndSalt: new Uint8Array(keyBytes).fill(7), mki: null }];
  const srtp = { suite: 'AES_CM_128_HMAC_SHA1_80' as const, keys };
  return { ...PLACE, ...MEDIA, srtp: { receive: srtp, send: structuredClone(srtp) } };
}

function standby(): {
  memory: WebAssembly.Memory;
  streams: LaneStreams;
  port: MessagePort;
  begun: Promise<Begun | null>;
} {
  const memory = createLaneMemory(0);
  const streams = new LaneStreams(new MediaCore(memory), 1);
  const { port1: port, port2 } = new MessageChannel();
  return { memory, streams, port, begun: beginning(port2, streams) };
}

const say = (port: MessagePort, ...messages: StandbyMessage[]) => {
  for (const message of messages) port.postMessage(message);
};

test('streams are open in its memory when it begins, those that could not be are named', async () => {
  const { streams, port, begun } = standby();
  say(port, { stream: 0, setup: setup(30) }, { stream: 1, setup: setup(29) }, { stream: 2, setup: setup(30) });
  say(port, { stream: 3, setup: setup(29) }, { stream: 4, setup: setup(29) }, { stream: 2, setup: null });
  say(port, { stream: 3, setup: setup(30) }, { stream: 4, setup: null }, { begin: NOTHING });
  const { refused } = (await begun)!;
  assert.deepEqual([...streams.open.keys()], [0, 3]);
  assert.deepEqual(
    refused.map(({ slot }) => slot),
    [1],
  );
  assert.match(refused[0]!.message, /30 octets/);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((slot) => streams.core.srtp.isOpen(slot)),
    [true, false, false, true, false],
  );
});

test('one that is never to begin ends, one whose core traps says so', async () => {
  const closed = standby();
  closed.port.close();
  assert.equal(await closed.begun, null);
  const { memory, streams, port, begun } = standby();
  const remote = { address: new Uint8Array(16), rtpPort: 9, rtcpPort: 9 };
  say(port, { stream: 0, setup: { ...setup(30), host: 1, remote } });
  await until(() => streams.open.has(0), 'the stream to be open');
  // A chain of streams that leads out of the memory.
  const outside = Math.floor(0x8000_0000 / layout.STREAM_BYTES);
  new Uint32Array(memory.buffer, layout.DEMULTIPLEX_AT, layout.DEMULTIPLEX_BUCKETS).fill(outside);
  say(port, { stream: 0, setup: null });
  await assert.rejects(begun, WebAssembly.RuntimeError);
});
