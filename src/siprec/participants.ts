/**
 * Who speaks on which channel: participants of the metadata matched to the labelled streams of the session description
 * (RFC 7866 6.3.1: a=label of the m-line = label of the stream; participantstreamassoc/send = contributes to it).
 */
import { idKey, type RsMetadata, type RsParticipantStreams } from './metadata.ts';

/**
 * `channel` is the position of the label that the participant is heard on, null when nothing says it. `guessed` is there when
 * the metadata does not say it and the place was inferred.
 */
export interface PlacedParticipant {
  id: string;
  aor: string | null;
  name: string | null;
  channel: number | null;
  guessed?: true;
}

export interface Placement {
  participants: PlacedParticipant[];
  warnings: string[];
}

const MAX_WARNINGS = 16;

/**
 * Places participants on channels. `labels` are those of the recorded m-lines in order, or a map from label to channel.
 * Where associations are missing (older clients, calls on hold) the place comes from `previous`, else by elimination or by
 * order, with a warning. Participants of `previous` whom the metadata no longer names have left and stay in the list.
 * Call it with the labels of all recorded m-lines: with some of them missing, so are the participants on them.
 */
export function participantsByLabel(
  md: RsMetadata,
  labels: readonly string[] | ReadonlyMap<string, number>,
  previous: readonly PlacedParticipant[] = [],
): Placement {
  const channels =
    labels instanceof Map ? labels : new Map((labels as readonly string[]).map((label, i) => [label, i]));
  return new Placer(md, channels).place(previous);
}

class Placer {
  readonly #md: RsMetadata;
  readonly #channels: ReadonlyMap<string, number>;
  readonly #warnings: string[] = [];
  /** Channel of each stream id whose label is recorded. */
  readonly #streams = new Map<string, number>();
  /** Every stream id that the metadata describes. */
  readonly #described: ReadonlySet<string>;
  /** Associations of each participant: what holds now before what has ended. */
  readonly #associations = new Map<string, RsParticipantStreams[]>();

  constructor(md: RsMetadata, channels: ReadonlyMap<string, number>) {
    this.#md = md;
    this.#channels = channels;
    this.#described = new Set(md.streams.map((stream) => idKey(stream.id)));
    const now = md.participantStreams.filter((a) => a.disassociateTime === null);
    const ended = md.participantStreams.filter((a) => a.disassociateTime !== null);
    for (const association of [...now, ...ended]) {
      const key = idKey(association.participantId);
      const known = this.#associations.get(key);
      if (known) known.push(association);
      else this.#associations.set(key, [association]);
    }
  }

