/**
 * SRTP contexts in a memory of the media core, and the packets that are protected or unprotected in it: a lane's, or one of the
 * library's own.
 */
import * as layout from '../../assembly/layout.ts';
import { checkSrtpKeys, SRTP_SUITES, type SrtpKeys, type StreamSrtp } from './srtp-suites.ts';

export { BATCH_PACKETS } from '../../assembly/layout.ts';

const PAGE_BYTES = 65_536;
const CIPHERS = { NULL: layout.CIPHER_NULL, AES_CM: layout.CIPHER_AES_CM, AEAD_AES_GCM: layout.CIPHER_AES_GCM };
/** Where master key, master salt and MKI are handed over: the core overwrites keys when it has derived from them. */
const MASTER_KEY_AT = layout.SRTP_PLAIN_AT;
const MASTER_SALT_AT = MASTER_KEY_AT + 32;
const MKI_AT = MASTER_SALT_AT + 16;

export interface SrtpExports {
  initialise(): void;
  srtpOpen(context: number, firstRtcpIndex: number): void;
  srtpRekey(
    context: number,
    cipher: number,
    keyBytes: number,
    rtpTagBytes: number,
    rtcpTagBytes: number,
    mkiBytes: number,
    isRtcpEncrypted: number,
  ): void;
  srtpAddKey(
    context: number,
    key: number,
    tables: number,
    masterKey: number,
    keyBytes: number,
    masterSalt: number,
    mki: number,
  ): void;
  srtpForgetPreviousKeys(context: number): void;
  srtpClose(context: number): void;
  srtpProtect(works: number, packets: number): void;
  srtpUnprotect(works: number, packets: number, nowUs: number): void;
}

export const SRTP_STATUS = {
  ok: layout.SRTP_OK,
  invalid: layout.SRTP_INVALID,
  unauthenticated: layout.SRTP_UNAUTHENTICATED,
  replayed: layout.SRTP_REPLAYED,
  keyExhausted: layout.SRTP_KEY_EXHAUSTED,
  tooManySources: layout.SRTP_TOO_MANY_SOURCES,
} as const;

export class NoSrtpRoom extends Error {
  override readonly name = 'NoSrtpRoom';
}

/** Where contexts lie, so many keys, and the tables of those. */
export interface SrtpPlaces {
  readonly contextsAt: number;
  readonly keysAt: number;
  readonly tablesAt: number;
  readonly keys: number;
}

const LANE_PLACES: SrtpPlaces = {
  contextsAt: layout.CONTEXTS_AT,
  keysAt: layout.KEYS_AT,
  tablesAt: layout.KEY_TABLES_AT,
  keys: layout.MAX_KEYS,
};

/** Contexts by number, and the keys that they have. */
export class SrtpContexts {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #wasm: SrtpExports;
  readonly #at: SrtpPlaces;
  /** Of keys that were closed, and the first that never was open. */
  readonly #freeKeys: number[] = [];
  #nextKey = 0;
  readonly #keysOf = new Map<number, number[]>();
  readonly #previousKeysOf = new Map<number, number[]>();
  /** Those that have their place and no keys yet. */
  readonly #underived = new Map<number, { keys: SrtpKeys; firstRtcpIndex: number }>();

  constructor(memory: WebAssembly.Memory, wasm: SrtpExports, at: SrtpPlaces) {
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#wasm = wasm;
    this.#at = at;
  }

  isOpen(context: number): boolean {
    return this.#keysOf.has(context);
  }

  addressOf(context: number): number {
    return this.#at.contextsAt + context * layout.CONTEXT_BYTES;
  }

  /** @throws RangeError for keys that do not fit their suite. @throws NoSrtpRoom */
  open(context: number, keys: SrtpKeys, firstRtcpIndex = 0): void {
    this.openLater(context, keys, firstRtcpIndex);
    this.derive(context);
  }

  /** As `open`, but its keys are derived by `derive` only: that takes most of the time. */
  openLater(context: number, keys: SrtpKeys, firstRtcpIndex: number): void {
    checkSrtpKeys(keys);
    this.#reserve(context, keys);
    this.#underived.set(context, { keys, firstRtcpIndex });
  }

