// Audio that behaves like a telephone conversation without being anyone's voice: syllables with a pitch contour and two
// formants, words, pauses, and turns, so that one party talks while the other mostly listens.
//
// Everything comes from the seed and the sample index: the same request gives the same samples on every machine.

import { derivedSeed, seededRandom } from './random.ts';

export interface SpeechRequest {
  seed: number;
  /** 0 talks first, 1 answers; other numbers are further voices of the same two habits. */
  voice: number;
  sampleRate: number;
  seconds: number;
}

const TURN_SECONDS = 3;
const PEAK = 9000;

/** Synthesises the voice, 16-bit samples. The end fits the beginning: it may be played in a loop. */
export function synthesiseSpeech(request: SpeechRequest): Int16Array {
  const { sampleRate, seconds, voice } = request;
  const random = seededRandom(derivedSeed(request.seed, voice, 0x5eec));
  const samples = new Int16Array(Math.round(seconds * sampleRate));
  const pitchHz = (voice % 2 === 0 ? 105 : 185) * (0.9 + 0.3 * random());
  for (let turn = voice % 2; turn * TURN_SECONDS < seconds; turn += 2) {
    let at = turn * TURN_SECONDS + 0.1;
    const end = Math.min((turn + 1) * TURN_SECONDS, seconds) - 0.1;
    while (at < end) {
      const syllables = 1 + Math.floor(random() * 4);
      for (let i = 0; i < syllables && at < end; i++) {
        const length = Math.min(0.09 + 0.14 * random(), end - at);
        syllable(samples, sampleRate, at, length, pitchHz * (0.85 + 0.4 * random()), random);
        at += length;
      }
      at += 0.06 + 0.22 * random();
    }
  }
  return samples;
}

function syllable(
  samples: Int16Array,
  sampleRate: number,
  atSeconds: number,
  seconds: number,
  pitchHz: number,
  random: () => number,
): void {
  const first = Math.floor(atSeconds * sampleRate);
  const count = Math.floor(seconds * sampleRate);
  const formantHz = 300 + 550 * random();
  const secondHz = 900 + 1500 * random();
  const glide = 1 + 0.2 * (random() - 0.5);
  const loudness = PEAK * (0.5 + 0.5 * random());
  const harmonics: number[] = [];
  for (let n = 1; n * pitchHz * 1.2 < Math.min(3400, sampleRate / 2); n++) {
    harmonics.push(resonance(n * pitchHz, formantHz, 90) + 0.5 * resonance(n * pitchHz, secondHz, 140) + 0.02);
  }
  const total = harmonics.reduce((sum, gain) => sum + gain, 0);
  let phase = 0;
  for (let i = 0; i < count && first + i < samples.length; i++) {
    const part = i / count;
    phase += (2 * Math.PI * pitchHz * (1 + (glide - 1) * part)) / sampleRate;
    let value = 0;
    for (let n = 0; n < harmonics.length; n++) value += harmonics[n]! * Math.sin((n + 1) * phase);
    const envelope = Math.sin(Math.PI * part) ** 0.6;
    samples[first + i] = Math.round((loudness * envelope * value) / total);
  }
}

function resonance(hz: number, centreHz: number, widthHz: number): number {
  const distance = (hz - centreHz) / widthHz;
  return 1 / (1 + distance * distance);
}
