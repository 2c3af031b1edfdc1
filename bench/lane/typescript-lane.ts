/**
 * The same without us, as one would write it in TypeScript: node:crypto for SRTP, a copy of each packet into a block, and a
 * check sum of it (zlib's CRC-32, which is native). No duplicates, jitter, epochs or sources, which is in its favour.
 */
import { crc32 } from 'node:zlib';
import { NodeCryptoContext } from '../kernel/srtp/node-crypto.ts';
import {
  KEYS,
  masterKeys,
  type Outcome,
  type Round,
  RUN_PACKETS,
  type SrtpContender,
  type Suite,
} from '../kernel/srtp/workload.ts';

const RECORD_HEADER_BYTES = 24;
const RECORD_BYTES = RECORD_HEADER_BYTES + 176;
const VERSION = 2;

/** @param unprotect null: packets come in the clear */
function lane(name: string, unprotect: ((packet: Buffer, session: number) => Buffer) | null): SrtpContender {
  const block = Buffer.alloc(RUN_PACKETS * RECORD_BYTES);
  let sum = 0;
  const write = (packet: Buffer, session: number, at: number): void => {
    const clear = unprotect ? unprotect(packet, session) : packet;
    if (clear[0]! >> 6 !== VERSION) throw new Error('not RTP');
    block.writeUInt32LE(clear.length, at);
    block.writeUInt16LE(session, at + 4);
    block.writeUInt32LE(clear.readUInt16BE(2), at + 8);
    clear.copy(block, at + RECORD_HEADER_BYTES);
  };
  const run = ({ first, given, expected }: Round): Outcome => {
    const packets = unprotect ? given : expected;
    const outcome: Outcome = { ns: [], packets: [] };
    for (let from = 0; from < packets.length; from += RUN_PACKETS) {
      const end = Math.min(from + RUN_PACKETS, packets.length);
      const began = process.hrtime.bigint();
      for (let n = from; n < end; n++) write(packets[n]!, (first + n) % KEYS, (n - from) * RECORD_BYTES);
      sum = crc32(block, sum);
      outcome.ns.push(Number(process.hrtime.bigint() - began));
      for (let n = from; n < end; n++) {
        const at = (n - from) * RECORD_BYTES + RECORD_HEADER_BYTES;
        outcome.packets.push(Buffer.from(block.subarray(at, at + expected[n]!.length)));
      }
    }
    return outcome;
  };
  return { name, run };
}

export function nodeCryptoLane(suite: Suite): SrtpContender {
  const contexts = masterKeys(suite).map((key) => new NodeCryptoContext(suite, key));
  return lane('node:crypto, Buffer, zlib', (packet, session) => contexts[session]!.unprotect(packet));
}

export function bufferLane(): SrtpContender {
  return lane('Buffer, zlib', null);
}
