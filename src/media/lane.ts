/** A lane as the main thread sees it: what is open in it, and the commands that change that. */
import { OpenContents } from './lane-contents.ts';
import type { SinkSetup, StreamSetup } from './lane-protocol.ts';
import { sinkToWire, toWire } from './lane-protocol.ts';
import { type LaneOptions, LaneSupervisor, type Restart } from './lane-supervisor.ts';
import { type LaneMemory, MAX_NOTE_BYTES, type PacketTotals, type StreamCounts } from './memory.ts';
import type { MixerSetup } from './mixer-memory.ts';
import type { PlayerSetup } from './player-memory.ts';
import type { SinkCounts } from './sink-memory.ts';

export class Lane {
  readonly id: number;
  readonly #options: LaneOptions;
  readonly #open = new OpenContents();
  #supervisor!: LaneSupervisor;

  private constructor(options: LaneOptions) {
    this.id = options.laneId;
    this.#options = options;
  }

  static async start(options: LaneOptions): Promise<Lane> {
    const lane = new Lane(options);
    lane.#supervisor = await LaneSupervisor.start(options, lane.#open, (restart) => lane.#tellRestart(restart));
    return lane;
  }

  get memory(): LaneMemory {
    return this.#supervisor.life.memory;
  }

  /** Memory of the present life, for readers of what is played. */
  get shared(): WebAssembly.Memory {
    return this.#supervisor.life.shared;
  }

  /** When the present life began, monotonic: what memory says goes back to then. */
  get bornUs(): number {
    return this.#supervisor.life.bornUs;
  }

  get streamCount(): number {
    return this.#open.streams.open.size;
  }

  /** For placement: a recording counts before its streams are there, so that a burst of them is spread. */
  get load(): number {
    return this.#open.streams.open.size + this.#open.recordings.taken;
  }

  /** Of all lives. */
  totals(): PacketTotals {
    return this.#supervisor.counts.totals(this.memory);
  }

  /** Of all lives. */
  streamCounters(slot: number): StreamCounts {
    return this.#supervisor.counts.ofStream(slot, this.memory);
  }

  /** `isRecorded`: what it receives goes into the journal. */
  async openRecording(id: Uint8Array, isRecorded: boolean): Promise<number> {
    const slot = this.#open.recordings.take();
    const setup = { id, paused: false, isRecorded, isLookBackPaused: false };
    await this.#supervisor.command({ do: 'open-recording', slot, setup });
    this.#open.recordings.put(slot, setup);
    return slot;
  }

  /** Resolves when all its records are on the disk. */
  async closeRecording(slot: number): Promise<void> {
    await this.#supervisor.command({ do: 'close-recording', slot });
    this.#open.recordings.giveBack(slot);
  }

  async pause(slot: number, paused: boolean): Promise<void> {
    this.#open.recordings.open.get(slot)!.paused = paused;
    await this.#supervisor.command({ do: 'pause', slot, paused });
  }

  async pauseLookBack(slot: number, paused: boolean): Promise<void> {
    this.#open.recordings.open.get(slot)!.isLookBackPaused = paused;
    await this.#supervisor.command({ do: 'pause-look-back', slot, paused });
  }

  /** Rejects with the LaneError of a port that is taken; nothing is open then. */
  async openStream(setup: StreamSetup): Promise<number> {
    const { streams } = this.#open;
    const slot = streams.take();
    try {
      await this.#supervisor.command({ do: 'open-stream', slot, setup: toWire(setup) });
      streams.put(slot, setup);
      this.#supervisor.counts.openStream(slot);
      return slot;
    } catch (error) {
      streams.giveBack(slot);
      throw error;
    }
  }

  async updateStream(slot: number, setup: StreamSetup): Promise<void> {
    const { streams } = this.#open;
    const before = streams.open.get(slot);
    streams.put(slot, setup);
    try {
      await this.#supervisor.command({ do: 'update-stream', slot, setup: toWire(setup) });
    } catch (error) {
      // Refused, it is as it was, after a restart too.
      if (before && streams.open.has(slot)) streams.put(slot, before);
      throw error;
    }
  }

