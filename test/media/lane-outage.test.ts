/** What a lane's death costs the calls on it, and nobody else: every packet is in the recording, or declared as missing by its certificate. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DEATHS, type Death } from '../../bench/system/contenders/lane-death.ts';
import { demultiplex, packetFilePath } from '../../src/journal/index.ts';
import type { MediaSession, StreamMedia } from '../../src/media/index.ts';
import { Srtp, type SrtpContext } from '../../src/media/srtp.ts';
import { finalise, readManifest } from '../../src/recording/index.ts';
import { PCMU, Sender, TestEngine, until } from './loopback.ts';
import { newKeys } from './receiver.ts';
import { rtp } from './rig.ts';

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const CALLS = 20;
/** Of each stream, on both sides of the death and during it. */
const PACKETS = 60;
const DIES_AT = 20;
const PACKET_MS = 20;

interface Call {
  session: MediaSession;
  streams: { media: StreamMedia; protect: SrtpContext; ssrc: number }[];
}

async function openCall(tested: TestEngine, sender: Sender, srtp: Srtp): Promise<Call> {
  const session = await tested.engine.openRecording(randomUUID());
  session.note({ type: 'recording', id: session.id });
  const streams = [];
  for (const channel of [0, 1]) {
    const keys = { receive: newKeys(SUITE), send: newKeys(SUITE) };
    const options = { label: String(channel), channel, payloadTypes: PCMU, remote: sender.remote, rtcpMux: false };
    const media = await session.addStream({ ...options, srtp: keys });
    session.note({ type: 'stream', index: media.index, ...options, srtp: null });
    streams.push({ media, protect: srtp.openSender(keys.receive), ssrc: randomBytes(4).readUInt32BE() });
  }
  return { session, streams };
}

/** Finalises every call. @returns manifests in the order of the calls. */
async function manifests(tested: TestEngine, calls: Call[]) {
  const dir = mkdtempSync(path.join(tmpdir(), 'doubletrack-outage-'));
  try {
    const segments = readdirSync(tested.journalDir).filter((name) => !name.endsWith('.reserve'));
    for (const name of segments.toSorted()) await demultiplex(path.join(tested.journalDir, name), dir);
    const made = [];
    for (const { session } of calls) {
      const outDir = path.join(dir, session.id);
      await finalise(packetFilePath(dir, session.id), outDir);
      made.push(await readManifest(outDir));
    }
    return made;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

for (const death of Object.keys(DEATHS) as Death[]) {
  test(`${death}: every packet is received or declared, and the other lane's calls have all of theirs`, async () => {
    const tested = await TestEngine.start({ lanes: 2 });
    const sender = await Sender.open();
    const srtp = new Srtp({ contexts: 4 * CALLS });
    const calls: Call[] = [];
    for (let n = 0; n < CALLS; n++) calls.push(await openCall(tested, sender, srtp));
    const send = (n: number) => {
      for (const { media, protect, ssrc } of calls.flatMap(({ streams }) => streams)) {
        sender.send(protect.rtp(rtp({ seq: n, timestamp: n * 160, ssrc })), media);
      }
    };
    for (let n = 0; n < PACKETS; n++) {
      if (n === DIES_AT) DEATHS[death](0);
      send(n);
      await delay(PACKET_MS);
    }
    await until(() => tested.events.some(({ type }) => type === 'lane-restarted'), 'the restart');
    // Behind the outage: with this there is no loss at the end, which nobody could know of.
    const received = () => calls.flatMap(({ session }) => session.counters()).map((counts) => counts.received);
    const before = received();
    send(PACKETS);
    await until(() => received().every((count, n) => count > before[n]!), 'the last packets');
    await Promise.all(calls.map(({ session }) => session.close()));
    await tested.engine.close();
    const told = await manifests(tested, calls);
    assert.equal(calls.filter(({ session }) => session.lane === 0).length, CALLS / 2);
    for (const [n, { session }] of calls.entries()) {
      const restarts = told[n]!.events.filter(({ name }) => name === 'lane-restarted');
      assert.equal(restarts.length > 0, session.lane === 0, `call ${n}: the restart is told to whom it concerns`);
      for (const { packets } of told[n]!.recording.streams) {
        const { received, lost, dropped, expected } = packets;
        assert.equal(received + lost + dropped, PACKETS + 1, `call ${n}: what was sent`);
        assert.equal(expected, PACKETS + 1);
        if (session.lane === 1) assert.equal(received, PACKETS + 1, `call ${n}: on the other lane`);
      }
    }
    sender.close();
    await tested.close();
  });
}
