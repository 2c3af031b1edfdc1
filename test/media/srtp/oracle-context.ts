/** The surface of `doubletrack/srtp` on the oracle: what it must do about state, written from RFC 3711 section 3.3 with no eye for speed. */
import {
  checkSrtpKeys,
  type SrtpBatch,
  type SrtpContext,
  SrtpError,
  type SrtpErrorCode,
  type SrtpKeys,
} from '../../../src/media/srtp.ts';
import {
  deriveSession,
  protectRtcp,
  protectRtp,
  rtpHeaderBytes,
  type Session,
  unprotectRtcp,
  unprotectRtp,
} from './oracle.ts';

/** What the library and the oracle have in common. */
export interface SrtpLike {
  openSender(keys: SrtpKeys): ContextLike;
  openReceiver(keys: SrtpKeys): ContextLike;
  createBatch(direction: 'protect' | 'unprotect'): BatchLike;
}
export type ContextLike = Pick<SrtpContext, 'suite' | 'rtp' | 'rtcp' | 'allowRocReset' | 'close'>;
export interface BatchLike extends Pick<SrtpBatch, 'length' | 'run' | 'error' | 'packet' | 'clear'> {
  add(context: ContextLike, kind: 'rtp' | 'rtcp', packet: Uint8Array): number;
}

const SEQS = 0x1_0000;
/** RFC 3711 section 3.3.2: at least 64. */
const WINDOW_PACKETS = 128;

/**
 * RFC 3711 section 3.3.1: "the index that is closest, in sequence number sense, to s_l", and ROC 0 for the first packet.
 * @param highest 2^16 * ROC + s_l, null before the first packet.
 */
export function guessIndex(highest: number | null, seq: number): number {
  if (highest === null) return seq;
  const near = highest - (highest % SEQS) + seq;
  if (near - highest > SEQS / 2) return near >= SEQS ? near - SEQS : near;
  return highest - near > SEQS / 2 ? near + SEQS : near;
}

/** RFC 3711 section 3.3.2: what has been received, and how far back that can be told. */
class ReplayList {
  highest: number | null = null;
  readonly #seen = new Set<number>();

  check(index: number): void {
    const isTooOld = this.highest !== null && index <= this.highest - WINDOW_PACKETS;
    if (isTooOld || this.#seen.has(index)) throw new SrtpError('REPLAYED', 'seen before, or too old to tell');
  }

  add(index: number): void {
    this.#seen.add(index);
    this.highest = Math.max(index, this.highest ?? 0);
  }
}

interface Source {
  rtp: ReplayList;
  rtcp: ReplayList;
}

class OracleContext implements ContextLike {
  readonly suite;
  readonly isSender: boolean;
  readonly #keys: SrtpKeys;
  readonly #sessions: Session[];
  readonly #sources = new Map<number, Source>();
  #mayReset = false;

  constructor(keys: SrtpKeys, isSender: boolean) {
    checkSrtpKeys(keys);
    this.suite = keys.suite;
    this.isSender = isSender;
    this.#keys = keys;
    this.#sessions = keys.keys.map(({ keyAndSalt, mki }) =>
      deriveSession({ suite: keys.suite, keyAndSalt: keyAndSalt.reveal(), mki }),
    );
  }

  rtp(packet: Uint8Array): Buffer {
    rtpHeaderBytes(packet); // must be RTP
    const view = Buffer.from(packet);
    const [seq, ssrc] = [view.readUInt16BE(2), view.readUInt32BE(8)];
    const source = this.#source(ssrc);
    const { highest } = source.rtp;
    const index = guessIndex(highest, seq);
    if (!this.isSender && this.#mayReset) return this.#rtpAfterReset(view, source, index, seq, ssrc);
    const converted = this.#convertRtp(view, index);
    this.#commit(ssrc, source, 'rtp', index);
    return converted;
  }

  #rtpAfterReset(packet: Buffer, source: Source, index: number, seq: number, ssrc: number): Buffer {
    try {
      const converted = this.#convertRtp(packet, index);
      this.#commit(ssrc, source, 'rtp', index);
      return converted;
    } catch (error) {
      if (!(error instanceof SrtpError && error.code === 'UNAUTHENTICATED')) throw error;
    }
    const converted = this.#convertRtp(packet, seq);
    this.#mayReset = false;
    this.#sources.set(ssrc, { rtp: new ReplayList(), rtcp: source.rtcp });
    this.#source(ssrc).rtp.add(seq);
    return converted;
  }

