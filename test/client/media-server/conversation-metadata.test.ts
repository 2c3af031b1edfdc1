/** RFC 7865: whatever happens in a conversation, a recorder that takes each update knows what the complete document says. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ConversationView, PartyView } from '../../../src/client/conversation.ts';
import { ConversationMetadata } from '../../../src/client/media-server/conversation-metadata.ts';
import { metadataId } from '../../../src/client/media-server/metadata-ids.ts';
import {
  applyMetadata,
  buildMetadata,
  parseMetadata,
  type RsMetadata,
  readCallExtension,
  readPartyExtension,
} from '../../../src/siprec/index.ts';
import { assertValid, withoutXmllint } from '../../siprec/schema.ts';
import { conversationView, partyView, STARTED_MS } from './rig.ts';

const FACTS = { recordingId: 'rec-1', purpose: 'quality', params: new Map([['a', '1']]), fromMs: STARTED_MS + 1_000 };
const label = (stream: number) => String(stream + 1);

function begin(view: ConversationView): ConversationMetadata {
  return new ConversationMetadata(FACTS, view, label, STARTED_MS + 2_000);
}

/** As a recorder reads it. */
function read(metadata: RsMetadata): RsMetadata {
  const { metadata: known, warnings } = parseMetadata(buildMetadata(metadata));
  assert.deepEqual(warnings, []);
  return known;
}

/** Without the order in which things stand. */
function sorted(metadata: RsMetadata): object {
  const byText = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).toSorted();
  return Object.fromEntries(
    Object.entries(metadata).map(([name, part]) => [name, Array.isArray(part) ? byText(part) : part]),
  );
}

test('RFC 7865 section 6: who talks in a conversation, on which streams, and what CTI knows of it', () => {
  const view = conversationView();
  const known = read(begin(view).complete());
  const [a, b] = view.parties as [PartyView, PartyView];
  assert.equal(known.dataMode, 'complete');
  assert.deepEqual(
    known.participants.map(({ id, aor, name }) => [id, aor, name]),
    [
      [metadataId(a.id), 'sip:5001@example.com', 'Party 1'],
      [metadataId(b.id), 'sip:5002@example.com', 'Party 2'],
    ],
  );
  const [first, second] = known.streams;
  assert.deepEqual([first!.label, second!.label], ['1', '2']);
  assert.deepEqual(
    known.participantStreams.map(({ send, recv }) => [send, recv]),
    [
      [[first!.id], [second!.id]],
      [[second!.id], [first!.id]],
    ],
  );
  const ids = [
    known.groups[0]!.id,
    known.sessions[0]!.id,
    ...known.participants.map(({ id }) => id),
    first!.id,
    second!.id,
  ];
  assert.equal(new Set(ids).size, 6);
  for (const id of ids) assert.equal(Buffer.from(id, 'base64').length, 16);
  const [session] = known.sessions;
  assert.equal(session!.groupRef, known.groups[0]!.id);
  assert.equal(session!.startTime, '2026-01-02T03:04:05.600Z');
  assert.equal(known.sessionRecordings[0]!.associateTime, '2026-01-02T03:04:06.600Z');
  const call = readCallExtension(session!.extensions)!;
  assert.equal(call.callUuid, view.id.replaceAll('-', ''));
  assert.deepEqual([call.connId, call.ani, call.dnis, call.recordedDn], ['0012023a4b5c6d7e', '5001', '5002', '5002']);
  assert.deepEqual([call.recordingId, call.purpose], ['rec-1', 'quality']);
  assert.deepEqual(call.sipCallIds, view.sipCallIds);
  assert.deepEqual([...call.userData], [['queue', 'sales & service']]);
  assert.deepEqual([...call.params], [['a', '1']]);
  assert.deepEqual(readPartyExtension(known.participants[0]!.extensions), {
    dn: '5001',
    trunk: null,
    agentId: 'agent-7',
  });
});

