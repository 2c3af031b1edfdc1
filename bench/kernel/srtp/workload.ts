/**
 * What all contenders are timed on: packets of 200 sessions in turn, sequence numbers going on from round to round, so that nobody's replay
 * protection stands in the way. Protected once, by node:crypto; every contender must give just these bytes in every round.
 */
import { createCipheriv } from 'node:crypto';
import { NodeCryptoContext } from './node-crypto.ts';

export const KEYS = 200;
/** What is timed at once: as many as a lane takes. Short, so that what interrupts now and then does not move the median. */
export const RUN_PACKETS = 256;
/** Runs one after another, so that keys and code are as near as they are under load. */
const ROUND_RUNS = 12;
export const ROUND_PACKETS = RUN_PACKETS * ROUND_RUNS;

export type Suite = 'AES_CM_128_HMAC_SHA1_80' | 'AEAD_AES_128_GCM';
export type Direction = 'protect' | 'unprotect';

export interface Case {
  suite: Suite;
  direction: Direction;
  /** Of a whole RTP packet. */
  bytes: number;
}

/** Packet n is of session (first + n) modulo KEYS. */
export interface Round {
  first: number;
  given: Buffer[];
  expected: Buffer[];
}

export interface Outcome {
  /** Of each run. */
  ns: number[];
  packets: Uint8Array[];
}

export interface SrtpContender {
  name: string;
  run(round: Round): Outcome | Promise<Outcome>;
  close?(): Promise<void>;
}

/** Bytes that are the same in every run and look random. */
function keyStream(seed: number, bytes: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Master key and salt of each session. */
export function masterKeys(suite: Suite): Buffer[] {
  const bytes = suite === 'AEAD_AES_128_GCM' ? 28 : 30;
  const all = keyStream(1, bytes * KEYS);
  return Array.from({ length: KEYS }, (_, n) => all.subarray(n * bytes, (n + 1) * bytes));
}

/** Rounds one after another. */
export class Workload {
  readonly #case: Case;
  readonly #senders: NodeCryptoContext[];
  readonly #payload: Buffer;
  #sent = 0;

  constructor(timed: Case) {
    this.#case = timed;
    this.#senders = masterKeys(timed.suite).map((key) => new NodeCryptoContext(timed.suite, key));
    this.#payload = keyStream(2, ROUND_PACKETS * timed.bytes);
  }

  nextRound(): Round {
    const first = this.#sent;
    const plain = Array.from({ length: ROUND_PACKETS }, (_, n) => this.#packet(n));
    const secured = plain.map((packet, n) => this.#senders[(first + n) % KEYS]!.protect(packet));
    this.#sent += ROUND_PACKETS;
    const isProtecting = this.#case.direction === 'protect';
    return isProtecting ? { first, given: plain, expected: secured } : { first, given: secured, expected: plain };
  }

  #packet(n: number): Buffer {
    const { bytes } = this.#case;
    const packet = Buffer.from(this.#payload.subarray(n * bytes, (n + 1) * bytes));
    const seq = 1 + Math.floor((this.#sent + n) / KEYS);
    packet.writeUInt16BE(0x8000, 0);
    packet.writeUInt16BE(seq, 2);
    packet.writeUInt32BE(seq * 160, 4);
    packet.writeUInt32BE(0x1000 + ((this.#sent + n) % KEYS), 8);
    return packet;
  }
}

/** Converts the round's packets run by run, each run timed. */
export function timeRuns(
  { first, given }: Round,
  convert: (packet: Buffer, session: number, n: number) => Uint8Array,
): Outcome {
  const outcome: Outcome = { ns: [], packets: new Array<Uint8Array>(given.length) };
  for (let from = 0; from < given.length; from += RUN_PACKETS) {
    const end = Math.min(from + RUN_PACKETS, given.length);
    const began = process.hrtime.bigint();
    for (let n = from; n < end; n++) outcome.packets[n] = convert(given[n]!, (first + n) % KEYS, n);
    outcome.ns.push(Number(process.hrtime.bigint() - began));
  }
  return outcome;
}
