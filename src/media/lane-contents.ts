/** What is open in a lane, as its main thread keeps it: what a new life of the lane begins with. */
import { type Beginning, type RecordingSetup, type SinkSetup, type StreamSetup, sinkToWire } from './lane-protocol.ts';
import { MAX_RECORDINGS, MAX_STREAMS } from './memory.ts';
import { MAX_MIXERS, type MixerSetup } from './mixer-memory.ts';
import { MAX_PLAYERS, type PlayerSetup } from './player-memory.ts';
import { MAX_SINKS } from './sink-memory.ts';
import { randomStart } from './sinks.ts';
import { Slots } from './slots.ts';

export class OpenContents {
  readonly recordings = new Slots<RecordingSetup>('recording', MAX_RECORDINGS);
  readonly streams = new Slots<StreamSetup>('stream', MAX_STREAMS);
  readonly sinks = new Slots<SinkSetup>('sink', MAX_SINKS);
  readonly players = new Slots<PlayerSetup>('player', MAX_PLAYERS);
  readonly mixers = new Slots<MixerSetup>('mixer', MAX_MIXERS);

  /**
   * What another life begins with, beside the streams, which it knows. Sinks go on as other sources: what was sent under a key must not be sent
   * again under other numbers.
   */
  renewed(): Omit<Beginning, 'before'> {
    for (const [slot, setup] of this.sinks.open) this.sinks.put(slot, { ...setup, ...randomStart() });
    return {
      recordings: [...this.recordings.open],
      sinks: [...this.sinks.open].map(([slot, setup]) => [slot, sinkToWire(setup)]),
      players: [...this.players.open],
      mixers: [...this.mixers.open],
    };
  }
}