test('ids are those of the conversation to every recorder', () => {
  const view = conversationView();
  const [one, other] = [begin(view).complete(), begin(view).complete()];
  assert.deepEqual(one, other);
});

test('RFC 8068 section 4: a hold is an association without streams, and only that is told', () => {
  const view = conversationView();
  const [a, b] = view.parties as [PartyView, PartyView];
  const metadata = begin(view);
  assert.equal(metadata.update(view, label, STARTED_MS + 3_000), null);
  const held = read(metadata.update({ ...view, parties: [{ ...a, isHeld: true }, b] }, label, STARTED_MS + 4_000)!);
  assert.equal(held.dataMode, 'partial');
  assert.deepEqual([held.participants, held.streams, held.sessions], [[], [], []]);
  assert.deepEqual(
    held.participantStreams.map(({ participantId, send, recv, associateTime }) => [
      participantId,
      send,
      recv,
      associateTime,
    ]),
    [
      [metadataId(a.id), [], [], '2026-01-02T03:04:09.600Z'],
      [metadataId(b.id), [metadata.complete().streams[1]!.id], [], '2026-01-02T03:04:09.600Z'],
    ],
  );
});

test('RFC 8068: a transfer disassociates one participant and associates another with the same stream', () => {
  const view = conversationView();
  const [a, b] = view.parties as [PartyView, PartyView];
  const metadata = begin(view);
  const c = partyView(3, { stream: b.stream, joinedAtMs: STARTED_MS + 9_000 });
  const told = read(metadata.update({ ...view, parties: [a, c] }, label, STARTED_MS + 9_000)!);
  const [stream] = metadata.complete().streams.slice(1);
  assert.deepEqual(told.streams, []);
  assert.deepEqual(
    told.participantSessions.map(({ participantId, associateTime, disassociateTime }) => [
      participantId,
      associateTime,
      disassociateTime,
    ]),
    [
      [metadataId(b.id), '2026-01-02T03:04:05.600Z', '2026-01-02T03:04:14.600Z'],
      [metadataId(c.id), '2026-01-02T03:04:14.600Z', null],
    ],
  );
  const ofStream = told.participantStreams.filter(({ send }) => send.includes(stream!.id));
  assert.deepEqual(
    ofStream.map(({ participantId, disassociateTime }) => [participantId, disassociateTime]),
    [
      [metadataId(b.id), '2026-01-02T03:04:14.600Z'],
      [metadataId(c.id), null],
    ],
  );
});

test('RFC 8068: the end tells when the session stopped, or only that its recording did', () => {
  const ended = begin(conversationView()).stop('normal', true, STARTED_MS + 60_000);
  const time = '2026-01-02T03:05:05.600Z';
  assert.deepEqual([ended.sessions[0]!.stopTime, ended.sessions[0]!.reason], [time, 'normal']);
  assert.ok(ended.participantSessions.every(({ disassociateTime }) => disassociateTime === time));
  assert.equal(ended.participantSessions.length, 2);
  const stopped = begin(conversationView()).stop('enough', false, STARTED_MS + 60_000);
  assert.deepEqual([stopped.sessions, stopped.participantSessions], [[], []]);
  assert.equal(stopped.sessionRecordings[0]!.disassociateTime, time);
});

type Step = 'hold' | 'retrieve' | 'transfer' | 'join' | 'leave' | 'return' | 'rename' | 'attach' | 'move';
const STEPS: Step[] = ['hold', 'retrieve', 'transfer', 'join', 'leave', 'return', 'rename', 'attach', 'move'];

interface Happening {
  step: Step;
  which: number;
  text: string;
}

const happenings = fc.array(
  fc.record({
    step: fc.constantFrom(...STEPS),
    which: fc.nat(7),
    text: fc.string({ unit: 'binary', maxLength: 12 }),
  }),
  { maxLength: 25 },
);

/** What becomes of a conversation: each change as a view of its own. */
class Happenings {
  view = conversationView();
  #parties = 2;
  #streams = 2;
  readonly #left: PartyView[] = [];

