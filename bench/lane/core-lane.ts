/** A lane without sockets: the media core over its memory, packets put where a driver would put them. What is timed is the core's work. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { records } from '../../src/journal/format.ts';
import { blocks } from '../../src/journal/reader.ts';
import { addressBytes } from '../../src/media/address.ts';
import { MediaCore } from '../../src/media/core.ts';
import { CHANNEL_RTP } from '../../src/media/memory.ts';
import { Secret, type SrtpKeys } from '../../src/media/srtp.ts';
import { SRTP_SUITES } from '../../src/media/srtp-suites.ts';
import {
  KEYS,
  masterKeys,
  type Outcome,
  type Round,
  RUN_PACKETS,
  type SrtpContender,
  type Suite,
} from '../kernel/srtp/workload.ts';

/** What of the way is timed: to the journal's staging, the blocks made of it, both, or the copies for sinks. */
export type Part = 'receive' | 'flush' | 'all' | 'replicate';

export interface LaneCase {
  suite: Suite;
  isSrtp: boolean;
  batch: number;
  part: Part;
  /** Of each stream; `areSinksSrtp`: each with keys of its own. */
  sinks?: number;
  areSinksSrtp?: boolean;
}

const SOURCE = { address: addressBytes('192.0.2.1'), rtpPort: 40_000, rtcpPort: 40_001 };

/** A stream for each of the workload's sessions, two of them in a recording. */
function openCore({ suite, isSrtp, sinks = 0, areSinksSrtp = false }: LaneCase): MediaCore {
  const core = new MediaCore();
  core.memory.setLane(0, 0n);
  for (const [stream, key] of masterKeys(suite).entries()) {
    const recording = stream >> 1;
    if (stream % 2 === 0)
      core.memory.openRecording(
        recording,
        Uint8Array.from({ length: 16 }, (_, n) => recording >> n),
      );
    core.memory.openStream(stream, {
      ...{ recording, index: stream & 1, clockRate: 8000, ownSsrc: 1, rtcpMux: false, firstEpoch: 0, isSrtp },
      remote: SOURCE,
    });
    const keys: SrtpKeys = { suite, keys: [{ keyAndSalt: new Secret(key), mki: null }] };
    if (isSrtp) core.srtp.open(stream, { receive: keys, send: keys }, 0);
  }
  for (let sink = 0; sink < KEYS * sinks; sink++) openSink(core, sink, sink % KEYS, areSinksSrtp ? suite : null);
  return core;
}

function openSink(core: MediaCore, sink: number, stream: number, suite: Suite | null): void {
  if (suite) {
    const keyAndSalt = new Secret(randomBytes(SRTP_SUITES[suite].masterKeyBytes + SRTP_SUITES[suite].masterSaltBytes));
    core.srtp.openSink(sink, { suite, keys: [{ keyAndSalt, mki: null }] });
  }
  core.sinks.write(sink, {
    ...{ stream, via: stream, ssrc: sink + 1, firstSeq: sink, firstTimestamp: sink, clockRate: 8000 },
    ...{ payloadTypes: [], paused: false, isSrtp: suite !== null },
  });
  core.wasm.openSink(sink);
}

/** The packets that the blocks hold, each at its place in the run: (stream, in order) leads back to it. */
function packetsOf(written: Uint8Array, firstStream: number, packets: number): Uint8Array[] {
  const found = new Array<Uint8Array>(packets);
  const seen = new Uint32Array(KEYS);
  for (const block of blocks(Buffer.from(written))) {
    for (const { payload } of records(block.bytes)) {
      const session = new DataView(payload.buffer, payload.byteOffset).getUint32(8) - FIRST_SSRC;
      const at = ((session - firstStream + KEYS) % KEYS) + KEYS * seen[session]!++;
      found[at] = payload;
    }
  }
  return found;
}

/** As the workload numbers them. */
const FIRST_SSRC = 0x1000;

export function coreLane(name: string, timed: LaneCase): SrtpContender {
  const core = openCore(timed);
  const { batch, part, isSrtp, suite, sinks = 0, areSinksSrtp = false } = timed;
  const { rtpTagBytes } = SRTP_SUITES[suite];
  const replicate = (packets: number): void => {
    let sent = 0;
    for (let sends = core.wasm.replicate(packets, 1); sends > 0; sends = core.wasm.replicate(packets, 0)) sent += sends;
    assert.equal(sent, packets * sinks);
  };
  const receive = (packets: Buffer[], first: number): number => {
    let ns = 0;
    for (let from = 0; from < packets.length; from += batch) {
      const some = packets.slice(from, from + batch);
      for (const [n, packet] of some.entries()) {
        const stream = (first + from + n) % KEYS;
        core.memory.describe(n, stream, CHANNEL_RTP, packet, SOURCE.address, SOURCE.rtpPort, 1n);
      }
      const began = process.hrtime.bigint();
      core.wasm.process(some.length);
      const received = process.hrtime.bigint();
      if (part !== 'replicate') {
        ns += Number(received - began);
        continue;
      }
      replicate(some.length);
      ns += Number(process.hrtime.bigint() - received);
      const clear = some[0]!.length - (isSrtp ? rtpTagBytes : 0);
      assert.equal(core.sinks.lengthOf(0), clear + (areSinksSrtp ? rtpTagBytes : 0));
    }
    return ns;
  };
  const run = ({ first, given, expected }: Round): Outcome => {
    const packets = isSrtp ? given : expected;
    const outcome: Outcome = { ns: [], packets: [] };
    for (let from = 0; from < packets.length; from += RUN_PACKETS) {
      const some = packets.slice(from, from + RUN_PACKETS);
      const received = receive(some, first + from);
      const began = process.hrtime.bigint();
      const written = core.flush(1n, 2n);
      const flushed = Number(process.hrtime.bigint() - began);
      outcome.ns.push((part === 'flush' ? 0 : received) + (part === 'receive' || part === 'replicate' ? 0 : flushed));
      outcome.packets.push(...packetsOf(written, (first + from) % KEYS, some.length));
    }
    return outcome;
  };
  return { name, run };
}
