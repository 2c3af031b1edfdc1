/** libsrtp through its driver: the packets lie in its memory, as ours lie in that of a lane. */
import type { Libsrtp } from '../../peers/libsrtp.ts';
import { type Case, KEYS, masterKeys, type Round, type SrtpContender } from './workload.ts';

/** Behind a packet libsrtp may write a trailer (SRTP_MAX_TRAILER_LEN, 144). */
const TRAILER_BYTES = 160;

export async function libsrtp(peer: Libsrtp, name: string, { suite, direction }: Case): Promise<SrtpContender> {
  const ids: number[] = [];
  for (const keyAndSalt of masterKeys(suite)) ids.push(await peer.open({ suite, direction, keyAndSalt }));
  return {
    name,
    async run({ first, given }: Round) {
      const { length } = given[0]!;
      const slotBytes = (length + TRAILER_BYTES + 63) & ~63;
      const slots = Buffer.alloc(given.length * slotBytes);
      for (const [n, packet] of given.entries()) slots.set(packet, n * slotBytes);
      const {
        ns,
        bytes,
        slots: done,
      } = await peer.time({ id: ids[0]!, sessions: KEYS, first, slots, bytes: length, slotBytes });
      return { ns, packets: given.map((_, n) => done.subarray(n * slotBytes, n * slotBytes + bytes)) };
    },
    async close() {
      for (const id of ids.toReversed()) await peer.closeSession(id);
    },
  };
}
