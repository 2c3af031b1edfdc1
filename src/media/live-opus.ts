/**
 * Opus of players: packets are decoded when their time has come, by an instance of libopus for each player. What is lost, or left out by
 * DTX, is made up by the same instance: a frame without octets is a frame that was lost (RFC 6716 section 3.2.1), so a packet that
 * is a table of contents alone asks for as much concealment as it says. In-band FEC (LBRR) cannot be had through opus-decoder.
 */
import type { LaneCommand } from './lane-protocol.ts';
import { decodeOrTrap, type Libopus, openLibopus, toInt16 } from './libopus.ts';
import { opusSamples } from './opus-packet.ts';
import { isDecodedOutside, type OutsideDecoder } from './player-memory.ts';

const NOTHING = new Float32Array();

export class LiveOpus implements OutsideDecoder {
  readonly #players = new Map<number, OpusPlayer>();
  readonly #openDecoder: () => Promise<Libopus>;

  constructor(openDecoder = openLibopus) {
    this.#openDecoder = openDecoder;
  }

  /** A player that may get Opus has its decoder before it gets packets. */
  async follow(command: LaneCommand): Promise<void> {
    if (command.do === 'close-player') this.close(command.slot);
    else if (command.do === 'open-player' || command.do === 'update-player') {
      if (command.setup.codecs.some(({ codec }) => isDecodedOutside(codec))) await this.open(command.slot);
    }
  }

  async open(player: number): Promise<void> {
    if (this.#players.has(player)) return;
    const opened = new OpusPlayer(this.#openDecoder);
    this.#players.set(player, opened);
    await opened.load();
  }

  close(player: number): void {
    this.#players.get(player)?.free();
    this.#players.delete(player);
  }

  decode(player: number, payload: Uint8Array, pcm: Int16Array, at: number, room: number): number {
    return this.#players.get(player)?.decode(payload, pcm, at, room) ?? 0;
  }

  makeUp(player: number, samples: number, pcm: Int16Array, at: number): number {
    return this.#players.get(player)?.makeUp(samples, pcm, at) ?? 0;
  }
}

class OpusPlayer {
  /** null: one is on its way, for the first time or after a trap. */
  #opus: Libopus | null = null;
  readonly #openDecoder: () => Promise<Libopus>;
  #isFreed = false;
  /** 10 ms of what the decoder heard last, without octets. */
  readonly #lost = Uint8Array.of(0);
  /** What was made up beyond what was asked for, from `#at` on. */
  #ahead: Float32Array = NOTHING;
  #at = 0;

  constructor(openDecoder: () => Promise<Libopus>) {
    this.#openDecoder = openDecoder;
  }

  /** Until it is done, packets are undecodable. */
  async load(): Promise<void> {
    this.#opus = null;
    const opus = await this.#openDecoder();
    if (this.#isFreed) opus.free();
    else this.#opus = opus;
  }

  decode(payload: Uint8Array, pcm: Int16Array, at: number, room: number): number {
    const samples = opusSamples(payload, 0, payload.length);
    if (samples === 0 || samples > room) return 0;
    this.#ahead = NOTHING;
    this.#at = 0;
    const sound = this.#decode(payload);
    if (sound?.length !== samples) return 0;
    for (let i = 0; i < samples; i++) pcm[at + i] = toInt16(sound[i]!);
    this.#lost[0] = lostTenMs(payload[0]!);
    return samples;
  }

  makeUp(samples: number, pcm: Int16Array, at: number): number {
    for (let i = 0; i < samples; i++) {
      if (this.#at === this.#ahead.length) {
        this.#ahead = this.#decode(this.#lost) ?? NOTHING;
        this.#at = 0;
        if (this.#ahead.length === 0) return 0;
      }
      pcm[at + i] = toInt16(this.#ahead[this.#at++]!);
    }
    return samples;
  }

  free(): void {
    this.#isFreed = true;
    this.#opus?.free();
    this.#opus = null;
  }

  #decode(packet: Uint8Array): Float32Array | null {
    if (!this.#opus) return null;
    const sound = decodeOrTrap(this.#opus, packet);
    if (!sound) void this.load();
    return sound;
  }
}

/** The table of contents of one frame of 10 ms in the same mode, of as many channels (RFC 6716 table 2). */
function lostTenMs(toc: number): number {
  const config = toc >> 3;
  const shortest = config < 12 ? config & ~3 : config < 16 ? config & ~1 : (config & ~3) | 2;
  return (shortest << 3) | (toc & 4);
}
