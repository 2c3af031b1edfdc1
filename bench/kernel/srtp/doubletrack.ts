/**
 * Ours, in two ways: in place, as a lane does it (the packets lie in WebAssembly memory, which is what libsrtp's are timed like too), and
 * through the library, where a packet is copied in, and with one packet a call also out.
 */
import { WORK_BYTES } from '../../../assembly/layout.ts';
import { mediaModule } from '../../../src/media/core.ts';
import { Secret, Srtp, type SrtpContext, type SrtpKeys } from '../../../src/media/srtp.ts';
import { SrtpContexts, type SrtpExports, SrtpLibraryMemory } from '../../../src/media/srtp-memory.ts';
import {
  type Case,
  KEYS,
  masterKeys,
  type Outcome,
  type Round,
  RUN_PACKETS,
  type SrtpContender,
  type Suite,
  timeRuns,
} from './workload.ts';

function allKeys(suite: Suite): SrtpKeys[] {
  return masterKeys(suite).map((key) => ({ suite, keys: [{ keyAndSalt: new Secret(key), mki: null }] }));
}

export function inPlace({ suite, direction }: Case, batch: number): SrtpContender {
  const memory = new SrtpLibraryMemory(KEYS, KEYS, [RUN_PACKETS]);
  const instance = new WebAssembly.Instance(mediaModule(), { env: { memory: memory.memory } });
  const wasm = instance.exports as unknown as SrtpExports;
  wasm.initialise();
  const contexts = new SrtpContexts(memory.memory, wasm, memory);
  for (const [n, keys] of allKeys(suite).entries()) contexts.open(n, keys);
  const room = memory.batch(0, [RUN_PACKETS]);
  const work = (packets: number): void => {
    for (let n = 0; n < packets; n += batch) {
      const [at, count] = [room.worksAt + n * WORK_BYTES, Math.min(batch, packets - n)];
      if (direction === 'protect') wasm.srtpProtect(at, count);
      else wasm.srtpUnprotect(at, count, 1);
    }
  };
  const run = ({ first, given }: Round): Outcome => {
    const outcome: Outcome = { ns: [], packets: [] };
    for (let at = 0; at < given.length; at += RUN_PACKETS) {
      const near = given.slice(at, at + RUN_PACKETS);
      for (const [n, packet] of near.entries())
        room.describe(n, contexts.addressOf((first + at + n) % KEYS), false, packet);
      const began = process.hrtime.bigint();
      work(near.length);
      outcome.ns.push(Number(process.hrtime.bigint() - began));
      for (let n = 0; n < near.length; n++) outcome.packets.push(room.packet(n).slice());
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
  const take = (packets: Uint8Array[]): void => {
    for (let n = 0; n < batch.length; n++) packets.push(batch.packet(n).slice());
  };
  const run = ({ first, given }: Round): Outcome => {
    const outcome: Outcome = { ns: [], packets: [] };
    for (let from = 0, ns = 0; from < given.length; from += batchSize) {
      const began = process.hrtime.bigint();
      batch.clear();
      for (let n = from; n < from + batchSize; n++) batch.add(contexts[(first + n) % KEYS]!, 'rtp', given[n]!);
      batch.run();
      ns += Number(process.hrtime.bigint() - began);
      take(outcome.packets);
      if ((from + batchSize) % RUN_PACKETS !== 0) continue;
      outcome.ns.push(ns);
      ns = 0;
    }
    return outcome;
  };
  return { name: `doubletrack/srtp, batches of ${batchSize}`, run };
}

export function oneByOne(timed: Case): SrtpContender {
  const contexts = openAll(new Srtp({ contexts: KEYS }), timed);
  return {
    name: 'doubletrack/srtp, one a call',
    run: (round) => timeRuns(round, (packet, session) => contexts[session]!.rtp(packet)),
  };
}
