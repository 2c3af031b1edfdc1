/** One instance of the WebAssembly media core over one lane memory. The same in a lane, offline and in benchmarks. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createLaneMemory, LaneMemory, MAX_NOTE_BYTES } from './memory.ts';
import { type MixerExports, MixerMemory } from './mixer-memory.ts';
import { type PlayerExports, PlayerMemory } from './player-memory.ts';
import { selfTest } from './self-test.ts';
import { SinkMemory } from './sink-memory.ts';
import { LaneSrtp, type SrtpExports } from './srtp-memory.ts';

export interface CoreExports extends SrtpExports, PlayerExports, MixerExports {
  process(packets: number): void;
  note(recording: number, at: number, bytes: number, nowUs: bigint): number;
  replicate(packets: number, isFirst: number): number;
  openSink(sink: number): void;
  closeSink(sink: number): void;
  linkSource(stream: number): void;
  unlinkSource(stream: number): void;
  setSinkReceiver(sink: number, address: number, rtcpPort: number): void;
  replay(nowUs: bigint, isFirst: number): number;
  beginLookBack(sink: number, lookBackUs: bigint, nowUs: bigint): void;
  endLookBack(sink: number): void;
  forgetLookBack(stream: number): void;
  received(first: number, count: number, socket: number, nowUs: number, aheadUs: number): void;
  countKernelDrops(socket: number, total: number): void;
  declareStreamDrops(stream: number, nowUs: bigint): number;
  flush(monoUs: bigint, wallUs: bigint): number;
  receiverReport(stream: number, to: number, nowUs: bigint, cname: number, cnameBytes: number): number;
  sinkReport(
    sink: number,
    to: number,
    nowUs: bigint,
    wallMs: number,
    cname: number,
    cnameBytes: number,
    isLast: number,
  ): number;
  lost(stream: number): number;
  crc32c(at: number, bytes: number): number;
}

/** Between the name and the report, which SRTP writes a little before. */
const SCRATCH_GAP_BYTES = 32;

let compiled: WebAssembly.Module | null = null;

/** The core's code, compiled and tested once per thread. @throws Error when its kernels give wrong answers here. */
export function mediaModule(): WebAssembly.Module {
  if (!compiled) {
    const module = new WebAssembly.Module(readFileSync(fileURLToPath(import.meta.resolve('#media.wasm'))));
    selfTest(module);
    compiled = module;
  }
  return compiled;
}

export class MediaCore {
  readonly memory: LaneMemory;
  readonly wasm: CoreExports;
  readonly srtp: LaneSrtp;
  readonly sinks: SinkMemory;
  readonly players: PlayerMemory;
  readonly mixers: MixerMemory;

  /** Over fresh memory when none is given; a memory must have one core only at any time. */
  constructor(memory: WebAssembly.Memory = createLaneMemory()) {
    const instance = new WebAssembly.Instance(mediaModule(), { env: { memory } });
    this.wasm = instance.exports as unknown as CoreExports;
    this.memory = new LaneMemory(memory);
    this.wasm.initialise();
    this.srtp = new LaneSrtp(memory, this.wasm);
    this.sinks = new SinkMemory(memory);
    this.players = new PlayerMemory(memory);
    this.mixers = new MixerMemory(memory);
    this.mixers.writeFilters();
  }

  /** @param note UTF-8 JSON. False when the journal has no room for it now. @throws RangeError if it can never fit. */
  note(recording: number, note: Uint8Array, nowUs: bigint): boolean {
    if (note.length > MAX_NOTE_BYTES) throw new RangeError(`a note of ${note.length} bytes: at most ${MAX_NOTE_BYTES}`);
    return this.wasm.note(recording, this.memory.writeScratch(note), note.length, nowUs) === 1;
  }

  /**
   * A receiver report with CNAME (RFC 3550 sections 6.4.2, 6.5.1), as SRTCP if the stream is SRTP; valid until the next use of the
   * core. Null when the key is exhausted.
   */
  receiverReport(stream: number, nowUs: bigint, cname: Uint8Array): Uint8Array | null {
    const at = this.memory.writeScratch(cname);
    const to = (cname.length + SCRATCH_GAP_BYTES) & ~7;
    let bytes = this.wasm.receiverReport(stream, at + to, nowUs, at, cname.length);
    if (this.srtp.isOpen(stream)) bytes = this.srtp.protectRtcp(stream, at + to, bytes);
    return bytes === 0 ? null : this.memory.scratch(to, bytes);
  }

  /** Where the reports of a sink's receiver come from: `address` as 16 bytes; the port 0 when that is not known. */
  setSinkReceiver(sink: number, address: Uint8Array, rtcpPort: number): void {
    this.wasm.setSinkReceiver(sink, this.memory.writeScratch(address), rtcpPort);
  }

  /**
   * A report of a sink to its receiver, `isLast` with BYE, as SRTCP if it has keys; valid until the next use of the core. Null when its key is
   * exhausted, or when it has told nothing that BYE could end.
   */
  sinkReport(sink: number, nowUs: bigint, wallMs: number, cname: Uint8Array, isLast = false): Uint8Array | null {
    const at = this.memory.writeScratch(cname);
    const to = (cname.length + SCRATCH_GAP_BYTES) & ~7;
    const bytes = this.wasm.sinkReport(sink, at + to, nowUs, wallMs, at, cname.length, isLast ? 1 : 0);
    if (bytes === 0) return null;
    const length = this.srtp.protectSinkRtcp(sink, at + to, bytes);
    return length === 0 ? null : this.memory.scratch(to, length);
  }

  /** Blocks of everything journaled since the last flush; valid until the next. */
  flush(monoUs: bigint, wallUs: bigint): Uint8Array {
    return this.memory.blocks(this.wasm.flush(monoUs, wallUs));
  }
}
