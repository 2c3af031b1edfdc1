/**
 * SRTP sessions with what the oracle expects of their packets: random suites, keys and sources, sequence numbers that wrap, SRTCP indices
 * that go on from anywhere. One packet of it is an `Exchange`.
 */
import { SRTP_SUITES, type SrtpKeys, type SrtpSuite } from '../../../src/media/srtp.ts';
import { deriveSession, protectRtcp, protectRtp, type Session } from './oracle.ts';
import type { ContextLike, SrtpLike } from './oracle-context.ts';
import { type Random, randomKeys, randomRtcp, randomRtp, randomSsrc } from './random.ts';

const SEQS = 0x1_0000;
const INDEX_MASK = 0x7fff_ffff;

interface Source {
  ssrc: number;
  /** 2^16 * ROC + SEQ of the next RTP packet. */
  nextIndex: number;
  /** As the sender counts, null before its first. */
  sentIndex: number | null;
  /** As what the receiver is given counts. */
  nextRtcpIndex: number;
}

/** One packet as it is before and after; `index` of SRTCP only. */
export interface Exchange {
  flow: Flow;
  kind: 'rtp' | 'rtcp';
  plain: Buffer;
  secured: Buffer;
  source: Source;
}

export interface Flow {
  keys: SrtpKeys;
  session: Session;
  sender: ContextLike;
  receiver: ContextLike;
  sources: Source[];
}

export function openFlow(random: Random, srtp: SrtpLike, suite: SrtpSuite): Flow {
  const keys = randomKeys(random, suite);
  const [key] = keys.keys;
  const session = deriveSession({ suite, keyAndSalt: key!.keyAndSalt.reveal(), mki: key!.mki });
  const sources = Array.from({ length: 1 + random.upTo(2) }, () => ({
    ssrc: randomSsrc(random),
    nextIndex: random.chance(0.5) ? SEQS - 1 - random.upTo(30) : random.upTo(SEQS - 1),
    sentIndex: null,
    nextRtcpIndex: random.chance(0.5) ? random.upTo(3) : random.upTo(INDEX_MASK - 10_000),
  }));
  return { keys, session, sender: srtp.openSender(keys), receiver: srtp.openReceiver(keys), sources };
}

export function closeFlow({ sender, receiver }: Flow): void {
  sender.close();
  receiver.close();
}

/** The E bit: set unless the session says otherwise or there is no cipher (RFC 3711 section 3.4). */
export function encryptsRtcp({ suite, unencryptedSrtcp }: SrtpKeys): boolean {
  return !unencryptedSrtcp && SRTP_SUITES[suite].cipher !== 'NULL';
}

/** The next packet of a source: most follow each other, some were lost on the way. */
export function nextExchange(random: Random, flow: Flow): Exchange {
  const source = random.pick(flow.sources);
  return random.chance(0.15) ? nextRtcp(random, flow, source) : nextRtp(random, flow, source);
}

function nextRtp(random: Random, flow: Flow, source: Source): Exchange {
  const index = source.nextIndex;
  source.nextIndex += random.chance(0.9) ? 1 : 1 + random.upTo(random.chance(0.9) ? 200 : 20_000);
  const plain = randomRtp(random, source.ssrc, index % SEQS);
  const secured = protectRtp(flow.session.rtp, Math.floor(index / SEQS), plain);
  return { flow, kind: 'rtp', plain, secured, source };
}

function nextRtcp(random: Random, flow: Flow, source: Source): Exchange {
  const index = source.nextRtcpIndex;
  source.nextRtcpIndex += random.chance(0.8) ? 1 : 1 + random.upTo(300);
  const plain = randomRtcp(random, source.ssrc);
  const secured = protectRtcp(flow.session.rtcp, index, plain, encryptsRtcp(flow.keys));
  return { flow, kind: 'rtcp', plain, secured, source };
}

/** The 31-bit SRTCP index that a packet carries. */
export function srtcpIndex({ session }: Flow, secured: Uint8Array): number {
  const { cipher, mki, tagBytes } = session.rtcp;
  const behind = mki.length + (cipher === 'AEAD_AES_GCM' ? 0 : tagBytes);
  return Buffer.from(secured).readUInt32BE(secured.length - behind - 4) & INDEX_MASK;
}

/**
 * What the oracle makes of a packet that the sender has protected. The SRTCP index is the sender's own, but it must begin at 0 (as RFC
 * 3711 section 3.2.1 says) or 1 (as libsrtp does) and go on by one.
 */
export function expectedFromSender(
  { flow, kind, plain, secured, source }: Exchange,
  sent: Uint8Array,
): Buffer | string {
  if (kind === 'rtp') return secured;
  if (sent.length < plain.length + 4) return 'shorter than SRTCP can be';
  const index = srtcpIndex(flow, sent);
  const isNext = source.sentIndex === null ? index <= 1 : index === source.sentIndex + 1;
  if (!isNext) return `SRTCP index ${index} after ${source.sentIndex}`;
  source.sentIndex = index;
  return protectRtcp(flow.session.rtcp, index, plain, encryptsRtcp(flow.keys));
}