  #convertRtp(packet: Buffer, index: number): Buffer {
    const roc = Math.floor(index / SEQS);
    if (this.isSender) return protectRtp(this.#sessions[0]!.rtp, roc, packet);
    return this.#withAnyKey((session) => unprotectRtp(session.rtp, roc, packet));
  }

  rtcp(packet: Uint8Array): Buffer {
    if (packet.length < 8) throw new SrtpError('INVALID', 'not RTCP');
    const ssrc = Buffer.from(packet).readUInt32BE(4);
    const source = this.#source(ssrc);
    if (this.isSender) {
      const index = source.rtcp.highest === null ? 0 : source.rtcp.highest + 1;
      const encrypts = !this.#keys.unencryptedSrtcp && !this.suite.startsWith('NULL');
      const converted = protectRtcp(this.#sessions[0]!.rtcp, index, packet, encrypts);
      this.#commit(ssrc, source, 'rtcp', index);
      return converted;
    }
    const unprotected = this.#withAnyKey((session) => unprotectRtcp(session.rtcp, packet));
    this.#commit(ssrc, source, 'rtcp', unprotected.index);
    return unprotected.packet;
  }

  /** The key with the packet's MKI is the only one whose tag verifies. */
  #withAnyKey<T>(unprotect: (session: Session) => T): T {
    let fault: unknown;
    for (const session of this.#sessions) {
      try {
        return unprotect(session);
      } catch (error) {
        fault = error;
      }
    }
    throw fault;
  }

  #source(ssrc: number): Source {
    return this.#sources.get(ssrc) ?? { rtp: new ReplayList(), rtcp: new ReplayList() };
  }

  /** Only for what has been authenticated. */
  #commit(ssrc: number, source: Source, kind: 'rtp' | 'rtcp', index: number): void {
    source[kind].check(index);
    source[kind].add(index);
    this.#sources.set(ssrc, source);
  }

  allowRocReset(): void {
    this.#mayReset = true;
  }

  close(): void {}
}

class OracleBatch implements BatchLike {
  #jobs: { context: ContextLike; kind: 'rtp' | 'rtcp'; packet: Uint8Array; error: SrtpErrorCode | null }[] = [];

  get length(): number {
    return this.#jobs.length;
  }

  add(context: ContextLike, kind: 'rtp' | 'rtcp', packet: Uint8Array): number {
    return this.#jobs.push({ context, kind, packet, error: null }) - 1;
  }

  run(): void {
    for (const job of this.#jobs) {
      try {
        job.packet = job.context[job.kind](job.packet);
      } catch (error) {
        if (!(error instanceof SrtpError)) throw error;
        job.error = error.code;
      }
    }
  }

  error(n: number): SrtpErrorCode | null {
    return this.#jobs[n]!.error;
  }

  packet(n: number): Uint8Array {
    return this.#jobs[n]!.packet;
  }

  clear(): void {
    this.#jobs = [];
  }
}

export class OracleSrtp implements SrtpLike {
  openSender(keys: SrtpKeys): ContextLike {
    return new OracleContext(keys, true);
  }

  openReceiver(keys: SrtpKeys): ContextLike {
    return new OracleContext(keys, false);
  }

  createBatch(): BatchLike {
    return new OracleBatch();
  }
}
