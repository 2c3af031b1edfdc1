// What the two legs of each call send: synthesised speech, WAV files, or the RTP of captures.

import { readFile } from 'node:fs/promises';
import { type PayloadType, staticPayloadType } from '../../sdp/index.ts';
import { buildPacketLibrary, type PacketLibrary, type SendCodec } from './codecs.ts';
import { derivedSeed, seededRandom } from './random.ts';
import { AudioScript, type CapturedRtp, loadCapturedRtp, ReplayScript } from './scripts.ts';
import type { PacketScript } from './sender.ts';
import { synthesiseSpeech } from './speech.ts';
import { parseWav, resample, type WavAudio } from './wav.ts';

export const PTIME_MS = 20;
/** Length of the synthesised audio, which then repeats. */
const SPEECH_SECONDS = 12;
/** Synthesised voices; calls beyond share them, each from another place on. */
const VOICES = 16;
/** Captures of one call which begin within this time keep their offset to each other. */
const SAME_CALL_MS = 60_000;
/** Where nothing says how long a call lasts. */
const DEFAULT_DURATION_MS = 10_000;

export interface MediaRequest {
  codec: SendCodec;
  /** WAV files for the two parties; one with two channels serves both. */
  audio?: readonly string[];
  /** Captures for the two parties. */
  pcap?: readonly string[];
  durationMs?: number;
  seed: number;
  /** How many calls there will be. */
  calls?: number;
}

/** Makes the packet scripts of every leg of a run. */
export interface MediaSource {
  /** What the offer names, per leg. */
  payloadTypes(leg: number): PayloadType[];
  script(call: number, leg: number): PacketScript;
}

/**
 * Loads or synthesises what is to be sent.
 * @throws WavError, ReplayError, or the file system's error
 */
export async function openMediaSource(request: MediaRequest): Promise<MediaSource> {
  if (request.pcap !== undefined && request.pcap.length > 0) return openReplay(request);
  if (request.audio !== undefined && request.audio.length > 0) return openAudio(request, request.audio);
  const { codec, seed } = request;
  const sampleRate = codec.payloadType.clockRate;
  // Before the first call: a voice takes milliseconds to make, which would show in the set-up times.
  const voices = Array.from({ length: Math.min(VOICES, 2 * (request.calls ?? VOICES)) }, (_, voice) =>
    buildPacketLibrary(synthesiseSpeech({ seed, voice, sampleRate, seconds: SPEECH_SECONDS }), codec, PTIME_MS),
  );
  return audioSource(request, (call, leg) => voices[(2 * call + leg) % voices.length]!);
}

async function openAudio(request: MediaRequest, paths: readonly string[]): Promise<MediaSource> {
  const files = await Promise.all(paths.map(async (path) => readWav(path)));
  const rate = request.codec.payloadType.clockRate;
  const legs = [0, 1].map((leg) => {
    const file = files[leg] ?? files[0]!;
    const samples = files.length > 1 ? file.channels[0]! : (file.channels[leg] ?? file.channels[0]!);
    return buildPacketLibrary(resample(samples, file.sampleRate, rate), request.codec, PTIME_MS);
  });
  const longestMs = Math.max(...legs.map((library) => library.packets.length * PTIME_MS));
  const durationMs = request.durationMs ?? longestMs;
  return audioSource({ ...request, durationMs }, (_call, leg) => legs[leg]!, true);
}

async function readWav(path: string): Promise<WavAudio> {
  try {
    return parseWav(await readFile(path));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

function audioSource(
  request: MediaRequest,
  library: (call: number, leg: number) => PacketLibrary,
  fromStart = false,
): MediaSource {
  const count = Math.max(1, Math.round((request.durationMs ?? DEFAULT_DURATION_MS) / PTIME_MS));
  return {
    payloadTypes: () => [request.codec.payloadType],
    script(call, leg) {
      const audio = library(call, leg);
      const random = seededRandom(derivedSeed(request.seed, call, leg, 0x55c));
      const number = (below: number) => Math.floor(random() * below);
      const at = { ssrc: number(2 ** 32), seq: number(2 ** 16), timestamp: number(2 ** 32), packet: 0 };
      // A conversation keeps its turns: both legs begin at the same place.
      if (!fromStart) at.packet = derivedSeed(request.seed, call) >>> 0;
      return new AudioScript(audio, count, at);
    },
  };
}

async function openReplay(request: MediaRequest): Promise<MediaSource> {
  const captures = await Promise.all(request.pcap!.map((path) => loadCapturedRtp(path)));
  const legs = [captures[0]!, captures[1] ?? captures[0]!];
  alignStarts(legs);
  const types = legs.map((captured) => replayPayloadType(captured, request.codec));
  return {
    payloadTypes: (leg) => [types[leg]!],
    script: (_call, leg) => new ReplayScript(cut(legs[leg]!, request.durationMs), types[leg]!.clockRate),
  };
}

function alignStarts(legs: CapturedRtp[]): void {
  const starts = legs.map((captured) => captured.startMs);
  const first = Math.min(...starts);
  if (legs[0] === legs[1] || Math.max(...starts) - first > SAME_CALL_MS) return;
  for (const captured of legs) {
    captured.offsetsMs = captured.offsetsMs.map((offset) => offset + captured.startMs - first);
  }
}

// A dynamic number says nothing without its signalling: then it is the codec asked for.
function replayPayloadType(captured: CapturedRtp, codec: SendCodec): PayloadType {
  const known = staticPayloadType(captured.payloadType);
  return known ?? { ...codec.payloadType, payloadType: captured.payloadType };
}

function cut(captured: CapturedRtp, durationMs: number | undefined): CapturedRtp {
  if (durationMs === undefined) return captured;
  const count = Math.max(1, captured.offsetsMs.findLastIndex((offset) => offset < durationMs) + 1);
  return { ...captured, packets: captured.packets.slice(0, count), offsetsMs: captured.offsetsMs.slice(0, count) };
}
