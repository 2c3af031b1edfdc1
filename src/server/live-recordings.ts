/** The recordings that run now, and which recording session (SIP dialog) belongs to which. */
import type { LiveRecording } from './live-recording.ts';

interface Entry {
  /** A promise, since the second dialog may arrive while the first one's recording is being opened. */
  opening: Promise<LiveRecording>;
  /** Dialogs that feed it, or are about to. */
  sessions: number;
  key: string | null;
}

export class LiveRecordings {
  readonly #byId = new Map<string, { recording: LiveRecording; entry: Entry }>();
  readonly #byKey = new Map<string, Entry>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): LiveRecording | undefined {
    return this.#byId.get(id)?.recording;
  }

  *[Symbol.iterator](): Iterator<LiveRecording> {
    for (const { recording } of this.#byId.values()) yield recording;
  }

  /** The recording that the dialog joins, or a new one; either way the dialog counts among its sessions from now on. */
  async join(key: string | null, open: () => Promise<LiveRecording>): Promise<LiveRecording> {
    const known = key === null ? undefined : this.#byKey.get(key);
    const entry = known ?? { opening: open(), sessions: 0, key };
    entry.sessions += 1;
    if (key !== null) this.#byKey.set(key, entry);
    try {
      const recording = await entry.opening;
      this.#byId.set(recording.id, { recording, entry });
      return recording;
    } catch (error) {
      this.#forgetKey(entry);
      throw error;
    }
  }

  /** @returns true if that was the recording's last session: it runs no more. */
  leave(recording: LiveRecording): boolean {
    const known = this.#byId.get(recording.id);
    if (!known) return false;
    known.entry.sessions -= 1;
    if (known.entry.sessions > 0) return false;
    this.#byId.delete(recording.id);
    this.#forgetKey(known.entry);
    return true;
  }

  #forgetKey(entry: Entry): void {
    if (entry.key !== null && this.#byKey.get(entry.key) === entry) this.#byKey.delete(entry.key);
  }
}
