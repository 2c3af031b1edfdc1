/**
 * SRTP and SRTCP (RFC 3711, 6188, 7714) for any Node service: `import … from 'doubletrack/srtp'`. The kernels are those of the recorder,
 * in WebAssembly; keys and packets stay in its memory.
 */
import { mediaModule } from './core.ts';
import {
  BATCH_PACKETS,
  SRTP_STATUS,
  type SrtpBatchMemory,
  SrtpContexts,
  type SrtpExports,
  SrtpLibraryMemory,
} from './srtp-memory.ts';
import type { SrtpKeys, SrtpSuite } from './srtp-suites.ts';

export { Secret } from '../secret.ts';
export {
  checkSrtpKeys,
  isSrtpSuite,
  SRTP_SUITES,
  type SrtpKeys,
  type SrtpMasterKey,
  type SrtpSuite,
  type SrtpSuiteFacts,
} from './srtp-suites.ts';

export type SrtpErrorCode =
  /** Not RTP or RTCP, or too short to be protected. */
  | 'INVALID'
  /** The tag does not verify (or no key has the packet's MKI). */
  | 'UNAUTHENTICATED'
  /** Authentic, and seen before or too old to tell (RFC 3711 section 3.3.2). Of a sender: the index has been sent. */
  | 'REPLAYED'
  /** The key has protected all the packets that it may (RFC 3711 section 9.2). */
  | 'KEY_EXHAUSTED'
  /** A sender's context keeps four SSRCs: open another context. */
  | 'TOO_MANY_SOURCES';

const REASONS: Record<SrtpErrorCode, string> = {
  INVALID: 'not an RTP or RTCP packet, or too short',
  UNAUTHENTICATED: 'the authentication tag does not verify',
  REPLAYED: 'a packet of that index has been seen, or it is too old to tell',
  KEY_EXHAUSTED: 'the key has protected as many packets as it may: use a new one',
  TOO_MANY_SOURCES: 'more SSRCs than a sender can keep apart: open another context',
};

const CODES = new Map<number, SrtpErrorCode>([
  [SRTP_STATUS.invalid, 'INVALID'],
  [SRTP_STATUS.unauthenticated, 'UNAUTHENTICATED'],
  [SRTP_STATUS.replayed, 'REPLAYED'],
  [SRTP_STATUS.keyExhausted, 'KEY_EXHAUSTED'],
  [SRTP_STATUS.tooManySources, 'TOO_MANY_SOURCES'],
]);

export class SrtpError extends Error {
  readonly code: SrtpErrorCode;

  constructor(code: SrtpErrorCode, message = REASONS[code]) {
    super(message);
    this.name = 'SrtpError';
    this.code = code;
  }
}

export interface SrtpOptions {
  /** Contexts that can be open at a time; 64. Memory is taken for all of them, and for two master keys of each. */
  contexts?: number;
  /** Batches that can be made, of 256 packets each; 2. */
  batches?: number;
}

export type SrtpDirection = 'protect' | 'unprotect';

const DEFAULT_CONTEXTS = 64;
const DEFAULT_BATCHES = 2;

/** Contexts over one WebAssembly memory. Not to be shared between threads. */
export class Srtp {
  readonly #memory: SrtpLibraryMemory;
  readonly #wasm: SrtpExports;
  readonly #contexts: SrtpContexts;
  readonly #free: number[];
  /** Rooms for packets: one for single calls of each direction, then the batches. */
  readonly #rooms: number[];
  readonly #single: Record<SrtpDirection, SrtpBatch>;
  #batches = 0;

