import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildOffer, parseSdp, staticPayloadType } from '../../src/sdp/index.ts';
import {
  applyMetadata,
  buildMetadata,
  buildSiprecBody,
  emptyMetadata,
  parseMetadata,
  parseSnapshotRequest,
  participantsByLabel,
  type RsMetadata,
  type RsParticipantStreams,
  readBodies,
  requestSnapshot,
  snapshotRequestContentType,
} from '../../src/siprec/index.ts';

const id = fc.stringMatching(/^[A-Za-z0-9+/]{1,22}={0,2}$/);
// Text as XML carries it: collapsed and trimmed, without the characters that XML 1.0 lacks.
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((s) => `x${s}y`.replace(/[\s\p{C}]+/gu, ' '));
const orNull = <T>(a: fc.Arbitrary<T>) => fc.option(a);
const times = { associateTime: orNull(text), disassociateTime: orNull(text) };
const foreign = fc.constantFrom('', '<x:a xmlns:x="urn:x" x:b="1&quot;">t &amp; <x:c/></x:a>');
const uniqueBy = { selector: (x: { id: string }) => x.id, maxLength: 4 };

const metadata: fc.Arbitrary<RsMetadata> = fc.record({
  dataMode: fc.constantFrom('complete' as const, 'partial' as const),
  groups: fc.uniqueArray(fc.record({ id, ...times, extensions: foreign }), uniqueBy),
  sessions: fc.uniqueArray(
    fc.record({
      id,
      sipSessionIds: fc.array(text, { maxLength: 2 }),
      groupRef: orNull(id),
      reason: orNull(text),
      startTime: orNull(text),
      stopTime: orNull(text),
      extensions: foreign,
    }),
    uniqueBy,
  ),
  participants: fc.uniqueArray(
    fc
      .record({
        id,
        nameIds: fc.array(fc.record({ aor: orNull(text.filter((t) => !t.includes('<'))), name: orNull(text) }), {
          maxLength: 2,
        }),
        sessions: fc.array(id, { maxLength: 2 }),
        extensions: foreign,
      })
      .map((p) => ({ ...p, aor: p.nameIds[0]?.aor ?? null, name: p.nameIds[0]?.name ?? null })),
    uniqueBy,
  ),
  streams: fc.uniqueArray(
    fc.record({
      id,
      sessionId: orNull(id),
      label: orNull(text),
      mode: orNull(fc.constantFrom('mixed', 'separate')),
      extensions: foreign,
    }),
    uniqueBy,
  ),
  sessionRecordings: fc.array(fc.record({ sessionId: id, ...times }), { maxLength: 2 }),
  participantSessions: fc.array(
    fc.record({
      participantId: id,
      sessionId: orNull(id),
      ...times,
      params: fc.array(fc.record({ name: text, value: text }), { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
  participantStreams: fc.uniqueArray(
    fc.record({
      participantId: id,
      send: fc.uniqueArray(id, { maxLength: 3 }),
      recv: fc.uniqueArray(id, { maxLength: 3 }),
      ...times,
    }),
    { selector: (a: RsParticipantStreams) => a.participantId, maxLength: 4 },
  ),
  extensions: foreign,
});

test('RFC 7865 9: property - metadata that is written is read back the same', () => {
  fc.assert(
    fc.property(metadata, (generated) => {
      // Some generated objects have no prototype; a copy has.
      const md = structuredClone(generated);
      const { metadata: read, warnings } = parseMetadata(buildMetadata(md));
      const silent = md.participants.length + md.sessions.length + md.streams.length > 0;
      if (silent) assert.deepEqual(warnings, []);
      assert.deepEqual(read, md);
    }),
  );
});

const BASE = parseMetadata(`<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
  <session session_id="s"><start-time>2026-01-02T03:04:05Z</start-time></session>
  <participant participant_id="a"><nameID aor="sip:anna@example.com"><name>Anna</name></nameID></participant>
  <participant participant_id="b"><nameID aor="sip:ben@example.com"/></participant>
  <stream stream_id="t1" session_id="s"><label>1</label></stream><stream stream_id="t2" session_id="s"><label>2</label></stream>
  <participantstreamassoc participant_id="a"><send>t2</send><recv>t1</recv></participantstreamassoc>
  <participantstreamassoc participant_id="b"><send>t1</send><recv>t2</recv></participantstreamassoc></recording>`).metadata;

function partial(inner: string, mode = 'partial'): RsMetadata {
  const xml = `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>${mode}</datamode>${inner}</recording>`;
  return parseMetadata(xml).metadata;
}

function channels(md: RsMetadata, labels: string[], previous?: Parameters<typeof participantsByLabel>[2]) {
  return participantsByLabel(md, labels, previous).participants.map((p) => [p.id, p.channel]);
}

test('RFC 7865 4: partial updates add and change by id, and leave the rest', () => {
  const joined = applyMetadata(
    BASE,
    partial(`<participant participant_id="c"><nameID aor="sip:carol@example.com"><name>Carol</name></nameID></participant>
      <stream stream_id="t3" session_id="s"><label>3</label></stream>
      <participantstreamassoc participant_id="c"><send>t3</send></participantstreamassoc>
      <participant participant_id="b"><nameID aor="sip:ben@example.com"><name>Ben</name></nameID></participant>`),
  );
  assert.deepEqual(channels(joined, ['1', '2', '3']), [
    ['a', 1],
    ['b', 0],
    ['c', 2],
  ]);
  assert.deepEqual(
    joined.participants.map((p) => p.name),
    ['Anna', 'Ben', 'Carol'],
  );
  assert.equal(joined.sessions[0]?.startTime, '2026-01-02T03:04:05Z');
  const ended = applyMetadata(
    joined,
    partial('<session session_id="s"><stop-time>2026-01-02T03:05:05Z</stop-time></session>'),
  );
  assert.equal(ended.sessions[0]?.startTime, '2026-01-02T03:04:05Z');
  assert.equal(ended.sessions[0]?.stopTime, '2026-01-02T03:05:05Z');
  assert.equal(BASE.participants.length, 2);
});

test('RFC 7865 4: a complete document replaces everything', () => {
  const update = partial(
    '<participant participant_id="z"><nameID aor="sip:zoe@example.com"/></participant>',
    'complete',
  );
  assert.deepEqual(
    applyMetadata(BASE, update).participants.map((p) => p.id),
    ['z'],
  );
  assert.equal(applyMetadata(null, partial('')).dataMode, 'complete');
});

test('a "complete" BYE with nothing but the end of the session does not wipe the participants out', () => {
  const md = applyMetadata(
    BASE,
    partial('<session session_id="s"><end-time>2026-01-02T03:05:05Z</end-time></session>', 'complete'),
  );
  assert.equal(md.participants.length, 2);
  assert.equal(md.sessions[0]?.stopTime, '2026-01-02T03:05:05Z');
});

test('RFC 7866 9: hold empties the associations, and everyone stays on the channel they were on', () => {
  const before = participantsByLabel(BASE, ['1', '2']).participants;
  const held = applyMetadata(
    BASE,
    partial('<participantstreamassoc participant_id="a"/><participantstreamassoc participant_id="b"/>'),
  );
  assert.deepEqual(
    held.participantStreams.map((a) => a.send),
    [[], []],
  );
  const placed = participantsByLabel(held, ['1', '2'], before);
  assert.deepEqual(placed.participants, before);
  assert.deepEqual(placed.warnings, []);
});

test('after a transfer, who has left stays in the list; a nameless placeholder does not', () => {
  const before = participantsByLabel(BASE, ['1', '2']).participants;
  before.push({ id: 'placeholder', aor: null, name: null, channel: 0 });
  const after = partial(
    `<participant participant_id="a"><nameID aor="sip:anna@example.com"/></participant>
     <participant participant_id="c"><nameID aor="sip:carol@example.com"/></participant>
     <stream stream_id="t1"><label>1</label></stream><stream stream_id="t2"><label>2</label></stream>
     <participantstreamassoc participant_id="a"><send>t2</send></participantstreamassoc>
     <participantstreamassoc participant_id="c"><send>t1</send></participantstreamassoc>`,
    'complete',
  );
  assert.deepEqual(channels(applyMetadata(BASE, after), ['1', '2'], before), [
    ['a', 1],
    ['c', 0],
    ['b', 0],
  ]);
});

test('where the metadata is silent, places follow by elimination', () => {
  const streams = '<stream stream_id="t1"><label>1</label></stream><stream stream_id="t2"><label>2</label></stream>';
  const people =
    '<participant participant_id="a"><name>A</name></participant><participant participant_id="b"><name>B</name></participant>';
  const one = partial(
    `${people}${streams}<participantstreamassoc participant_id="a"><send>t2</send></participantstreamassoc>`,
  );
  assert.deepEqual(channels(one, ['1', '2']), [
    ['a', 1],
    ['b', 0],
  ]);
  const heard = partial(
    `${people}${streams}<participantstreamassoc participant_id="b"><recv>t2</recv></participantstreamassoc>`,
  );
  assert.deepEqual(channels(heard, ['1', '2']), [
    ['a', 1],
    ['b', 0],
  ]);
  const three = partial(`${people}<participant participant_id="c"><name>C</name></participant>${streams}`);
  const placed = participantsByLabel(three, ['1', '2']);
  assert.deepEqual(
    placed.participants.map((p) => p.channel),
    [0, 1, null],
  );
  assert.equal(placed.warnings.length, 2);
});

test('labels that do not match are matched by order, with a warning', () => {
  const placed = participantsByLabel(BASE, ['leg-a', 'leg-b']);
  assert.deepEqual(
    placed.participants.map((p) => p.channel),
    [1, 0],
  );
  assert.match(placed.warnings.join(), /matched by order/);
  assert.match(participantsByLabel(BASE, ['x', 'y', 'z']).warnings.join(), /no stream of the metadata has the label/);
});

test('metadata that contradicts itself is warned of', () => {
  const same = '<stream stream_id="t1"><label>1</label></stream><stream stream_id="t2"><label>1</label></stream>';
  assert.match(
    participantsByLabel(partial(same), ['1', '2']).warnings.join(),
    /two streams of the metadata have the label 1/,
  );
  const both = applyMetadata(
    BASE,
    partial('<participantstreamassoc participant_id="a"><send>t1</send></participantstreamassoc>'),
  );
  assert.match(participantsByLabel(both, ['1', '2']).warnings.join(), /2 participants send the stream of channel 0/);
});

test('RFC 7866 9.2: the request for a snapshot', () => {
  const xml = requestSnapshot('lost <state> & "more"');
  assert.deepEqual(parseSnapshotRequest(xml), { reason: 'lost <state> & "more"' });
  assert.match(xml, /xmlns="urn:ietf:params:xml:ns:recording:1"/);
  assert.equal(parseSnapshotRequest(buildMetadata(BASE)), null);
  assert.equal(snapshotRequestContentType(undefined), 'application/rs-metadata+xml');
  assert.equal(
    snapshotRequestContentType('application/sdp, application/rs-metadata-request'),
    'application/rs-metadata-request',
  );
  assert.equal(snapshotRequestContentType('application/sdp,application/rs-metadata;q=1'), 'application/rs-metadata');
});

test('RFC 7866 9.1: the body of a recording client is taken apart again', () => {
  const pt = staticPayloadType(0)!;
  const offer = buildOffer({
    address: '192.0.2.5',
    sessionId: '1',
    version: 1,
    media: ['1', '2'].map((label, i) => ({ port: 5000 + 2 * i, label, payloadTypes: [pt] })),
  });
  const body = buildSiprecBody(offer, BASE);
  const read = readBodies(body.contentType, body.content);
  assert.deepEqual(read.warnings, []);
  assert.equal(read.offer?.toString(), parseSdp(offer.toString()).toString());
  assert.deepEqual(read.metadata, BASE);
});

test('CVE-2026-26278 and its kind: no DTD, bounded depth and size, no entities', () => {
  const laughs =
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><recording><session session_id="&b;"/></recording>';
  const dtd = parseMetadata(laughs);
  assert.deepEqual(dtd.metadata, emptyMetadata());
  assert.match(dtd.warnings.join(), /DOCTYPE/);
  const deep = parseMetadata(`<recording>${'<session session_id="s">'.repeat(50_00)}`);
  assert.match(deep.warnings.join(), /deeper than 32/);
  assert.match(parseMetadata(`<recording>${' '.repeat(300_000)}</recording>`).warnings.join(), /not read/);
  const entity = parseMetadata(
    '<recording><participant participant_id="p"><name>&xxe;</name></participant></recording>',
  );
  assert.equal(entity.metadata.participants[0]?.name, '&xxe;');
  assert.ok(entity.warnings.length > 0);
});

test('what is not XML at all is a warning', () => {
  for (const bad of [
    '',
    'hello',
    '<',
    '<recording',
    '\0\0\0',
    '<recording><participant',
    '</recording>',
    '<html><body/></html>',
  ]) {
    const { metadata: md, warnings } = parseMetadata(bad);
    assert.deepEqual(md.participants, []);
    assert.ok(warnings.length > 0, bad);
  }
});

test('XML 1.0 4.3.3: UTF-16 and Latin-1 are read', () => {
  const xml = '<recording><participant participant_id="p"><name>Zoë</name></participant></recording>';
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(xml, 'utf16le')]);
  for (const bytes of [utf16, Buffer.from(xml, 'latin1'), Buffer.from(`\ufeff${xml}`, 'utf8')]) {
    assert.equal(parseMetadata(bytes).metadata.participants[0]?.name, 'Zoë');
  }
});

test('foreign elements are kept with their namespaces', () => {
  const md = partial(
    '<group group_id="g"><ext:seq xmlns:ext="urn:e" ext:k="v">1<ext:in/></ext:seq></group><y xmlns="urn:y">2</y>',
  );
  assert.equal(md.groups[0]?.extensions, '<ext:seq xmlns:ext="urn:e" ext:k="v">1<ext:in/></ext:seq>');
  assert.equal(md.extensions, '<y xmlns="urn:y">2</y>');
  assert.deepEqual(parseMetadata(buildMetadata(md)).metadata, md);
});

test('lists inside wrapper elements are found', () => {
  const md = partial(
    '<participants><participant id="a"><name>A</name></participant></participants><streams><stream id="t"><label>1</label></stream></streams>',
  );
  assert.deepEqual([md.participants.length, md.streams[0]?.label, md.extensions], [1, '1', '']);
});

test('drafts of RFC 7865: a stream named inside its participant', () => {
  const md = partial(
    '<stream id="t1"><label>1</label></stream><stream id="t2"><label>2</label></stream><participant id="a"><name>A</name><stream>t2</stream></participant>',
  );
  assert.deepEqual(channels(md, ['1', '2']), [['a', 1]]);
  assert.equal(md.streams.length, 2);
});

test('a guess is made anew when more is known; what was said sticks', () => {
  const silent = partial(
    '<participant participant_id="a"><name>A</name></participant><participant participant_id="b"><name>B</name></participant>',
  );
  const first = participantsByLabel(silent, ['1']).participants;
  assert.deepEqual(
    first.map((p) => [p.channel, p.guessed]),
    [
      [0, true],
      [0, true],
    ],
  );
  assert.deepEqual(channels(silent, ['1', '2'], first), [
    ['a', 0],
    ['b', 1],
  ]);
  const said = participantsByLabel(BASE, ['1', '2']).participants;
  assert.ok(said.every((p) => p.guessed === undefined));
});

test('who sends a stream that is not recorded is on no channel', () => {
  const placed = participantsByLabel(BASE, new Map([['2', 0]]));
  assert.deepEqual(
    placed.participants.map((p) => p.channel),
    [0, null],
  );
  assert.match(placed.warnings.join(), /1 participant\(s\) send a stream that is not recorded/);
});
