/**
 * Who speaks on which channel: participants of the metadata matched to the labelled streams of the session description
 * (RFC 7866 6.3.1: a=label of the m-line = label of the stream; participantstreamassoc/send = contributes to it).
 */
import { idKey, type RsMetadata, type RsParticipant } from './metadata.ts';

/** `channel` is the position of the label that the participant is heard on, null when nothing says it. */
export interface PlacedParticipant {
  id: string;
  aor: string | null;
  name: string | null;
  channel: number | null;
}

export interface Placement {
  participants: PlacedParticipant[];
  warnings: string[];
}

/**
 * Places participants on channels. `labels` are those of the recorded m-lines in order, or a map from label to channel.
 * Where associations are missing (older clients, calls on hold) the place comes from `previous`, else by elimination or by
 * order, with a warning. Participants of `previous` whom the metadata no longer names have left and stay in the list.
 */
export function participantsByLabel(
  md: RsMetadata,
  labels: readonly string[] | ReadonlyMap<string, number>,
  previous: readonly PlacedParticipant[] = [],
): Placement {
  const channels =
    labels instanceof Map ? labels : new Map((labels as readonly string[]).map((label, i) => [label, i]));
  const placer = new Placer(md, channels, previous);
  return placer.place();
}

class Placer {
  readonly #md: RsMetadata;
  readonly #channels: ReadonlyMap<string, number>;
  readonly #previous: readonly PlacedParticipant[];
  readonly #warnings: string[] = [];
  /** Channel of each stream id whose label is recorded. */
  readonly #streams = new Map<string, number>();

  constructor(md: RsMetadata, channels: ReadonlyMap<string, number>, previous: readonly PlacedParticipant[]) {
    this.#md = md;
    this.#channels = channels;
    this.#previous = previous;
  }

  place(): Placement {
    this.#mapStreams();
    const { participants } = this.#md;
    const placed: PlacedParticipant[] = participants.map((p) => ({
      id: p.id,
      aor: p.aor,
      name: p.name,
      channel: this.#byAssociation(p, 'send'),
    }));
    const earlier = new Map(this.#previous.map((p) => [idKey(p.id), p]));
    for (const p of placed) p.channel ??= earlier.get(idKey(p.id))?.channel ?? null;
    this.#guess(placed);
    for (const p of placed) {
      if (p.aor === null && p.name === null)
        this.#warnings.push(`participant ${p.id.slice(0, 64)} has neither address nor name`);
    }
    const now = new Set(placed.map((p) => idKey(p.id)));
    // Some clients name a placeholder first and the real party in an update: without address and name it is worth nothing.
    const left = this.#previous.filter((p) => !now.has(idKey(p.id)) && (p.aor !== null || p.name !== null));
    if (participants.length === 0 && left.length === 0) this.#warnings.push('the metadata names no participants');
    return { participants: [...placed, ...left], warnings: this.#warnings };
  }

  #mapStreams(): void {
    const unmatched: string[] = [];
    for (const stream of this.#md.streams) {
      const channel = stream.label === null ? undefined : this.#channels.get(stream.label);
      if (channel !== undefined) this.#streams.set(idKey(stream.id), channel);
      else unmatched.push(idKey(stream.id));
    }
    // One stream and one m-line belong together even when a label is missing or differs.
    const free = [...this.#channels.values()].filter((c) => ![...this.#streams.values()].includes(c));
    if (unmatched.length === 0 || unmatched.length !== free.length) {
      if (unmatched.length > 0 && this.#streams.size === 0 && this.#channels.size > 0)
        this.#warnings.push('no stream of the metadata has the label of an m-line');
      return;
    }
    this.#warnings.push('streams of the metadata without the label of an m-line, matched by order');
    unmatched.forEach((id, i) => {
      this.#streams.set(id, free[i]!);
    });
  }

  /** The channel of the first stream that a participant sends (or receives); what it sends now comes before what it sent. */
  #byAssociation(p: RsParticipant, what: 'send' | 'recv'): number | null {
    const own = this.#md.participantStreams.filter((a) => idKey(a.participantId) === idKey(p.id));
    const byAge = [
      ...own.filter((a) => a.disassociateTime === null),
      ...own.filter((a) => a.disassociateTime !== null),
    ];
    for (const association of byAge) {
      for (const id of association[what]) {
        const channel = this.#streams.get(idKey(id)) ?? this.#channels.get(id);
        if (channel !== undefined) return channel;
      }
    }
    return null;
  }

  #guess(placed: PlacedParticipant[]): void {
    const open = placed.filter((p) => p.channel === null);
    if (open.length === 0 || this.#channels.size === 0) return;
    const all = [...this.#channels.values()];
    if (all.length === 1) {
      for (const p of open) p.channel = all[0]!;
      this.#warnings.push(
        `the metadata does not say that ${open.length} participant(s) send the only stream; placed on it`,
      );
      return;
    }
    const taken = new Set(placed.map((p) => p.channel));
    const free = all.filter((channel) => !taken.has(channel));
    const how = open.length === placed.length ? 'placed by order' : 'placed on the channels that are left';
    let placedByGuess = 0;
    for (const p of open) {
      const heard = this.#heardBy(p.id);
      const at = free.findIndex((channel) => !heard.has(channel));
      if (at < 0) continue;
      p.channel = free.splice(at, 1)[0]!;
      placedByGuess++;
    }
    if (placedByGuess > 0)
      this.#warnings.push(`the metadata does not say which stream ${placedByGuess} participant(s) send; ${how}`);
    const lost = placed.filter((p) => p.channel === null).length;
    if (lost > 0) this.#warnings.push(`the metadata does not say which stream ${lost} participant(s) send`);
  }

  /** Channels that a participant receives and therefore is not heard on. */
  #heardBy(participantId: string): Set<number> {
    const out = new Set<number>();
    for (const a of this.#md.participantStreams) {
      if (idKey(a.participantId) !== idKey(participantId)) continue;
      for (const id of a.recv) {
        const channel = this.#streams.get(idKey(id));
        if (channel !== undefined) out.add(channel);
      }
    }
    return out;
  }
}