  constructor({ contexts = DEFAULT_CONTEXTS, batches = DEFAULT_BATCHES }: SrtpOptions = {}) {
    if (!Number.isInteger(contexts) || contexts < 1) throw new RangeError(`${contexts} contexts: at least one`);
    if (!Number.isInteger(batches) || batches < 0) throw new RangeError(`${batches} batches: none or more`);
    this.#rooms = [1, 1, ...new Array<number>(batches).fill(BATCH_PACKETS)];
    this.#memory = new SrtpLibraryMemory(contexts, 2 * contexts, this.#rooms);
    const instance = new WebAssembly.Instance(mediaModule(), { env: { memory: this.#memory.memory } });
    this.#wasm = instance.exports as unknown as SrtpExports;
    this.#wasm.initialise();
    this.#contexts = new SrtpContexts(this.#memory.memory, this.#wasm, this.#memory);
    this.#free = Array.from({ length: contexts }, (_, n) => contexts - 1 - n);
    this.#single = { protect: this.createBatch('protect'), unprotect: this.createBatch('unprotect') };
  }

  /** @throws RangeError for keys that do not fit the suite, or when all contexts are open. */
  openSender(keys: SrtpKeys): SrtpContext {
    return this.#open(keys, 'protect');
  }

  /** @throws RangeError for keys that do not fit the suite, or when all contexts are open. */
  openReceiver(keys: SrtpKeys): SrtpContext {
    return this.#open(keys, 'unprotect');
  }

  /** For contexts of one direction, to be kept and used again. @throws RangeError when all batches have been made. */
  createBatch(direction: SrtpDirection): SrtpBatch {
    const number = this.#batches;
    if (number === this.#rooms.length) throw new RangeError('all batches have been made: use them again');
    this.#batches += 1;
    return new SrtpBatch(this, this.#memory.batch(number, this.#rooms), this.#wasm, direction);
  }

  #open(keys: SrtpKeys, direction: SrtpDirection): SrtpContext {
    const number = this.#free.at(-1);
    if (number === undefined) throw new RangeError('all SRTP contexts are open: close some, or make room for more');
    this.#contexts.open(number, keys);
    this.#free.pop();
    return new SrtpContext(this, this.#contexts, number, keys.suite, direction, this.#single[direction], () =>
      this.#free.push(number),
    );
  }
}

/** One direction of one SRTP session. Up to four SSRCs are told apart in it; a receiver forgets the one not heard for longest. */
export class SrtpContext {
  readonly suite: SrtpSuite;
  readonly direction: SrtpDirection;
  readonly owner: Srtp;
  readonly #contexts: SrtpContexts;
  readonly #number: number;
  readonly #single: SrtpBatch;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(
    owner: Srtp,
    contexts: SrtpContexts,
    number: number,
    suite: SrtpSuite,
    direction: SrtpDirection,
    single: SrtpBatch,
    onClose: () => void,
  ) {
    this.owner = owner;
    this.suite = suite;
    this.direction = direction;
    this.#contexts = contexts;
    this.#number = number;
    this.#single = single;
    this.#onClose = onClose;
  }

  /** Where the context lies. @throws Error when it is closed */
  get address(): number {
    if (this.#isClosed) throw new Error('the SRTP context is closed');
    return this.#contexts.addressOf(this.#number);
  }

  /** Packets whose ROC was not the expected one and was found: the receiver came late, or much was lost. */
  get rocFound(): number {
    return this.#contexts.rocFound(this.#number);
  }

  /**
   * Protects (a sender's) or unprotects (a receiver's context) one RTP packet (RFC 3711 section 3.3, RFC 7714 section 8). The result
   * is a copy.
   * @throws SrtpError
   */
  rtp(packet: Uint8Array): Buffer {
    return this.#one('rtp', packet);
  }

  /** The same for a compound RTCP packet (RFC 3711 section 3.4, RFC 7714 section 9). @throws SrtpError */
  rtcp(packet: Uint8Array): Buffer {
    return this.#one('rtcp', packet);
  }

  /**
   * New keys. What has been received stays known, and the ROC goes on (RFC 3711 section 3.3.1). A receiver takes packets under the keys
   * before, too, until it is told to forget them.
   * @throws RangeError
   */
  rekey(keys: SrtpKeys): void {
    if (this.#isClosed) throw new Error('the SRTP context is closed');
    this.#contexts.rekey(this.#number, keys);
    if (this.direction === 'protect') this.forgetPreviousKeys();
  }

  /** Overwrites the keys before the last change. */
  forgetPreviousKeys(): void {
    this.#contexts.forgetPreviousKeys(this.#number);
  }

  /**
   * Of a receiver: a source may begin again at a ROC of 0 with the same SSRC and keys, as some do after hold or a re-INVITE. Good for
   * the next packet that verifies so, once: without that, who has recorded old packets could send them again.
   */
  allowRocReset(): void {
    this.#contexts.allowRocReset(this.#number);
  }

  /** Overwrites the keys. Without effect the second time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#contexts.close(this.#number);
    this.#onClose();
  }

  #one(kind: 'rtp' | 'rtcp', packet: Uint8Array): Buffer {
    const batch = this.#single;
    batch.clear();
    batch.add(this, kind, packet);
    batch.run();
    const error = batch.error(0);
    if (error) throw new SrtpError(error);
    return batch.copy(0);
  }
}

/** Up to 256 packets that are worked on together, which is what makes the kernels fast. */
export class SrtpBatch {
  readonly #owner: Srtp;
  readonly #memory: SrtpBatchMemory;
  readonly #wasm: SrtpExports;
  readonly #direction: SrtpDirection;
  #length = 0;

  /** Made by {@link Srtp.createBatch}. */
  constructor(owner: Srtp, memory: SrtpBatchMemory, wasm: SrtpExports, direction: SrtpDirection) {
    this.#owner = owner;
    this.#memory = memory;
    this.#wasm = wasm;
    this.#direction = direction;
  }

  get length(): number {
    return this.#length;
  }

  /** Copies the packet in. @returns its number. @throws RangeError when the batch is full or the context is not for it. */
  add(context: SrtpContext, kind: 'rtp' | 'rtcp', packet: Uint8Array): number {
    if (context.owner !== this.#owner || context.direction !== this.#direction) {
      throw new RangeError(`the context is not one to ${this.#direction} with in this batch`);
    }
    if (this.#length === BATCH_PACKETS) throw new RangeError(`a batch takes ${BATCH_PACKETS} packets`);
    this.#memory.describe(this.#length, context.address, kind === 'rtcp', packet);
    return this.#length++;
  }

  /** Works on all that have been added. */
  run(): void {
    if (this.#direction === 'protect') this.#wasm.srtpProtect(this.#memory.worksAt, this.#length);
    else this.#wasm.srtpUnprotect(this.#memory.worksAt, this.#length, performance.now() * 1000);
  }

  /** Why the n-th packet is refused; null: it went well. */
  error(n: number): SrtpErrorCode | null {
    return CODES.get(this.#memory.status(n)) ?? null;
  }

  /** What became of the n-th packet: a view into WebAssembly memory that is valid until the next `add` after `clear`. */
  packet(n: number): Uint8Array {
    return this.#memory.packet(n);
  }

  /** A copy of the n-th packet. */
  copy(n: number): Buffer {
    return this.#memory.copy(n);
  }

  clear(): void {
    this.#length = 0;
  }
}
