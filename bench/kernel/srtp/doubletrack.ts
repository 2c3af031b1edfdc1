/**
 * Ours, in two ways: in place, as a lane does it (the packets lie in WebAssembly memory, which is what libsrtp's are timed like too), and
 * through the library, where a packet is copied in, and with one packet a call also out.
 */
import { WORK_BYTES } from '../../../assembly/layout.ts';
import { mediaModule } from '../../../src/media/core.ts';
import { Secret, Srtp, type SrtpContext, type SrtpKeys } from '../../../src/media/srtp.ts';
import { SrtpContexts, type SrtpExports, SrtpLibraryMemory } from '../../../src/media/srtp-memory.ts';
import { type Case, KEYS, masterKeys, type Outcome, type Round, type SrtpContender, type Suite } from './workload.ts';

/** As many as a lane takes at once. */
const ROOM_PACKETS = 256;

function allKeys(suite: Suite): SrtpKeys[] {
  return masterKeys(suite).map((key) => ({ suite, keys: [{ keyAndSalt: new Secret(key), mki: null }] }));
}

export function inPlace({ suite, direction }: Case, batch: number): SrtpContender {
  const memory = new SrtpLibraryMemory(KEYS, KEYS, [ROOM_PACKETS]);
  const instance = new WebAssembly.Instance(mediaModule(), { env: { memory: memory.memory } });
  const wasm = instance.exports as unknown as SrtpExports;
  wasm.initialise();
  const contexts = new SrtpContexts(memory.memory, wasm, memory.contextsAt, memory.keysAt, KEYS);
  for (const [n, keys] of allKeys(suite).entries()) contexts.open(n, keys);
  const room = memory.batch(0, [ROOM_PACKETS]);
  const work = (packets: number): void => {
    for (let n = 0; n < packets; n += batch) {
      const [at, count] = [room.worksAt + n * WORK_BYTES, Math.min(batch, packets - n)];
      if (direction === 'protect') wasm.srtpProtect(at, count);
      else wasm.srtpUnprotect(at, count, 1);
    }
  };
  const run = ({ given }: Round): Outcome => {
    const outcome: Outcome = { ns: 0, packets: [] };
    for (let first = 0; first < given.length; first += ROOM_PACKETS) {
      const chunk = given.slice(first, first + ROOM_PACKETS);
      for (const [n, packet] of chunk.entries())
        room.describe(n, contexts.addressOf((first + n) % KEYS), false, packet);
      const from = process.hrtime.bigint();
      work(chunk.length);
      outcome.ns += Number(process.hrtime.bigint() - from);
      for (let n = 0; n < chunk.length; n++) outcome.packets.push(room.packet(n).slice());
    }
    return outcome;
  };
  return { name: `doubletrack, in place, ${batch === 1 ? 'one a call' : `batches of ${batch}`}`, run };
}

function openAll(srtp: Srtp, { suite, direction }: Case): SrtpContext[] {
  return allKeys(suite).map((keys) => (direction === 'protect' ? srtp.openSender(keys) : srtp.openReceiver(keys)));
}

export function throughLibrary(timed: Case, batchSize: number): SrtpContender {
  const srtp = new Srtp({ contexts: KEYS });
  const contexts = openAll(srtp, timed);
  const batch = srtp.createBatch(timed.direction);
  const run = ({ given }: Round): Outcome => {
    const outcome: Outcome = { ns: 0, packets: [] };
    for (let first = 0; first < given.length; first += batchSize) {
      const count = Math.min(batchSize, given.length - first);
      const from = process.hrtime.bigint();
      batch.clear();
      for (let n = first; n < first + count; n++) batch.add(contexts[n % KEYS]!, 'rtp', given[n]!);
      batch.run();
      outcome.ns += Number(process.hrtime.bigint() - from);
      for (let n = 0; n < count; n++) outcome.packets.push(batch.packet(n).slice());
    }
    return outcome;
  };
  return { name: `doubletrack/srtp, batches of ${batchSize}`, run };
}

export function oneByOne(timed: Case): SrtpContender {
  const contexts = openAll(new Srtp({ contexts: KEYS }), timed);
  const run = ({ given }: Round): Outcome => {
    const packets = new Array<Uint8Array>(given.length);
    const from = process.hrtime.bigint();
    for (let n = 0; n < given.length; n++) packets[n] = contexts[n % KEYS]!.rtp(given[n]!);
    return { ns: Number(process.hrtime.bigint() - from), packets };
  };
  return { name: 'doubletrack/srtp, one a call', run };
}
