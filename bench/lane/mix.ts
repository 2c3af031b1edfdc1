/** What a packet of a mixture costs in a lane: two parties who speak are played, mixed, encoded and protected. What is timed is the core's work. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as layout from '../../assembly/layout.ts';
import { addressBytes } from '../../src/media/address.ts';
import { MediaCore } from '../../src/media/core.ts';
import { CHANNEL_RTP } from '../../src/media/memory.ts';
import { playerCodec } from '../../src/media/player-memory.ts';
import { Secret } from '../../src/media/srtp.ts';
import type { Figure } from '../report.ts';

const MIXES = 64;
const PLAYERS = 2 * MIXES;
const PTIME_US = 20_000;
const WARM_UP_PACKETS = 100;
const SOURCE = { address: addressBytes('192.0.2.1'), rtpPort: 40_000, rtcpPort: 40_001 };
const NO_DECODER = { decode: () => 0, makeUp: () => 0 };

interface MixCase {
  /** None: the players by themselves. */
  encoding: 'PCMU' | 'G722' | null;
  isSrtp: boolean;
}

class MixLane {
  readonly #core = new MediaCore();
  readonly #isMixed: boolean;
  #packets = 0;

  constructor({ encoding, isSrtp }: MixCase) {
    this.#isMixed = encoding !== null;
    for (let n = 0; n < PLAYERS; n++) this.#listen(n);
    for (let n = 0; n < MIXES && encoding; n++) this.#mix(n, encoding, isSrtp);
  }

  #listen(n: number): void {
    const { memory, players, wasm } = this.#core;
    memory.openRecording(n, new Uint8Array(16), false);
    memory.openStream(n, {
      ...{ recording: n, index: 0, clockRate: 8000, ownSsrc: 1, rtcpMux: false, firstEpoch: 0, isSrtp: false },
      remote: SOURCE,
    });
    const { codec, sampleRate, samplesPerUnit } = playerCodec('PCMU', 8000, 1)!;
    const delay = { minDelayMs: 20, maxDelayMs: 200 };
    players.open(wasm, n, {
      ...{ stream: n, sampleRate, samplesPerUnit, codecs: [{ payloadType: 0, codec }], group: 0, ...delay },
    });
  }

  #mix(n: number, encoding: string, isSrtp: boolean): void {
    const { sinks, srtp, mixers, wasm } = this.#core;
    const keyAndSalt = new Secret(randomBytes(30));
    if (isSrtp) srtp.openSink(n, { suite: 'AES_CM_128_HMAC_SHA1_80', keys: [{ keyAndSalt, mki: null }] });
    sinks.write(n, {
      ...{ stream: null, via: 0, ssrc: n + 1, firstSeq: n, firstTimestamp: n, clockRate: 8000 },
      ...{ payloadTypes: [], paused: false, isSrtp },
    });
    wasm.openSink(n);
    const { codec, sampleRate } = playerCodec(encoding, 8000, 1)!;
    const sending = { sink: n, codec, payloadType: 0, frames: PTIME_US / layout.FRAME_US };
    mixers.open(wasm, n, { sampleRate, players: [2 * n, 2 * n + 1], sending });
  }

  /** Everybody speaks for 20 ms. @returns what playing and sending took, in ns for each mixture. */
  step(): number {
    const { memory, players, wasm } = this.#core;
    const seq = this.#packets++;
    const packet = Buffer.alloc(172, 0x80);
    packet[1] = 0;
    packet.writeUInt16BE(seq & 0xffff, 2);
    packet.writeUInt32BE((seq * 160) >>> 0, 4);
    for (let i = 12; i < packet.length; i++) packet[i] = (i * 37 + seq * 11) & 0xff;
    const nowUs = BigInt((seq + 1) * PTIME_US);
    for (let n = 0; n < PLAYERS; n++) memory.describe(n, n, CHANNEL_RTP, packet, SOURCE.address, SOURCE.rtpPort, nowUs);
    wasm.process(PLAYERS);
    const began = process.hrtime.bigint();
    players.play(wasm, nowUs, NO_DECODER);
    let sent = 0;
    for (let sends = wasm.sendMixers(); sends > 0; sends = wasm.sendMixers()) sent += sends;
    const ns = Number(process.hrtime.bigint() - began);
    // The first tick is the moment at which the clock starts.
    if (seq > 0) assert.equal(sent, this.#isMixed ? MIXES : 0);
    return ns / MIXES;
  }
}

function medianNs(lanes: MixLane[], packets: number): number[] {
  const measured = lanes.map((): number[] => []);
  for (let n = -WARM_UP_PACKETS; n < packets; n++) {
    for (const [i, lane] of lanes.entries()) {
      const ns = lane.step();
      if (n >= 0) measured[i]!.push(ns);
    }
  }
  return measured.map((all) => all.toSorted((a, b) => a - b)[all.length >> 1]!);
}

/** @param rounds of 100 packets. */
export function mixing(rounds: number): Figure {
  const cases: MixCase[] = [
    { encoding: null, isSrtp: false },
    { encoding: 'PCMU', isSrtp: false },
    { encoding: 'PCMU', isSrtp: true },
    { encoding: 'G722', isSrtp: true },
  ];
  const lanes = cases.map((one) => new MixLane(one));
  const [players, clear, srtp, wide] = medianNs(lanes, rounds * 100) as [number, number, number, number];
  const rows = [
    {
      name: 'PCMU in SRTP, all of it',
      value: srtp,
      remark: `${Math.round(1e9 / srtp).toLocaleString('en')} packets/s`,
    },
    { name: 'two jitter buffers', value: players },
    { name: 'mix, encode', value: clear - players },
    { name: 'SRTP protect', value: srtp - clear },
    { name: 'G.722 at 16 kHz in its stead', value: wide },
  ];
  return { name: 'Lane: a packet of 20 ms of a mixture of two', unit: 'ns', rows };
}