  place(previous: readonly PlacedParticipant[]): Placement {
    this.#mapStreams();
    const placed = this.#md.participants.map(
      (p): PlacedParticipant => ({ id: p.id, aor: p.aor, name: p.name, channel: this.#sentBy(p.id) }),
    );
    this.#contradictions(placed);
    const earlier = new Map(previous.map((p) => [idKey(p.id), p]));
    for (const p of placed) {
      const before = earlier.get(idKey(p.id));
      // What was guessed from less than is known now must not stick.
      if (before && !before.guessed) p.channel ??= before.channel;
    }
    this.#guess(placed);
    for (const p of placed) {
      if (p.aor === null && p.name === null)
        this.#warn(`participant ${p.id.slice(0, 64)} has neither address nor name`);
    }
    const now = new Set(placed.map((p) => idKey(p.id)));
    // Some clients name a placeholder first and the real party in an update: without address and name it is worth nothing.
    const left = previous.filter((p) => !now.has(idKey(p.id)) && (p.aor !== null || p.name !== null));
    if (placed.length === 0 && left.length === 0) this.#warn('the metadata names no participants');
    return { participants: [...placed, ...left], warnings: this.#warnings };
  }

  #warn(text: string): void {
    if (this.#warnings.length < MAX_WARNINGS) this.#warnings.push(text);
  }

  #mapStreams(): void {
    const unmatched: string[] = [];
    const claimed = new Set<string>();
    for (const stream of this.#md.streams) {
      const channel = stream.label === null ? undefined : this.#channels.get(stream.label);
      if (channel !== undefined) this.#streams.set(idKey(stream.id), channel);
      else unmatched.push(idKey(stream.id));
      if (stream.label === null) continue;
      const claim = `${stream.label} ${stream.sessionId}`;
      if (claimed.has(claim)) this.#warn(`two streams of the metadata have the label ${stream.label.slice(0, 64)}`);
      claimed.add(claim);
    }
    if (unmatched.length === 0 || this.#channels.size === 0) return;
    // As many streams as m-lines left over belong together even when a label is missing or differs.
    const matched = new Set(this.#streams.values());
    const free = [...this.#channels.values()].filter((channel) => !matched.has(channel));
    if (unmatched.length !== free.length) {
      if (matched.size === 0) this.#warn('no stream of the metadata has the label of an m-line');
      return;
    }
    this.#warn('streams of the metadata without the label of an m-line, matched by order');
    unmatched.forEach((id, i) => {
      this.#streams.set(id, free[i]!);
    });
  }

  /** The channel of the first recorded stream that a participant sends, or has sent; null when nothing says it. */
  #sentBy(participantId: string): number | null {
    for (const association of this.#associations.get(idKey(participantId)) ?? []) {
      for (const id of association.send) {
        // Some name the label where the stream id belongs.
        const channel = this.#streams.get(idKey(id)) ?? this.#channels.get(id);
        if (channel !== undefined) return channel;
      }
    }
    return null;
  }

  /** Channels that a participant receives and therefore is not heard on. */
  #heardBy(participantId: string): Set<number> {
    const out = new Set<number>();
    for (const association of this.#associations.get(idKey(participantId)) ?? []) {
      for (const id of association.recv) {
        const channel = this.#streams.get(idKey(id));
        if (channel !== undefined) out.add(channel);
      }
    }
    return out;
  }

  /** Two who send the same one of several streams at once: a conference, or labels that are wrong. */
  #contradictions(placed: readonly PlacedParticipant[]): void {
    if (this.#channels.size < 2) return;
    const senders = new Map<number, number>();
    for (const p of placed) {
      const current = this.#associations.get(idKey(p.id))?.[0];
      if (p.channel === null || current?.disassociateTime !== null) continue;
      senders.set(p.channel, (senders.get(p.channel) ?? 0) + 1);
    }
    for (const [channel, count] of senders) {
      if (count > 1) this.#warn(`the metadata has ${count} participants send the stream of channel ${channel}`);
    }
  }

  /** True when the metadata says what a participant sends, and it is none of the recorded streams. */
  #sendsElsewhere(participantId: string): boolean {
    if (this.#streams.size === 0) return false;
    const current = this.#associations.get(idKey(participantId)) ?? [];
    return current.some((association) => association.send.some((id) => this.#described.has(idKey(id))));
  }

  #guess(placed: PlacedParticipant[]): void {
    const unplaced = placed.filter((p) => p.channel === null);
    const all = [...this.#channels.values()];
    const open = unplaced.filter((p) => !this.#sendsElsewhere(p.id));
    const elsewhere = unplaced.length - open.length;
    if (all.length > 0 && elsewhere > 0) this.#warn(`${elsewhere} participant(s) send a stream that is not recorded`);
    if (open.length === 0 || all.length === 0) return;
    if (all.length === 1 && this.#md.streams.length < 2) {
      for (const p of open) Object.assign(p, { channel: all[0]!, guessed: true });
      this.#warn(`the metadata does not say that ${open.length} participant(s) send the only stream; placed on it`);
      return;
    }
    const taken = new Set(placed.map((p) => p.channel));
    const free = all.filter((channel) => !taken.has(channel));
    const how = open.length === placed.length ? 'placed by order' : 'placed on the channels that are left';
    let guessed = 0;
    // Who hears a channel is bound to another one; those go first.
    const bound = open.map((p) => ({ p, heard: this.#heardBy(p.id) })).sort((a, b) => b.heard.size - a.heard.size);
    for (const { p, heard } of bound) {
      const at = free.findIndex((channel) => !heard.has(channel));
      if (at < 0) continue;
      Object.assign(p, { channel: free.splice(at, 1)[0]!, guessed: true });
      guessed++;
    }
    if (guessed > 0) this.#warn(`the metadata does not say which stream ${guessed} participant(s) send; ${how}`);
    const lost = open.length - guessed;
    if (lost > 0) this.#warn(`the metadata does not say which stream ${lost} participant(s) send`);
  }
}
