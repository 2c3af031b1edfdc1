/** Mixers in lane memory as TypeScript writes them: whose frames they add up, the tone in them, and what they are sent as. */
import * as layout from '../../assembly/layout.ts';
import { loweringFilter, raisingFilter } from './resampling.ts';

export { MAX_MIX_PACKET_FRAMES, MAX_MIX_PAYLOAD_BYTES, MAX_MIXERS, MIXER_MEMBERS } from '../../assembly/layout.ts';

/** `players` are slots of players that were opened before. */
export interface MixerSetup {
  sampleRate: number;
  players: number[];
  /** Null or left out: it is only listened to. */
  sending?: MixerSending | null;
  tone?: Tone | null;
}

/** A mixture as an RTP stream, by a sink of the lane's own that was opened before. */
export interface MixerSending {
  sink: number;
  codec: number;
  payloadType: number;
  /** Of 10 ms, in a packet. */
  frames: number;
}

/** A sine that is heard at once, and again every so often. */
export interface Tone {
  frequencyHz: number;
  onMs: number;
  /** From one beginning to the next; it is always on when this is `onMs`. */
  everyMs: number;
  /** 3.14 is the loudest sine there is (ITU-T G.711). */
  levelDbm0: number;
}

export interface MixerExports {
  mixerOpen(mixer: number, sampleRate: number, members: number): void;
  mixerChange(mixer: number, members: number): void;
  mixerClose(mixer: number): void;
  mixerSend(mixer: number, sink: number, codec: number, payloadType: number, frames: number): void;
  mixerTone(mixer: number, coefficient: number, start: number, samples: number, every: number): void;
  sendMixers(): number;
}

const FULL_SCALE = 32_767;
/** Of a sine that reaches full scale. */
const FULL_SCALE_DBM0 = 3.14;

/** Between two rates, and where they stand. Made when the thread begins: a memory that is to serve at once does not wait for them. */
const FILTERS = [
  filters(2, layout.RESAMPLE_UP_2_AT, layout.RESAMPLE_DOWN_2_AT),
  filters(3, layout.RESAMPLE_UP_3_AT, layout.RESAMPLE_DOWN_3_AT),
  filters(6, layout.RESAMPLE_UP_6_AT, layout.RESAMPLE_DOWN_6_AT),
].flat();

function filters(ratio: number, upAt: number, downAt: number): { at: number; taps: Int16Array }[] {
  return [
    { at: upAt, taps: raisingFilter(ratio, layout.RESAMPLE_TAPS) },
    { at: downAt, taps: loweringFilter(ratio, layout.RESAMPLE_TAPS) },
  ];
}

export class MixerMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #view: DataView;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#view = new DataView(memory.buffer);
  }

  /** What the core resamples with: once per memory. */
  writeFilters(): void {
    for (const { at, taps } of FILTERS) new Int16Array(this.#memory.buffer, at, taps.length).set(taps);
  }

  /** The clock of players runs as long as there is a mixer. */
  open(wasm: MixerExports, mixer: number, { sampleRate, players, sending, tone }: MixerSetup): void {
    this.#setMembers(mixer, players);
    wasm.mixerOpen(mixer, sampleRate, players.length);
    if (tone) {
      const angle = (2 * Math.PI * tone.frequencyHz) / sampleRate;
      const amplitude = FULL_SCALE * 10 ** ((tone.levelDbm0 - FULL_SCALE_DBM0) / 20);
      const samples = (ms: number) => Math.round((ms * sampleRate) / 1000);
      const [onSamples, everySamples] = [samples(tone.onMs), samples(tone.everyMs)];
      wasm.mixerTone(mixer, 2 * Math.cos(angle), -amplitude * Math.sin(angle), onSamples, everySamples);
    }
    if (sending) wasm.mixerSend(mixer, sending.sink, sending.codec, sending.payloadType, sending.frames);
  }

  /** From the next frame on. */
  change(wasm: MixerExports, mixer: number, players: readonly number[]): void {
    this.#setMembers(mixer, players);
    wasm.mixerChange(mixer, players.length);
  }

  #setMembers(mixer: number, players: readonly number[]): void {
    if (players.length > layout.MIXER_MEMBERS) throw new RangeError(`a mixer takes ${layout.MIXER_MEMBERS} players`);
    const at = layout.MIXERS_AT + mixer * layout.MIXER_BYTES + layout.MIXER_MEMBERS_AT;
    for (const [i, player] of players.entries()) this.#view.setUint32(at + i * 4, player, true);
  }
}
