/**
 * The recording metadata of a conversation (RFC 7865): a complete document at any time, and a partial one for each change of it, which
 * holds the elements that are not as they were. Laid over the document before, by id, it gives the complete one. So nothing is ever taken
 * out: who has left is disassociated, and one that comes back is another participant.
 *
 * Pure: no I/O, no clock.
 */
import {
  callExtension,
  emptyMetadata,
  escapeXml,
  partyExtension,
  type RsMetadata,
  type RsParticipant,
  type RsParticipantSession,
  type RsParticipantStreams,
  type RsStream,
} from '../../siprec/index.ts';
import type { ConversationView, PartyView } from '../conversation.ts';
import { metadataId } from './metadata-ids.ts';

/** A document has no more of those who have left: readers have limits. */
const MAX_DEPARTED = 128;
const NO_SESSION_ID = '0'.repeat(32);

/** What does not change while a recording runs. */
export interface RecordingFacts {
  recordingId: string;
  purpose: string;
  params: ReadonlyMap<string, string>;
  /** When what is recorded begins: earlier than now where the past is sent first. */
  fromMs: number;
}

interface Participant {
  party: PartyView;
  id: string;
  stream: RsStream;
  association: RsParticipantStreams;
  leftAt: string | null;
}

export class ConversationMetadata {
  readonly #facts: RecordingFacts;
  readonly #sessionId: string;
  readonly #groupId: string;
  #view: ConversationView;
  /** By id of the party. */
  readonly #present = new Map<string, Participant>();
  readonly #departed: Participant[] = [];
  readonly #streams = new Map<number, RsStream>();
  /** Participants made so far of each party, for those that come back. */
  readonly #returns = new Map<string, number>();
  #stop: { time: string; reason: string | null; endsSession: boolean } | null = null;
  #told: RsMetadata;

  /** @param labelOf the a=label of a stream's m-line */
  constructor(
    facts: RecordingFacts,
    view: ConversationView,
    labelOf: (stream: number) => string | null,
    nowMs: number,
  ) {
    this.#facts = facts;
    this.#view = view;
    this.#sessionId = metadataId(view.id);
    this.#groupId = metadataId(`${view.id} group`);
    this.#follow(view, labelOf, timeOf(nowMs));
    this.#told = this.complete();
  }

