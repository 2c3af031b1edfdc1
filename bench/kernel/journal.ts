/**
 * What a flush of the lane costs: blocks with their check sums out of staged packets of 100 recordings, beside the same blocks put
 * together in TypeScript with the check sum of the journal reader. One operation is one packet.
 */
import assert from 'node:assert/strict';
import benny from 'benny';
import { crc32c } from '../../src/journal/crc32c.ts';
import { BLOCK_HEADER_BYTES, BLOCK_MAGIC, KIND_RTP, RECORD_HEADER_BYTES } from '../../src/journal/format.ts';
import { blocks } from '../../src/journal/reader.ts';
import { addressBytes } from '../../src/media/address.ts';
import { MediaCore } from '../../src/media/core.ts';
import { CHANNEL_RTP } from '../../src/media/memory.ts';
import type { BenchResult } from '../main.ts';

const RECORDINGS = 100;
const PACKETS = 10;
const PACKET_BYTES = 172;
const SOURCE = addressBytes('192.0.2.1');
const RECORD_BYTES = RECORD_HEADER_BYTES + ((PACKET_BYTES + 7) & ~7);
const BLOCK_BYTES = BLOCK_HEADER_BYTES + PACKETS * RECORD_BYTES;

function packet(seq: number): Buffer {
  const bytes = Buffer.alloc(PACKET_BYTES, 0x55);
  bytes.writeUInt16BE(0x8000, 0);
  bytes.writeUInt16BE(seq & 0xffff, 2);
  bytes.writeUInt32BE((seq * 160) >>> 0, 4);
  bytes.writeUInt32BE(0x1234_5678, 8);
  return bytes;
}

function recordingId(recording: number): Uint8Array {
  const id = new Uint8Array(16);
  id[0] = recording;
  return id;
}

function openCore(): MediaCore {
  const core = new MediaCore();
  core.memory.setLane(0, 0n);
  for (let recording = 0; recording < RECORDINGS; recording++) {
    core.memory.openRecording(recording, recordingId(recording));
    core.memory.openStream(recording, {
      ...{ recording, index: 0, clockRate: 8000, ownSsrc: 1, rtcpMux: false, firstEpoch: 0, isSrtp: false },
      remote: { address: SOURCE, rtpPort: 1, rtcpPort: 2 },
    });
  }
  return core;
}

/** Receives ten packets for every recording and flushes. */
function byCore(core: MediaCore, firstSeq: number): Uint8Array {
  for (let n = 0; n < PACKETS; n++) {
    const bytes = packet(firstSeq + n);
    for (let recording = 0; recording < RECORDINGS; recording++) {
      core.memory.describe(recording, recording, CHANNEL_RTP, bytes, SOURCE, 1, BigInt(firstSeq + n));
    }
    core.wasm.process(RECORDINGS);
  }
  return core.flush(1n, 2n);
}

/** The same without the core, and without what else the core does for a packet: validity, numbers, jitter. */
function byTypeScript(out: Uint8Array, firstSeq: number, firstBlockSeq: number): Uint8Array {
  const view = new DataView(out.buffer);
  const queues: Buffer[][] = Array.from({ length: RECORDINGS }, () => []);
  for (let n = 0; n < PACKETS; n++) {
    const bytes = packet(firstSeq + n);
    for (const queue of queues) queue.push(Buffer.from(bytes));
  }
  for (const [recording, queue] of queues.entries()) {
    const at = recording * BLOCK_BYTES;
    view.setUint32(at, BLOCK_MAGIC, true);
    view.setUint32(at + 4, BLOCK_BYTES, true);
    view.setUint32(at + 12, PACKETS, true);
    out.set(recordingId(recording), at + 16);
    view.setBigUint64(at + 32, BigInt(firstBlockSeq + recording), true);
    view.setBigUint64(at + 40, 1n, true);
    view.setBigUint64(at + 48, 2n, true);
    for (const [n, bytes] of queue.entries()) {
      const record = at + BLOCK_HEADER_BYTES + n * RECORD_BYTES;
      view.setUint32(record, PACKET_BYTES, true);
      view.setUint8(record + 6, KIND_RTP);
      view.setUint32(record + 8, 0x10000 + firstSeq + n, true);
      view.setBigUint64(record + 16, BigInt(firstSeq + n), true);
      out.set(bytes, record + RECORD_HEADER_BYTES);
    }
    view.setUint32(at + 8, crc32c(out, at + 12, at + BLOCK_BYTES), true);
  }
  return out;
}

/** Both must write the very same bytes, before anything is timed. */
function checkAgreement(): void {
  const ours = byCore(openCore(), 0);
  assert.equal([...blocks(Buffer.from(ours))].length, RECORDINGS);
  assert.deepEqual(Buffer.from(ours), Buffer.from(byTypeScript(new Uint8Array(RECORDINGS * BLOCK_BYTES), 0, 0)));
}

export default async function run(): Promise<BenchResult> {
  checkAgreement();
  const core = openCore();
  const out = new Uint8Array(RECORDINGS * BLOCK_BYTES);
  let ourSeq = 0;
  let theirSeq = 0;
  const summary = await benny.suite(
    'journal',
    benny.add('doubletrack (and reception)', () => {
      byCore(core, ourSeq);
      ourSeq += PACKETS;
    }),
    benny.add('TypeScript, blocks only', () => {
      byTypeScript(out, theirSeq, 0);
      theirSeq += PACKETS;
    }),
  );
  return {
    name: 'Journal: blocks of 1,000 packets of 100 recordings',
    unit: 'packets',
    contenders: summary.results.map(({ name, ops }) => ({ name, opsPerSec: ops * RECORDINGS * PACKETS })),
  };
}