  happen({ step, which, text }: Happening, nowMs: number): ConversationView {
    const { parties } = this.view;
    const at = parties.length === 0 ? -1 : which % parties.length;
    const change = (changes: Partial<PartyView>) =>
      parties.map((party, i) => (i === at ? { ...party, ...changes } : party));
    if (step === 'join') this.#set([...parties, this.#newParty(this.#streams++, nowMs)]);
    else if (step === 'attach') this.view = { ...this.view, userData: { ...this.view.userData, [text]: text } };
    else if (step === 'return') this.#set([...parties, ...this.#left.splice(0, 1)]);
    else if (step === 'hold') this.#set(change({ isHeld: true }));
    else if (step === 'retrieve') this.#set(change({ isHeld: false }));
    else if (step === 'rename') this.#set(change({ name: text.trim() }));
    else if (step === 'move') this.#set(change({ stream: at < 0 ? 0 : this.#streams++ }));
    else if (at >= 0) this.#leave(step, at, nowMs);
    return this.view;
  }

  #leave(step: Step, at: number, nowMs: number): void {
    const { parties } = this.view;
    const gone = parties[at]!;
    this.#left.push(gone);
    if (step === 'leave') this.#set(parties.filter((party) => party !== gone));
    else this.#set(parties.map((party) => (party === gone ? this.#newParty(gone.stream, nowMs) : party)));
  }

  #newParty(stream: number, joinedAtMs: number): PartyView {
    return partyView(++this.#parties, { stream, joinedAtMs });
  }

  #set(parties: PartyView[]): void {
    this.view = { ...this.view, parties };
  }
}

test('RFC 7865 section 4: updates, laid one over the other, are the complete document, whatever happens', () => {
  fc.assert(
    fc.property(happenings, fc.boolean(), (all, endsSession) => {
      const conversation = new Happenings();
      const metadata = begin(conversation.view);
      let known = applyMetadata(null, read(metadata.complete()));
      let nowMs = STARTED_MS + 2_000;
      for (const one of all) {
        nowMs += 1_000;
        const partial = metadata.update(conversation.happen(one, nowMs), label, nowMs);
        if (partial !== null) known = applyMetadata(known, read(partial));
        assert.deepEqual(sorted(known), sorted(read(metadata.complete())));
      }
      known = applyMetadata(known, read(metadata.stop('over', endsSession, nowMs + 1_000)));
      assert.deepEqual(sorted(known), sorted(read(metadata.complete())));
    }),
    { numRuns: 200, examples: [[[{ step: 'rename', which: 0, text: '\0' }], false]] },
  );
});

test('RFC 7865 section 9: complete and partial documents of all kinds are valid', { skip: withoutXmllint }, () => {
  const documents: string[] = [];
  for (const all of fc.sample(happenings, { numRuns: 40, seed: 7865 })) {
    const conversation = new Happenings();
    const metadata = begin(conversation.view);
    documents.push(buildMetadata(metadata.complete()));
    let nowMs = STARTED_MS;
    for (const one of all) {
      nowMs += 1_000;
      const partial = metadata.update(conversation.happen(one, nowMs), label, nowMs);
      if (partial !== null) documents.push(buildMetadata(partial));
    }
    documents.push(buildMetadata(metadata.complete()), buildMetadata(metadata.stop('over', true, nowMs)));
  }
  assert.ok(documents.length > 200);
  assertValid(documents);
  assert.throws(() =>
    assertValid([documents[0]!.replaceAll('<stream ', '<streams ').replaceAll('</stream>', '</streams>')]),
  );
});

test('ids that are no UUIDs become some', () => {
  assert.equal(metadataId('550e8400-e29b-41d4-a716-446655440000'), 'VQ6EAOKbQdSnFkRmVUQAAA==');
  assert.equal(Buffer.from(metadataId('call 7'), 'base64').length, 16);
  assert.notEqual(metadataId('call 7'), metadataId('call 8'));
  assert.notEqual(metadataId(randomUUID()), metadataId(randomUUID()));
});