  /** Everything that is known. */
  complete(): RsMetadata {
    const metadata = emptyMetadata();
    const { startedAtMs, id } = this.#view;
    const endOfSession = this.#stop?.endsSession ? this.#stop : null;
    const startTime = timeOf(startedAtMs);
    metadata.groups.push({
      ...{ id: this.#groupId, associateTime: startTime, disassociateTime: endOfSession?.time ?? null, extensions: '' },
    });
    metadata.sessions.push({
      id: this.#sessionId,
      // RFC 7989: the conversation's UUID in its form; there is no remote one, for it is several dialogs.
      sipSessionIds: [`${callUuid(id)};remote=${NO_SESSION_ID}`],
      groupRef: this.#groupId,
      reason: endOfSession?.reason ?? null,
      startTime,
      stopTime: endOfSession?.time ?? null,
      extensions: this.#callExtension(),
    });
    const participants = [...this.#departed, ...this.#present.values()];
    metadata.participants = participants.map(participantElement);
    metadata.streams = [...this.#streams.values()];
    const from = timeOf(Math.max(this.#facts.fromMs, startedAtMs));
    metadata.sessionRecordings.push({
      ...{ sessionId: this.#sessionId, associateTime: from, disassociateTime: this.#stop?.time ?? null },
    });
    metadata.participantSessions = participants.map((one) => this.#sessionAssociation(one));
    metadata.participantStreams = participants.map(({ association }) => association);
    return metadata;
  }

  /** The conversation is so now. @returns what has changed; null: nothing has. */
  update(view: ConversationView, labelOf: (stream: number) => string | null, nowMs: number): RsMetadata | null {
    this.#view = view;
    this.#follow(view, labelOf, timeOf(nowMs));
    return this.#changes();
  }

  /** The recording ends (RFC 8068), the conversation with it or not. @returns what the BYE tells. */
  stop(reason: string | null, endsSession: boolean, nowMs: number): RsMetadata {
    const time = timeOf(nowMs);
    this.#stop = { time, reason, endsSession };
    if (endsSession) for (const one of [...this.#present.values()]) this.#leave(one, time);
    return this.#changes() ?? emptyMetadata('partial');
  }

  #follow(view: ConversationView, labelOf: (stream: number) => string | null, now: string): void {
    const parties = new Map(view.parties.map((party) => [party.id, party]));
    for (const one of [...this.#present.values()]) if (!parties.has(one.party.id)) this.#leave(one, now);
    const talking = view.parties.filter(({ isHeld }) => !isHeld);
    for (const party of parties.values()) {
      const stream = this.#stream(party.stream, labelOf);
      const send = party.isHeld ? [] : [stream.id];
      const heard = party.isHeld ? [] : talking.filter((other) => other.stream !== party.stream);
      const recv = [...new Set(heard.map((other) => this.#stream(other.stream, labelOf).id))];
      this.#place(party, stream, send, recv, now);
    }
  }

  #place(party: PartyView, stream: RsStream, send: string[], recv: string[], now: string): void {
    const known = this.#present.get(party.id);
    const before = known?.association;
    const isSame = before !== undefined && isSameSet(before.send, send) && isSameSet(before.recv, recv);
    const id = known?.id ?? this.#newId(party.id);
    const associateTime = known ? now : timeOf(party.joinedAtMs);
    const association = isSame ? before : { participantId: id, send, recv, associateTime, disassociateTime: null };
    // What was known stays known: an update cannot take it back.
    const isNamed = escapeXml(party.name).trim() !== '';
    const name = isNamed ? party.name : (known?.party.name ?? '');
    const placed = { party: { ...party, name }, id, stream, association, leftAt: null };
    this.#present.set(party.id, placed);
  }

  #newId(party: string): string {
    const times = this.#returns.get(party) ?? 0;
    this.#returns.set(party, times + 1);
    return metadataId(times === 0 ? party : `${party} ${times}`);
  }

  #stream(stream: number, labelOf: (stream: number) => string | null): RsStream {
    const known = this.#streams.get(stream);
    if (known) return known;
    const made: RsStream = {
      id: metadataId(`${this.#view.id} stream ${stream}`),
      sessionId: this.#sessionId,
      label: labelOf(stream),
      mode: null,
      extensions: '',
    };
    this.#streams.set(stream, made);
    return made;
  }

  /** The association that has ended is that with the stream that was sent, though it was on hold at last. */
  #leave(one: Participant, time: string): void {
    this.#present.delete(one.party.id);
    const { association, stream } = one;
    const send = association.send.length > 0 ? association.send : [stream.id];
    this.#departed.push({ ...one, leftAt: time, association: { ...association, send, disassociateTime: time } });
    if (this.#departed.length > MAX_DEPARTED) this.#departed.shift();
  }

  #sessionAssociation({ id, party, leftAt }: Participant): RsParticipantSession {
    return {
      participantId: id,
      sessionId: this.#sessionId,
      associateTime: timeOf(party.joinedAtMs),
      disassociateTime: leftAt,
      params: [],
    };
  }

  #callExtension(): string {
    const { id, connId, ani, dnis, recordedDn, sipCallIds, userData } = this.#view;
    const { recordingId, purpose, params } = this.#facts;
    const pairs = new Map(Object.entries(userData));
    return callExtension({
      ...{ callUuid: callUuid(id), connId, ani, dnis, recordedDn, recordingId, purpose, sipCallIds, params },
      userData: pairs,
    });
  }

  /** The elements that are not as they were told, each whole. */
  #changes(): RsMetadata | null {
    const before = this.#told;
    const after = this.complete();
    this.#told = after;
    const partial = emptyMetadata('partial');
    partial.groups = changed(before.groups, after.groups);
    partial.sessions = changed(before.sessions, after.sessions);
    partial.participants = changed(before.participants, after.participants);
    partial.streams = changed(before.streams, after.streams);
    partial.sessionRecordings = changed(before.sessionRecordings, after.sessionRecordings);
    partial.participantSessions = changed(before.participantSessions, after.participantSessions);
    partial.participantStreams = changed(before.participantStreams, after.participantStreams);
    const isNone = Object.values(partial).every((part) => !Array.isArray(part) || part.length === 0);
    return isNone ? null : partial;
  }
}

/** CallUUID as T-Lib writes it. */
export function callUuid(conversationId: string): string {
  return conversationId.replaceAll('-', '').toLowerCase();
}

function participantElement({ party, id }: Participant): RsParticipant {
  const { aor, dn, trunk, agentId } = party;
  const name = party.name === '' ? null : party.name;
  const extensions = partyExtension({ dn, trunk, agentId });
  return { id, aor, name, nameIds: [{ aor, name }], sessions: [], extensions };
}

function changed<T extends object>(before: readonly T[], after: readonly T[]): T[] {
  const known = new Set(before.map((one) => JSON.stringify(one)));
  return after.filter((one) => !known.has(JSON.stringify(one)));
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
