/** The streams of a lane as they stand in its memory, with their keys. A life that waits for its beginning has them open already. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { EPOCHS_PER_LIFE } from '../journal/format.ts';
import type { MediaCore } from './core.ts';
import type { StreamSetup } from './lane-protocol.ts';
import type { SrtpKeys } from './srtp-suites.ts';

/** SRTCP indices of a lane that was started again begin here: none is used twice. */
const RTCP_INDICES_PER_LIFE = 0x100_0000;
/** After new keys were agreed on, packets under the old ones may still be under way. */
const KEY_OVERLAP_MS = 3_000;

export class LaneStreams {
  readonly core: MediaCore;
  readonly #life: number;
  readonly #open = new Map<number, StreamSetup>();
  /** Those whose packets are kept for sinks that are yet to come. */
  readonly #lookBacks = new Set<number>();

  /** `life`: lives of the lane before this one. */
  constructor(core: MediaCore, life: number) {
    this.core = core;
    this.#life = life;
  }

  /** By slot. */
  get open(): ReadonlyMap<number, StreamSetup> {
    return this.#open;
  }

  get keepLookBacks(): boolean {
    return this.#lookBacks.size > 0;
  }

  /** @throws RangeError for keys that do not fit their suite. @throws NoSrtpRoom */
  add(slot: number, setup: StreamSetup): void {
    const { memory, srtp, wasm } = this.core;
    if (setup.srtp) srtp.open(slot, setup.srtp, this.#firstRtcpIndex);
    const firstEpoch = this.#life * EPOCHS_PER_LIFE;
    memory.openStream(slot, { ...setup, firstEpoch, isSrtp: setup.srtp !== null });
    wasm.linkSource(slot);
    this.#open.set(slot, setup);
    if (setup.lookBackSeconds) this.#lookBacks.add(slot);
  }

  /** After a new offer: what it has received and sent stays known. @throws as `add` */
  update(slot: number, setup: StreamSetup): void {
    const { memory, wasm } = this.core;
    this.#updateKeys(slot, setup);
    wasm.unlinkSource(slot);
    memory.updateStream(slot, { ...setup, isSrtp: setup.srtp !== null });
    wasm.linkSource(slot);
    this.#open.set(slot, setup);
  }

  remove(slot: number): void {
    const { memory, srtp, wasm } = this.core;
    wasm.unlinkSource(slot);
    wasm.forgetLookBack(slot);
    memory.closeStream(slot);
    srtp.close(slot);
    this.#open.delete(slot);
    this.#lookBacks.delete(slot);
  }

  #updateKeys(slot: number, setup: StreamSetup): void {
    const { srtp } = this.core;
    const before = this.#open.get(slot)?.srtp ?? null;
    if (!setup.srtp) srtp.close(slot);
    else if (!before) srtp.open(slot, setup.srtp, this.#firstRtcpIndex);
    else {
      const receive = !isDeepStrictEqual(bytesOf(before.receive), bytesOf(setup.srtp.receive));
      const send = !isDeepStrictEqual(bytesOf(before.send), bytesOf(setup.srtp.send));
      srtp.update(slot, setup.srtp, { receive, send });
      if (receive) void delay(KEY_OVERLAP_MS, null, { ref: false }).then(() => srtp.forgetPreviousKeys(slot));
    }
  }

  get #firstRtcpIndex(): number {
    return this.#life * RTCP_INDICES_PER_LIFE;
  }
}

/** For comparison only. */
function bytesOf({ suite, keys, unencryptedSrtcp = false }: SrtpKeys) {
  return [suite, unencryptedSrtcp, keys.map(({ keyAndSalt, mki }) => [keyAndSalt.reveal(), mki])];
}
