/**
 * Packets of streams that cannot be decoded, as a pcap file per stream: any analyser takes them from there.
 */

import { isIPv6 } from 'node:net';
import path from 'node:path';
import { pcapFileHeader, pcapRecord } from '../capture/index.ts';
import { KIND_RTP } from '../journal/format.ts';
import type { BlockHeader } from '../journal/index.ts';
import { ENTRY, type FinaliserCore } from '../media/render.ts';
import { type FileDigest, OutputFile } from './output-file.ts';
import type { Scan, ScannedStream } from './scan.ts';

/** This side of the flow: the journal does not know which address the packets were sent to (RFC 5737, RFC 3849). */
const HERE_V4 = '192.0.2.1';
const HERE_V6 = '2001:db8::1';
const HERE_PORT = 5004;
const FLUSH_BYTES = 256 * 1024;

interface Export {
  name: string;
  file: OutputFile;
  source: { address: string; port: number };
  parts: Uint8Array[];
  bytes: number;
}

export class PcapExport {
  readonly #core: FinaliserCore;
  readonly #exports = new Map<number, Export>();

  private constructor(core: FinaliserCore) {
    this.#core = core;
  }

  /** One file for each stream with packets that no decoder takes; none is the common case. */
  static async create(core: FinaliserCore, scan: Scan, dir: string): Promise<PcapExport> {
    const pcap = new PcapExport(core);
    for (const stream of scan.streams) {
      if (stream.undecodablePackets === 0) continue;
      const name = pcapName(stream);
      const file = await OutputFile.create(path.join(dir, name));
      const address = stream.noted.remote?.address ?? '192.0.2.2';
      const source = { address, port: stream.noted.remote?.rtpPort ?? HERE_PORT };
      pcap.#exports.set(stream.noted.index, { name, file, source, parts: [pcapFileHeader()], bytes: 0 });
    }
    return pcap;
  }

  record(word: number, double: number, header: BlockHeader): Promise<void> | null {
    if (this.#exports.size === 0) return null;
    const { words, doubles, bytes } = this.#core;
    if (words[word + ENTRY.kind] !== KIND_RTP) return null;
    const target = this.#exports.get(words[word + ENTRY.stream] as number);
    if (!target) return null;
    const at = words[word + ENTRY.payloadAt] as number;
    const packet = bytes.slice(at, at + (words[word + ENTRY.payloadBytes] as number));
    const wallUs = Math.max(0, header.wallUs - header.monoUs + (doubles[double + ENTRY.arrivalUs] as number));
    const here = { address: isIPv6(target.source.address) ? HERE_V6 : HERE_V4, port: HERE_PORT };
    try {
      const record = pcapRecord(wallUs, target.source, here, packet);
      target.parts.push(record);
      target.bytes += record.length;
    } catch {
      return null; // a packet longer than a datagram can be: the journal has it
    }
    return target.bytes >= FLUSH_BYTES ? flush(target) : null;
  }

  async finish(): Promise<Map<string, FileDigest>> {
    const digests = new Map<string, FileDigest>();
    for (const target of this.#exports.values()) {
      await flush(target);
      digests.set(target.name, await target.file.finish());
    }
    return digests;
  }

  async discard(): Promise<void> {
    for (const { file } of this.#exports.values()) await file.discard();
  }
}

function pcapName(stream: ScannedStream): string {
  return `stream-${stream.noted.index}.pcap`;
}

async function flush(target: Export): Promise<void> {
  await target.file.write(Buffer.concat(target.parts));
  target.parts = [];
  target.bytes = 0;
}