  /** Resolves to all that it has counted. */
  async closeStream(slot: number): Promise<StreamCounts> {
    const { streams } = this.#open;
    streams.remove(slot);
    try {
      await this.#supervisor.command({ do: 'close-stream', slot });
      return this.streamCounters(slot);
    } finally {
      this.#supervisor.counts.closeStream(slot);
      streams.giveBack(slot);
    }
  }

  /** @throws LaneFull */
  async openSink(setup: SinkSetup): Promise<number> {
    const { sinks } = this.#open;
    const slot = sinks.take();
    try {
      await this.#supervisor.command({ do: 'open-sink', slot, setup: sinkToWire(setup) });
      sinks.put(slot, setup);
      return slot;
    } catch (error) {
      sinks.giveBack(slot);
      throw error;
    }
  }

  async pauseSink(slot: number, paused: boolean): Promise<void> {
    this.sinkSetup(slot).paused = paused;
    await this.#supervisor.command({ do: 'pause-sink', slot, paused });
  }

  /** Resolves to what it has sent. */
  async closeSink(slot: number): Promise<SinkCounts> {
    const { sinks } = this.#open;
    sinks.remove(slot);
    await this.#supervisor.command({ do: 'close-sink', slot });
    const counts = this.sinkCounts(slot);
    sinks.giveBack(slot);
    return counts;
  }

  sinkSetup(slot: number): SinkSetup {
    return this.#open.sinks.open.get(slot)!;
  }

  /** Of the present life. */
  sinkCounts(slot: number): SinkCounts {
    return this.#supervisor.life.sinks.counts(slot);
  }

  /** @throws LaneFull */
  async openPlayer(setup: PlayerSetup): Promise<number> {
    const slot = this.#open.players.take();
    await this.#supervisor.command({ do: 'open-player', slot, setup });
    this.#open.players.put(slot, setup);
    return slot;
  }

  /** Other payload types. */
  async updatePlayer(slot: number, setup: PlayerSetup): Promise<void> {
    this.#open.players.put(slot, setup);
    await this.#supervisor.command({ do: 'update-player', slot, setup });
  }

  async closePlayer(slot: number): Promise<void> {
    this.#open.players.remove(slot);
    await this.#supervisor.command({ do: 'close-player', slot }).finally(() => this.#open.players.giveBack(slot));
  }

  /** @throws LaneFull */
  async openMixer(setup: MixerSetup): Promise<number> {
    const slot = this.#open.mixers.take();
    await this.#supervisor.command({ do: 'open-mixer', slot, setup });
    this.#open.mixers.put(slot, setup);
    return slot;
  }

  /** Others are heard. */
  async changeMixer(slot: number, setup: MixerSetup): Promise<void> {
    this.#open.mixers.put(slot, setup);
    await this.#supervisor.command({ do: 'update-mixer', slot, setup });
  }

  async closeMixer(slot: number): Promise<void> {
    this.#open.mixers.remove(slot);
    await this.#supervisor.command({ do: 'close-mixer', slot }).finally(() => this.#open.mixers.giveBack(slot));
  }

  /** Kept until it is on the disk, over the death of the worker too: it is written at least once. @throws RangeError when it can never fit. */
  note(slot: number, json: object): void {
    this.#note([slot], json);
  }

  #note(slots: number[], json: object): void {
    const note = Buffer.from(JSON.stringify(json));
    if (note.length > MAX_NOTE_BYTES) throw new RangeError(`a note of ${note.length} bytes: at most ${MAX_NOTE_BYTES}`);
    this.#supervisor.command({ do: 'note', slots, note }).catch(() => {}); // a lane that is gone for good is reported by itself
  }

  async seal(): Promise<void> {
    await this.#supervisor.command({ do: 'seal' });
  }

  async close(): Promise<void> {
    await this.#supervisor.close();
  }

  /** In the journal of every recording, and with it in its certificate. */
  #tellRestart({ error, lives, refused }: Restart): void {
    for (const { slot, message } of refused) {
      const stream = this.#open.streams.open.get(slot);
      if (!stream) continue;
      const text = `stream ${stream.index} could not be received again: ${message}`;
      this.note(stream.recording, { type: 'warning', text });
    }
    const event = { type: 'event', name: 'lane-restarted', restart: lives, reason: error.message };
    this.#note([...this.#open.recordings.open.keys()], event);
    this.#options.onRestarted(error);
  }
}
