/** The recordings that run now, and which recording session (SIP dialog) belongs to which. */
import type { LiveRecording } from './live-recording.ts';

export class LiveRecordings {
  readonly #byId = new Map<string, { recording: LiveRecording; key: string | null }>();
  /** Promises, since the second dialog may arrive while the first one's recording is being opened. */
  readonly #byKey = new Map<string, Promise<LiveRecording>>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): LiveRecording | undefined {
    return this.#byId.get(id)?.recording;
  }

  *[Symbol.iterator](): Iterator<LiveRecording> {
    for (const { recording } of this.#byId.values()) yield recording;
  }

  /** The recording that the dialog joins, or a new one; either way the dialog counts among its sessions now. */
  async join(key: string | null, open: () => Promise<LiveRecording>): Promise<LiveRecording> {
    const known = key === null ? undefined : this.#byKey.get(key);
    const recording = await (known ?? this.#open(key, open));
    recording.sessions += 1;
    return recording;
  }

  /** @returns true if that was the recording's last session: it runs no more. */
  leave(recording: LiveRecording): boolean {
    recording.sessions -= 1;
    const entry = this.#byId.get(recording.id);
    if (recording.sessions > 0 || !entry) return false;
    this.#byId.delete(recording.id);
    if (entry.key !== null) this.#byKey.delete(entry.key);
    return true;
  }

  async #open(key: string | null, open: () => Promise<LiveRecording>): Promise<LiveRecording> {
    const opening = open();
    if (key !== null) this.#byKey.set(key, opening);
    try {
      const recording = await opening;
      this.#byId.set(recording.id, { recording, key });
      return recording;
    } catch (error) {
      if (key !== null) this.#byKey.delete(key);
      throw error;
    }
  }
}
