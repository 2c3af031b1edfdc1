/**
 * One RTP packet in: validated, sequenced, counted and journalled by the media core, beside rtp.js, which parses it into an object
 * and counts received packets per sequence number. Both see the same 1,000 packets with every hundredth missing.
 */
import assert from 'node:assert/strict';
import benny from 'benny';
import { packets } from 'rtp.js';
import { records } from '../../src/journal/format.ts';
import { blocks } from '../../src/journal/reader.ts';
import { OfflineLane } from '../../src/media/index.ts';
import type { BenchResult } from '../main.ts';

const PACKETS = 1_000;
const PTIME_SAMPLES = 160;
const PCMU = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null };

function makePackets(): Buffer[] {
  return Array.from({ length: PACKETS }, (_, i) => i)
    .filter((i) => i % 100 !== 50)
    .map((i) => {
      const packet = Buffer.alloc(12 + PTIME_SAMPLES, i & 255);
      packet[0] = 0x80;
      packet[1] = 0;
      packet.writeUInt16BE(i, 2);
      packet.writeUInt32BE(i * PTIME_SAMPLES, 4);
      packet.writeUInt32BE(0x1234_5678, 8);
      return packet;
    });
}

async function openLane(): Promise<{ lane: OfflineLane; stream: number }> {
  const lane = await OfflineLane.create();
  const recording = lane.openRecording('00000000-0000-4000-8000-000000000001');
  return { lane, stream: recording.addStream({ label: '1', channel: 0, payloadTypes: [PCMU] }) };
}

/** Both must find the same sequence numbers, before anything is timed. */
async function checkAgreement(sent: readonly Buffer[]): Promise<void> {
  const { lane, stream } = await openLane();
  for (const [i, packet] of sent.entries()) lane.push(stream, 'rtp', packet, i * 20_000);
  const ours: number[] = [];
  for (const { bytes } of blocks(lane.flush())) {
    for (const record of records(bytes)) if (record.kind === 1) ours.push(record.extSeq & 0xffff);
  }
  const theirs = sent.map((packet) => parse(packet).getSequenceNumber());
  assert.deepEqual(ours, theirs);
}

function parse(packet: Buffer): InstanceType<typeof packets.RtpPacket> {
  return new packets.RtpPacket(new DataView(packet.buffer, packet.byteOffset, packet.length));
}

/** The packet with numbers that go on: the same ones again would be timed as duplicates, which are journalled without payload. */
function numbered(packet: Buffer, position: number): Buffer {
  packet.writeUInt16BE(position & 0xffff, 2);
  packet.writeUInt32BE((position * PTIME_SAMPLES) >>> 0, 4);
  return packet;
}

export default async function run(): Promise<BenchResult> {
  const sent = makePackets();
  await checkAgreement(sent);
  const { lane, stream } = await openLane();
  const seen = new Map<number, number>();
  let next = 0;
  let arrivalUs = 0;
  const summary = await benny.suite(
    'rtp-parse',
    benny.add('doubletrack (and journal)', () => {
      arrivalUs += 20_000;
      lane.push(stream, 'rtp', numbered(sent[next % sent.length]!, next++), arrivalUs);
      if ((next & 0xfff) === 0) lane.flush();
    }),
    benny.add('rtp.js', () => {
      const packet = parse(numbered(sent[next % sent.length]!, next++));
      const seq = packet.getSequenceNumber();
      seen.set(seq, (seen.get(seq) ?? 0) + packet.getPayload().byteLength);
    }),
  );
  return {
    name: 'RTP packet: parse and statistics',
    unit: 'packets',
    contenders: summary.results.map(({ name, ops }) => ({ name, opsPerSec: ops })),
  };
}
