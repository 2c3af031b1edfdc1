/** Recordings for tests: one to begin with, and fast-check arbitraries that meet often enough to be found together. */
import fc from 'fast-check';
import { RECORDING_STATES, type Recording, type RecordingParticipant } from '../../src/store/recording.ts';

export const FIRST_ID = '0b9d2a54-3c1e-4f6a-8d27-5e9f10a4c3b1';

export function recording(changes: Partial<Recording> = {}): Recording {
  return {
    id: FIRST_ID,
    state: 'complete',
    startedAt: '2026-01-31T09:30:00.000Z',
    endedAt: '2026-01-31T09:30:10.000Z',
    durationMs: 10_000,
    sipCallId: 'call-1@src.example',
    communicationSessionId: 'session-1',
    participants: [
      { id: 'p1', aor: 'sip:alice@example.com', name: 'Alice Ångström', channel: 0 },
      { id: 'p2', aor: 'tel:+15551001', name: null, channel: 1 },
    ],
    streams: [
      {
        label: '1',
        channel: 0,
        codec: 'PCMU',
        srtp: null,
        ssrcs: [0xdeadbeef],
        jitterMs: 0.125,
        packets: {
          expected: 500,
          received: 497,
          lost: 3,
          dropped: 0,
          paused: 0,
          late: 1,
          duplicate: 2,
          unauthenticated: 0,
        },
      },
    ],
    recovered: false,
    warnings: [],
    ...changes,
  };
}

/** Few different values, so that queries hit; odd characters, so that quoting is tried. */
const NAMES = [
  'Alice',
  'alicia',
  'BOB',
  'Ångström',
  'Straße',
  '李小龍',
  '100%',
  '_x_',
  `O'Neil "q"`,
  'a\0b',
  '\ud800',
  '',
];
const AORS = ['sip:alice@example.com', 'sip:BOB@example.com', 'tel:+15551001', 'sip:1001@pbx;x="y"', 'sip:%41@x'];
const CALL_IDS = ['call-1', 'call-2', 'CALL-1', `'; DROP TABLE recording; --`, ''];
const SESSION_IDS = ['call-1', 'session-1', null];

const participant: fc.Arbitrary<RecordingParticipant> = fc.record({
  id: fc.constantFrom('p1', 'p2', 'alice', 'NQ=='),
  aor: fc.option(fc.constantFrom(...AORS)),
  name: fc.option(fc.oneof(fc.constantFrom(...NAMES), fc.string({ unit: 'binary', maxLength: 6 }))),
  channel: fc.constantFrom(0, 1, null),
});

/** Few instants too, so that pages break among equal ones. */
const instant = fc.integer({ min: 0, max: 7 }).map((n) => new Date(1_770_000_000_000 + n * 500).toISOString());

export const anyRecording: fc.Arbitrary<Recording> = fc
  .record({
    id: fc.uuid(),
    state: fc.constantFrom(...RECORDING_STATES),
    startedAt: instant,
    sipCallId: fc.constantFrom(...CALL_IDS),
    communicationSessionId: fc.constantFrom(...SESSION_IDS),
    participants: fc.array(participant, { maxLength: 3 }),
    warnings: fc.array(fc.constantFrom('no label on m-line 2', 'metadata part missing'), { maxLength: 2 }),
  })
  .map(recording);

const someText = fc.oneof(
  fc.constantFrom(
    ...NAMES,
    ...AORS,
    'ali',
    'ALI',
    'angst',
    'strasse',
    'no meta',
    'pcmu',
    '小',
    '@',
    '"',
    '*',
    'x" OR "',
    '1001',
  ),
  fc.string({ unit: 'binary', maxLength: 4 }),
);

export const anyQuery = fc.record(
  {
    from: instant,
    to: instant,
    participant: someText,
    callId: fc.constantFrom(...CALL_IDS, 'session-1', 'nothing'),
    text: fc.oneof(
      someText,
      fc.tuple(someText, someText).map(([a, b]) => `${a} ${b}`),
    ),
    state: fc.constantFrom(...RECORDING_STATES),
    limit: fc.integer({ min: 1, max: 5 }),
  },
  { requiredKeys: ['limit'] },
);