  /** Before it is used for the first time; without effect later. */
  derive(context: number): void {
    const underived = this.#underived.get(context);
    if (!underived) return;
    this.#underived.delete(context);
    this.#wasm.srtpOpen(this.addressOf(context), underived.firstRtcpIndex);
    this.#wasm.srtpRekey(this.addressOf(context), ...parametersOf(underived.keys));
    this.#addKeys(context, underived.keys);
  }

  /**
   * New keys; sources, their indices and what they have sent stay known (RFC 3711 section 3.3.1). Packets under the keys before are
   * taken until `forgetPreviousKeys`, if they are laid out alike. @throws as `open`
   */
  rekey(context: number, keys: SrtpKeys): void {
    checkSrtpKeys(keys);
    this.derive(context);
    this.forgetPreviousKeys(context);
    const before = this.#keysOf.get(context) ?? [];
    this.#reserve(context, keys);
    this.#previousKeysOf.set(context, before);
    this.#wasm.srtpRekey(this.addressOf(context), ...parametersOf(keys));
    this.#addKeys(context, keys);
  }

  forgetPreviousKeys(context: number): void {
    this.#wasm.srtpForgetPreviousKeys(this.addressOf(context));
    this.#freeKeys.push(...(this.#previousKeysOf.get(context) ?? []));
    this.#previousKeysOf.delete(context);
  }

  close(context: number): void {
    this.#underived.delete(context);
    this.forgetPreviousKeys(context);
    this.#wasm.srtpClose(this.addressOf(context));
    this.#freeKeys.push(...(this.#keysOf.get(context) ?? []));
    this.#keysOf.delete(context);
  }

  allowRocReset(context: number): void {
    this.#view.setUint32(this.addressOf(context) + layout.CONTEXT_ROC_RESET_AT, 1, true);
  }

  /** Packets whose ROC was not the expected one, and was found. */
  rocFound(context: number): number {
    return this.#view.getUint32(this.addressOf(context) + layout.CONTEXT_ROC_FOUND_AT, true);
  }

  /** As many places as there are master keys. */
  #reserve(context: number, { keys }: SrtpKeys): void {
    const room = this.#freeKeys.length + this.#at.keys - this.#nextKey;
    if (room < keys.length) throw new NoSrtpRoom('no room for more SRTP keys');
    this.#keysOf.set(
      context,
      keys.map(() => this.#freeKeys.pop() ?? this.#nextKey++),
    );
  }

  #addKeys(context: number, { suite, keys }: SrtpKeys): void {
    const { masterKeyBytes, masterSaltBytes } = SRTP_SUITES[suite];
    for (const [n, { keyAndSalt, mki }] of keys.entries()) {
      const secret = keyAndSalt.reveal();
      this.#bytes.set(secret.subarray(0, masterKeyBytes), MASTER_KEY_AT);
      this.#bytes.fill(0, MASTER_SALT_AT, MASTER_SALT_AT + 16);
      this.#bytes.set(secret.subarray(masterKeyBytes, masterKeyBytes + masterSaltBytes), MASTER_SALT_AT);
      if (mki) this.#bytes.set(mki, MKI_AT);
      const place = this.#keysOf.get(context)![n]!;
      const key = this.#at.keysAt + place * layout.SRTP_KEY_BYTES;
      const tables = this.#at.tablesAt + place * layout.SRTP_KEY_TABLES_BYTES;
      const address = this.addressOf(context);
      this.#wasm.srtpAddKey(address, key, tables, MASTER_KEY_AT, masterKeyBytes, MASTER_SALT_AT, MKI_AT);
    }
  }
}

function parametersOf({
  suite,
  keys,
  unencryptedSrtcp = false,
}: SrtpKeys): [number, number, number, number, number, number] {
  const { cipher, masterKeyBytes, rtpTagBytes, rtcpTagBytes } = SRTP_SUITES[suite];
  const isRtcpEncrypted = !unencryptedSrtcp && cipher !== 'NULL';
  const mkiBytes = keys[0]?.mki?.length ?? 0;
  return [CIPHERS[cipher], masterKeyBytes, rtpTagBytes, rtcpTagBytes, mkiBytes, isRtcpEncrypted ? 1 : 0];
}

