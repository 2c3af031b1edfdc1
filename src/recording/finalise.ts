/**
 * Makes a recording of a packet file: audio.wav (two channels, 16-bit PCM), manifest.json (with the completeness
 * certificate) and, if wanted, the packets themselves.
 *
 * A function of the packet file alone: doing it again gives the same bytes. Files get their names only when they are
 * whole and durable, the manifest last, so a folder with a manifest is a finished recording. Memory does not grow with
 * the length of the call.
 */

import { copyFile, link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '../journal/index.ts';
import { FinaliserCore } from '../media/render.ts';
import type { Recording } from '../store/recording.ts';
import { buildManifest, type Manifest, manifestText, parseManifest } from './manifest.ts';
import { Mixdown } from './mixdown.ts';
import { digest, type FileDigest, OutputFile, writeDurably } from './output-file.ts';
import { readRecords } from './packet-file.ts';
import { PcapExport } from './pcap.ts';
import { type Scan, scan } from './scan.ts';
import { layOut, type Timeline } from './timeline.ts';
import { wavHeader } from './wav.ts';

export const AUDIO_NAME = 'audio.wav';
export const MANIFEST_NAME = 'manifest.json';
/** The recording's packets, as journalled; what replay starts from. */
export const PACKETS_NAME = 'recording.packets';

export interface FinaliseOptions {
  /** Keep the packets beside the audio; true. */
  keepPackets?: boolean;
}

export type Finalised = Recording & { files: Record<string, FileDigest> };

/**
 * Finalises `packetFile` into the folder `outDir`. The packet file itself stays where it is: it may go when whoever
 * asked for this has recorded the result. Rejects with the system's error, or if the file holds no block at all.
 */
export function finalise(packetFile: string, outDir: string, o: FinaliseOptions = {}): Promise<Finalised> {
  return FinaliserCore.use((core) => finaliseWith(core, packetFile, outDir, o));
}

async function finaliseWith(
  core: FinaliserCore,
  packetFile: string,
  outDir: string,
  o: FinaliseOptions,
): Promise<Finalised> {
  const scanned = await scan(core, packetFile);
  if (scanned.recordingId === '') throw new Error(`no journal block in ${packetFile}`);
  const timeline = layOut(scanned);
  const manifest = buildManifest(scanned, timeline);
  await mkdir(outDir, { recursive: true });
  await renderFiles({ core, scanned, timeline, manifest, packetFile, outDir });
  if (o.keepPackets ?? true) manifest.files[PACKETS_NAME] = await keepPackets(packetFile, outDir);
  await writeDurably(path.join(outDir, MANIFEST_NAME), manifestText(manifest));
  await syncFolder(path.dirname(path.resolve(outDir)));
  return { ...manifest.recording, files: manifest.files };
}

interface Work {
  core: FinaliserCore;
  scanned: Scan;
  timeline: Timeline;
  manifest: Manifest;
  packetFile: string;
  outDir: string;
}

/** The second reading of the packets: audio, and captures of what is not audio. */
async function renderFiles({ core, scanned, timeline, manifest, packetFile, outDir }: Work): Promise<void> {
  const audio = await OutputFile.create(path.join(outDir, AUDIO_NAME));
  let pcap: PcapExport | null = null;
  try {
    await audio.write(wavHeader(timeline.rateHz, timeline.frames));
    const mixdown = new Mixdown(core, scanned, timeline, audio);
    const captures = await PcapExport.create(core, scanned, outDir);
    pcap = captures;
    await readRecords(core, packetFile, (word, double, header) => {
      const audible = mixdown.record(word);
      const captured = captures.record(word, double, header);
      return audible && captured ? Promise.all([audible, captured]).then(() => undefined) : (audible ?? captured);
    });
    await mixdown.finish();
    manifest.files[AUDIO_NAME] = await audio.finish();
    for (const [name, found] of await captures.finish()) manifest.files[name] = found;
  } catch (error) {
    await audio.discard();
    await pcap?.discard();
    throw error;
  }
}

/** A second name for the packet file where the file system has that, else a copy. */
async function keepPackets(packetFile: string, outDir: string): Promise<FileDigest> {
  const kept = path.join(outDir, PACKETS_NAME);
  if (path.resolve(kept) !== path.resolve(packetFile)) {
    await unlink(kept).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await link(packetFile, kept).catch(() => copyFile(packetFile, kept));
    const file = await open(kept, 'r');
    await file.datasync().finally(() => file.close());
  }
  return await digest(kept);
}

/** The manifest of a finished recording. Rejects if there is none, or it is not what its own digest says. */
export async function readManifest(dir: string): Promise<Manifest> {
  return parseManifest(await readFile(path.join(dir, MANIFEST_NAME), 'utf8'));
}
