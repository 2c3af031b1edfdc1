/** Ours, recording on two lanes, one of which dies under its load: how long it is away, and what its recordings say of that. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { demultiplex, leftOverSegments, packetFilePath } from '../../../src/journal/index.ts';
import { MediaEngine, type MediaSession } from '../../../src/media/index.ts';
import { LaneMemory, MAX_STREAMS } from '../../../src/media/memory.ts';
import { FinaliserCore } from '../../../src/media/render.ts';
import { certifyStream } from '../../../src/recording/certificate.ts';
import { scan } from '../../../src/recording/scan.ts';
import { PCMU, streamKeys } from '../load/packets.ts';
import { serve } from '../remote.ts';
import { DEATHS, type Death, deathSeenMs, lifeOf } from './lane-death.ts';

export interface RestartSetup {
  address: string;
  ports: { lo: number; hi: number };
  journalDir: string;
}

export interface CallsSetup {
  lane: number;
  calls: number;
  /** Number of the first of their streams: what its keys are made of. */
  firstStream: number;
  address: string;
  sourcePort: number;
}

export interface Outage {
  /** From the order to die until the death is seen: a trap comes with the next batch of packets. */
  seenMs: number;
  /** From then until packets are processed again, until those of the last of its streams are, and until the lane takes commands. */
  receivingMs: number;
  allReceivingMs: number;
  servingMs: number;
}

/** What the certificates of a lane's recordings say. */
export interface Certified {
  calls: number;
  /** Calls whose recording tells of the restart. */
  told: number;
  received: number;
  missing: number;
  /** Streams of which it does not account for every packet. */
  unaccounted: number;
}

let engine: MediaEngine;
let journalDir = '';
let onRestarted: () => void = () => {};
const calls: MediaSession[] = [];

/** Sessions that land on the other lane stay, so that the next is placed on this one. */
async function sessionOn(lane: number): Promise<MediaSession> {
  for (;;) {
    const session = await engine.openRecording(randomUUID());
    if (session.lane === lane) return session;
  }
}

async function openCall(lane: number, firstStream: number, { address, sourcePort }: CallsSetup): Promise<number[]> {
  const session = await sessionOn(lane);
  const ports: number[] = [];
  for (const channel of [0, 1]) {
    const keys = streamKeys(firstStream + channel);
    const remote = { address, rtpPort: sourcePort, rtcpPort: sourcePort + 1 };
    const options = { label: String(channel), channel, payloadTypes: PCMU, remote, rtcpMux: false };
    const { index, rtpPort } = await session.addStream({ ...options, srtp: { receive: keys, send: keys } });
    session.note({ type: 'stream', index, ...options, srtp: null });
    ports.push(rtpPort);
  }
  calls.push(session);
  return ports;
}

async function kill({ lane, death }: { lane: number; death: Death }): Promise<Outage> {
  const before = lifeOf(lane);
  const restarted = new Promise<number>((resolve) => {
    onRestarted = () => resolve(performance.now());
  });
  const orderedMs = performance.now();
  DEATHS[death](lane);
  while (lifeOf(lane) === before || new LaneMemory(lifeOf(lane).memory).totals().received === 0) await delay(1);
  const receivingMs = performance.now() - deathSeenMs();
  const streams = 2 * calls.filter((call) => call.lane === lane).length;
  while (heardStreams(lane) < streams) await delay(1);
  const allReceivingMs = performance.now() - deathSeenMs();
  const servingMs = (await restarted) - deathSeenMs();
  return { seenMs: deathSeenMs() - orderedMs, receivingMs, allReceivingMs, servingMs };
}

/** In its present life. */
function heardStreams(lane: number): number {
  const memory = new LaneMemory(lifeOf(lane).memory);
  let heard = 0;
  for (let slot = 0; slot < MAX_STREAMS; slot++) heard += memory.lastPacketUs(slot) > 0 ? 1 : 0;
  return heard;
}

async function certify(lane: number, packetsDir: string, sentOfEach: number): Promise<Certified> {
  const certified = { calls: 0, told: 0, received: 0, missing: 0, unaccounted: 0 };
  for (const session of calls.filter((call) => call.lane === lane)) {
    const found = await FinaliserCore.use((core) => scan(core, packetFilePath(packetsDir, session.id)));
    certified.calls += 1;
    certified.told += found.notes.events.some(({ name }) => name === 'lane-restarted') ? 1 : 0;
    for (const { packets } of found.streams.map(certifyStream)) {
      certified.received += packets.received;
      certified.missing += packets.lost + packets.dropped;
      certified.unaccounted += packets.expected === sentOfEach ? 0 : 1;
    }
  }
  return certified;
}

serve({
  start: async (setup: RestartSetup) => {
    journalDir = setup.journalDir;
    const onEvent = ({ type }: { type: string }) => void (type === 'lane-restarted' && onRestarted());
    engine = await MediaEngine.start({ ...setup, lanes: 2, onEvent });
  },
  /** @returns the RTP ports of the streams. */
  open: async (setup: CallsSetup) => {
    const ports: number[] = [];
    for (let n = 0; n < setup.calls; n++) ports.push(...(await openCall(setup.lane, setup.firstStream + 2 * n, setup)));
    return ports;
  },
  kill,
  /** Ends the recordings. @returns what is certified of each lane. */
  certify: async ({ sentOfEach }: { sentOfEach: number }): Promise<Certified[]> => {
    await engine.close();
    const packetsDir = path.join(journalDir, 'packets');
    for (const file of leftOverSegments(journalDir)) await demultiplex(file, packetsDir);
    return [await certify(0, packetsDir, sentOfEach), await certify(1, packetsDir, sentOfEach)];
  },
});
