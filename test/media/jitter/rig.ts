/** Players over a lane without sockets, on a virtual clock: networks to send through, and what was played. */
import { createLaneMemory, type StreamState } from '../../../src/media/memory.ts';
import {
  FrameReader,
  type OutsideDecoder,
  type PlayedFrame,
  type PlayerLedger,
  type PlayerStats,
  playerCodec,
} from '../../../src/media/player-memory.ts';
import { Rig, rtp } from '../rig.ts';

export const TICK_US = 10_000;

export interface Packet {
  arrivalUs: number;
  bytes: Uint8Array;
}

export interface Codec {
  payloadType: number;
  encoding: string;
  clockRate: number;
}

export interface Listening {
  codecs?: Codec[];
  minDelayMs?: number;
  maxDelayMs?: number;
  group?: number;
}

export const L16: Codec = { payloadType: 96, encoding: 'L16', clockRate: 8000 };
const CODECS: Codec[] = [
  { payloadType: 0, encoding: 'PCMU', clockRate: 8000 },
  { payloadType: 8, encoding: 'PCMA', clockRate: 8000 },
  { payloadType: 13, encoding: 'CN', clockRate: 8000 },
  L16,
];

export class PlayerRig {
  readonly memory = createLaneMemory();
  readonly lane = new Rig({ recording: 0 } as Partial<StreamState>, this.memory);
  readonly #queues: Packet[][] = [];
  readonly readers: FrameReader[] = [];
  #records = 0;
  nowUs = 0;
  /** Of codecs that the core does not know. */
  outside: OutsideDecoder = { decode: () => 0, makeUp: () => 0 };

  /** A stream and a player of the same number. @returns the number. */
  listen({ codecs = CODECS, minDelayMs = 20, maxDelayMs = 200, group = 0 }: Listening = {}): number {
    const number = this.readers.length;
    const first = playerCodec(codecs[0]!.encoding, codecs[0]!.clockRate, 1)!;
    this.lane.open(number, { clockRate: codecs[0]!.clockRate });
    this.lane.core.players.open(this.lane.core.wasm, number, {
      stream: number,
      sampleRate: first.sampleRate,
      samplesPerUnit: first.samplesPerUnit,
      codecs: codecs.map(({ payloadType, encoding, clockRate }) => ({
        payloadType,
        codec: playerCodec(encoding, clockRate, 1)!.codec,
      })),
      group,
      minDelayMs,
      maxDelayMs,
    });
    this.readers.push(FrameReader.ofPlayer(this.memory, number));
    this.#queues.push([]);
    return number;
  }

  /** Packets to come, in any order of arrival. */
  send(player: number, packets: Packet[]): void {
    this.#queues[player] = [...this.#queues[player]!, ...packets].sort((a, b) => b.arrivalUs - a.arrivalUs);
  }

  /** Everything until then: packets as they arrive, ticks every 10 ms. */
  run(untilUs: number, onTick?: (tickUs: number) => void): void {
    const { wasm, players } = this.lane.core;
    for (; this.nowUs < untilUs; this.nowUs += TICK_US) {
      for (const [player, queue] of this.#queues.entries()) this.#deliver(player, queue);
      players.play(wasm, BigInt(this.nowUs), this.outside);
      onTick?.(this.nowUs);
    }
  }

  #deliver(player: number, queue: Packet[]): void {
    for (let packet = queue.at(-1); packet && packet.arrivalUs <= this.nowUs; packet = queue.at(-1)) {
      queue.pop();
      this.lane.rtp(packet.bytes, Math.max(0, Math.round(packet.arrivalUs)), undefined, player);
      if (++this.#records % 4096 === 0) this.lane.core.flush(0n, 0n);
    }
  }

  /** As run, and gives the frames of one player. */
  frames(player: number, untilUs: number): PlayedFrame[] {
    const frames: PlayedFrame[] = [];
    this.run(untilUs, () => frames.push(...readAll(this.readers[player]!)));
    return frames;
  }

  stats(player: number): PlayerStats {
    return this.lane.core.players.stats(player);
  }
}

export function readAll(reader: FrameReader): PlayedFrame[] {
  const frames: PlayedFrame[] = [];
  for (let frame = reader.read(); frame; frame = reader.read()) frames.push(frame);
  return frames;
}

/** What the ledger's equation leaves over: 0. */
export function imbalance(ledger: PlayerLedger): number {
  const made = ledger.decoded + ledger.concealed + ledger.comfort + ledger.silence;
  const changed = ledger.insertedSkew + ledger.insertedExpand - ledger.removedSkew - ledger.removedAccelerate;
  return made + changed - ledger.discarded - ledger.buffered - ledger.played;
}

/** Samples that tell their own number for 2.5 s at 8 kHz: a ramp. */
const RAMP = 20_000;

export function rampPayload(first: number, samples: number): Uint8Array {
  const payload = Buffer.alloc(samples * 2);
  for (let i = 0; i < samples; i++) payload.writeInt16BE(((first + i) % RAMP) - RAMP / 2, i * 2);
  return payload;
}

/** Number of the ramp's sample that was played, the one nearest to what is expected; null when it is not of the ramp. */
export function rampNumber(pcm: Int16Array, at: number, expected: number): number | null {
  for (let i = at - 2; i < at + 2; i++) if (pcm[i + 1]! - pcm[i]! !== 1) return null;
  const within = pcm[at]! + RAMP / 2;
  return within + Math.round((expected - within) / RAMP) * RAMP;
}

export interface Sender {
  seconds: number;
  /** How much faster than ours its clock runs. */
  ppm?: number;
  ptimeMs?: (packet: number) => number;
  ssrc?: number;
  firstSeq?: number;
  firstTimestamp?: number;
  /** Delay of a packet in microseconds; null: lost. */
  network: (sentUs: number, packet: number) => number | null;
}

/** The ramp as L16 from time 0 on, each packet sent when its last sample was taken. */
export function rampPackets(sender: Sender): Packet[] {
  const { seconds, ppm = 0, ptimeMs = () => 20, network, firstSeq = 1000, firstTimestamp = 5000 } = sender;
  const packets: Packet[] = [];
  const samplesPerUs = 0.008 * (1 + ppm / 1e6);
  for (let n = 0, k = 0; n < seconds * 8000; k++) {
    const samples = ptimeMs(k) * 8;
    const sentUs = (n + samples) / samplesPerUs;
    const delay = network(sentUs, k);
    if (delay !== null) {
      const payload = rampPayload(n, samples);
      const { ssrc } = sender;
      const fields = { seq: firstSeq + k, timestamp: firstTimestamp + n, payloadType: 96, payload };
      packets.push({ arrivalUs: sentUs + delay, bytes: rtp(ssrc === undefined ? fields : { ...fields, ssrc }) });
    }
    n += samples;
  }
  return packets;
}
