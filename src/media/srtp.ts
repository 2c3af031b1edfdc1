/**
 * SRTP and SRTCP (RFC 3711, 6188, 7714) for any Node service: `import … from 'doubletrack/srtp'`. The kernels are those of the recorder,
 * in WebAssembly; keys and packets stay in its memory.
 */
import { Secret } from '../secret.ts';
import { SRTP_SUITES, type SrtpKeys, type SrtpSuite } from './srtp-suites.ts';

export { checkSrtpKeys, isSrtpSuite, type SrtpMasterKey, type SrtpSuiteFacts } from './srtp-suites.ts';
export { Secret, SRTP_SUITES, type SrtpKeys, type SrtpSuite };

export type SrtpErrorCode =
  /** Not RTP or RTCP, or too short to be protected. */
  | 'INVALID'
  /** The tag does not verify (or no key has the packet's MKI). */
  | 'UNAUTHENTICATED'
  /** Authentic, and seen before or too old to tell (RFC 3711 section 3.3.2). */
  | 'REPLAYED'
  /** The key has protected all the packets that it may (RFC 3711 section 9.2). */
  | 'KEY_EXHAUSTED';

export class SrtpError extends Error {
  readonly code: SrtpErrorCode;

  constructor(code: SrtpErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface SrtpOptions {
  /** Contexts that can be open at a time; 64. Memory is taken for all of them. */
  contexts?: number;
}

/** Contexts over one WebAssembly memory. Not to be shared between threads. */
export class Srtp {
  constructor(_options: SrtpOptions = {}) {}

  /** @throws RangeError for keys that do not fit the suite, or when all contexts are open. */
  openSender(_keys: SrtpKeys): SrtpContext {
    throw new Error('to be written');
  }

  openReceiver(_keys: SrtpKeys): SrtpContext {
    throw new Error('to be written');
  }

  /** A batch of one direction: `protect` for senders' contexts, `unprotect` for receivers'. */
  createBatch(_direction: 'protect' | 'unprotect'): SrtpBatch {
    throw new Error('to be written');
  }
}

/** One direction of one SRTP session; SSRCs are told apart within it. */
export interface SrtpContext {
  readonly suite: SrtpSuite;
  /**
   * Protects (a sender's) or unprotects (a receiver's context) one packet. The result is a copy.
   * @throws SrtpError
   */
  rtp(packet: Uint8Array): Uint8Array;
  rtcp(packet: Uint8Array): Uint8Array;
  /**
   * Of a receiver: the peer may begin again at a ROC of 0 with the same SSRC and keys, as some do after hold or a re-INVITE. Good for the
   * next packet that authenticates so, once.
   */
  allowRocReset(): void;
  /** Overwrites the keys. Without effect the second time. */
  close(): void;
}

/** Up to 256 packets that are worked on together, which is what makes the kernels fast. */
export interface SrtpBatch {
  readonly length: number;
  /** Copies the packet in. @returns its number. @throws RangeError when the batch is full or the context is of the other direction. */
  add(context: SrtpContext, kind: 'rtp' | 'rtcp', packet: Uint8Array): number;
  /** Works on all that have been added. */
  run(): void;
  /** null: it went well. */
  error(n: number): SrtpErrorCode | null;
  /** The n-th packet, a view into WebAssembly memory that is valid until `clear`. */
  packet(n: number): Uint8Array;
  clear(): void;
}
