/**
 * SRTP, 200 sessions interleaved: ours beside libsrtp (the system's, and the build in LIBSRTP_PREFIX), node:crypto and werift-rtp. All get
 * the same packets and must give the same bytes in every round. BENCH_ROUNDS says how many.
 */

import type { BenchResult } from '../main.ts';
import { Libsrtp } from '../peers/libsrtp.ts';
import { pinToOneCore } from '../pin.ts';
import { inPlace, oneByOne, throughLibrary } from './srtp/doubletrack.ts';
import { libsrtp } from './srtp/libsrtp.ts';
import { nodeCrypto } from './srtp/node-crypto.ts';
import { medianNs } from './srtp/rounds.ts';
import { werift } from './srtp/werift.ts';
import type { Case, SrtpContender } from './srtp/workload.ts';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 11);
const BATCHES = [64, 256, 4, 1];

const CASES: Case[] = (['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const).flatMap((suite) =>
  [172, 1200].flatMap((bytes) => (['unprotect', 'protect'] as const).map((direction) => ({ suite, direction, bytes }))),
);

interface Peer {
  peer: Libsrtp;
  name: string;
}

/** Every libsrtp there is; what is missing is said once. */
async function startPeers(): Promise<Peer[]> {
  const prefix = process.env.LIBSRTP_PREFIX;
  const peers: Peer[] = [];
  for (const [from, where] of [['system', null] as const, ...(prefix ? [['LIBSRTP_PREFIX', prefix] as const] : [])]) {
    const peer = Libsrtp.start(where);
    if (peer instanceof Libsrtp) peers.push({ peer, name: `${await peer.version()} (${from})` });
    else process.stderr.write(`${peer}\n`);
  }
  return peers;
}

async function compare(timed: Case, peers: Peer[]): Promise<BenchResult> {
  const ours = [...BATCHES.map((batch) => inPlace(timed, batch)), throughLibrary(timed, 64), oneByOne(timed)];
  const native = await Promise.all(peers.map(({ peer, name }) => libsrtp(peer, name, timed)));
  const contenders: SrtpContender[] = [...ours, ...native, nodeCrypto(timed), werift(timed)];
  const ns = await medianNs(timed, contenders, ROUNDS);
  for (const contender of native) await contender.close?.();
  return {
    name: `SRTP: ${timed.direction} ${timed.bytes} octets, ${timed.suite}`,
    unit: 'packets',
    contenders: contenders.map(({ name }, n) => ({ name, opsPerSec: 1e9 / ns[n]! })),
  };
}

export default async function run(): Promise<BenchResult[]> {
  const unpin = pinToOneCore();
  const peers = await startPeers();
  try {
    const results: BenchResult[] = [];
    for (const timed of CASES) results.push(await compare(timed, peers));
    return results;
  } finally {
    for (const { peer } of peers) await peer.close();
    unpin();
  }
}