/** The contexts of a lane: for each stream one to receive with, and one to send with if it reports back. */
export class LaneSrtp {
  readonly #contexts: SrtpContexts;
  readonly #view: DataView;
  readonly #wasm: SrtpExports;

  constructor(memory: WebAssembly.Memory, wasm: SrtpExports) {
    this.#view = new DataView(memory.buffer);
    this.#wasm = wasm;
    this.#contexts = new SrtpContexts(memory, wasm, LANE_PLACES);
  }

  /** A stream that nobody answers: of a capture. Open already, it gets other keys. @throws RangeError, NoSrtpRoom */
  receiveOnly(stream: number, keys: SrtpKeys): void {
    if (this.#contexts.isOpen(stream)) this.#contexts.rekey(stream, keys);
    else this.#contexts.open(stream, keys);
  }

  /** @param firstRtcpIndex above all that reports have been sent with under these keys. @throws RangeError, NoSrtpRoom */
  open(stream: number, { receive, send }: StreamSrtp, firstRtcpIndex: number): void {
    this.#contexts.open(stream, receive);
    try {
      this.#contexts.openLater(sendContext(stream), send, firstRtcpIndex);
    } catch (error) {
      this.#contexts.close(stream);
      throw error;
    }
  }

  /** After a new offer: other keys, or the same ones, under which the peer may begin again. */
  update(stream: number, { receive, send }: StreamSrtp, changed: { receive: boolean; send: boolean }): void {
    if (changed.receive) this.#contexts.rekey(stream, receive);
    if (changed.send) {
      this.#contexts.rekey(sendContext(stream), send);
      this.#contexts.forgetPreviousKeys(sendContext(stream));
    }
    this.#contexts.allowRocReset(stream);
  }

  /** What was sent before the keys changed has arrived by now. */
  forgetPreviousKeys(stream: number): void {
    if (this.#contexts.isOpen(stream)) this.#contexts.forgetPreviousKeys(stream);
  }

  close(stream: number): void {
    for (const context of [stream, sendContext(stream)]) {
      if (this.#contexts.isOpen(context)) this.#contexts.close(context);
    }
  }

  isOpen(stream: number): boolean {
    return this.#contexts.isOpen(stream);
  }

  /** A sink's own keys, and those that its receiver reports under if they are known. @throws RangeError, NoSrtpRoom */
  openSink(sink: number, keys: SrtpKeys, reportKeys: SrtpKeys | null = null): void {
    this.#contexts.open(layout.SINK_CONTEXTS + sink, keys);
    if (!reportKeys) return;
    try {
      this.#contexts.open(layout.SINK_REPORT_CONTEXTS + sink, reportKeys);
    } catch (error) {
      this.closeSink(sink);
      throw error;
    }
  }

  closeSink(sink: number): void {
    for (const context of [layout.SINK_CONTEXTS + sink, layout.SINK_REPORT_CONTEXTS + sink]) {
      if (this.#contexts.isOpen(context)) this.#contexts.close(context);
    }
  }

  /** As `protectRtcp`, for a sink; what has no keys stays as it is. */
  protectSinkRtcp(sink: number, at: number, bytes: number): number {
    const context = layout.SINK_CONTEXTS + sink;
    return this.#contexts.isOpen(context) ? this.#protectRtcp(context, at, bytes) : bytes;
  }

  /** Protects an RTCP packet where it lies, with room behind it. @returns its new length; 0 when it must not be sent. */
  protectRtcp(stream: number, at: number, bytes: number): number {
    return this.#protectRtcp(sendContext(stream), at, bytes);
  }

  #protectRtcp(context: number, at: number, bytes: number): number {
    this.#contexts.derive(context);
    this.#view.setUint32(layout.WORK_AT + layout.WORK_CONTEXT_AT, this.#contexts.addressOf(context), true);
    this.#view.setUint32(layout.WORK_AT + layout.WORK_PACKET_AT, at, true);
    this.#view.setUint32(layout.WORK_AT + layout.WORK_LENGTH_AT, bytes, true);
    this.#view.setUint32(layout.WORK_AT + layout.WORK_CHANNEL_AT, layout.CHANNEL_RTCP, true);
    this.#wasm.srtpProtect(layout.WORK_AT, 1);
    const status = this.#view.getUint32(layout.WORK_AT + layout.WORK_STATUS_AT, true);
    return status === layout.SRTP_OK ? this.#view.getUint32(layout.WORK_AT + layout.WORK_LENGTH_AT, true) : 0;
  }
}

function sendContext(stream: number): number {
  return layout.MAX_STREAMS + stream;
}

/** A memory for contexts alone: constants, contexts, keys, and batches of packets. */
export class SrtpLibraryMemory implements SrtpPlaces {
  readonly memory: WebAssembly.Memory;
  readonly contextsAt: number;
  readonly keysAt: number;
  readonly tablesAt: number;
  readonly keys: number;
  readonly #batchesAt: number;

  /** `batches`: how many packets each of them has room for. */
  constructor(contexts: number, keys: number, batches: number[]) {
    this.keys = keys;
    this.contextsAt = PAGE_BYTES;
    this.keysAt = roundUp(this.contextsAt + contexts * layout.CONTEXT_BYTES, 64);
    this.tablesAt = roundUp(this.keysAt + keys * layout.SRTP_KEY_BYTES, 64);
    this.#batchesAt = roundUp(this.tablesAt + keys * layout.SRTP_KEY_TABLES_BYTES, 64);
    const bytes = this.#batchesAt + batches.reduce((sum, packets) => sum + batchBytes(packets), 0);
    const pages = Math.ceil(bytes / PAGE_BYTES);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  }

  /** The n-th batch of those that the constructor was told of. */
  batch(n: number, batches: number[]): SrtpBatchMemory {
    const at = batches.slice(0, n).reduce((sum, packets) => sum + batchBytes(packets), this.#batchesAt);
    return new SrtpBatchMemory(this.memory, at, batches[n]!);
  }
}

/** Packets of a batch: what is to be done with each, then a slot for each. */
export class SrtpBatchMemory {
  readonly worksAt: number;
  readonly #slotsAt: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(memory: WebAssembly.Memory, at: number, packets: number) {
    this.worksAt = at;
    this.#slotsAt = roundUp(at + packets * layout.WORK_BYTES, 64);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** Copies a packet into slot n and describes it. Longer ones than a datagram can be here become empty, and so invalid. */
  describe(n: number, context: number, isRtcp: boolean, packet: Uint8Array): void {
    const at = this.worksAt + n * layout.WORK_BYTES;
    const packetAt = this.#slotsAt + n * layout.SLOT_BYTES + layout.SLOT_HEADROOM_BYTES;
    const length = packet.length > layout.MAX_DATAGRAM_BYTES ? 0 : packet.length;
    if (length > 0) this.#bytes.set(packet, packetAt);
    this.#view.setUint32(at + layout.WORK_CONTEXT_AT, context, true);
    this.#view.setUint32(at + layout.WORK_PACKET_AT, packetAt, true);
    this.#view.setUint32(at + layout.WORK_LENGTH_AT, length, true);
    this.#view.setUint32(at + layout.WORK_CHANNEL_AT, isRtcp ? layout.CHANNEL_RTCP : layout.CHANNEL_RTP, true);
    this.#view.setUint32(at + layout.WORK_SEALED_AT, 0, true);
  }

  status(n: number): number {
    return this.#view.getUint32(this.worksAt + n * layout.WORK_BYTES + layout.WORK_STATUS_AT, true);
  }

  /** What became of the n-th packet: a view. */
  packet(n: number): Uint8Array {
    const [from, to] = this.#bounds(n);
    return this.#bytes.subarray(from, to);
  }

  /** A copy, from the pool of small buffers. */
  copy(n: number): Buffer {
    return Buffer.from(this.packet(n));
  }

  #bounds(n: number): [from: number, to: number] {
    const at = this.worksAt + n * layout.WORK_BYTES;
    const from = this.#view.getUint32(at + layout.WORK_PACKET_AT, true);
    return [from, from + this.#view.getUint32(at + layout.WORK_LENGTH_AT, true)];
  }
}

function batchBytes(packets: number): number {
  return roundUp(packets * layout.WORK_BYTES, 64) + packets * layout.SLOT_BYTES;
}

function roundUp(bytes: number, to: number): number {
  return Math.ceil(bytes / to) * to;
}
