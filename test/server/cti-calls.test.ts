/** Calls and recordings that are joined: in any order, each once, and no more of them than there is room for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CallEvent } from '../../src/cti/index.ts';
import { CtiCalls, type FollowedRecording } from '../../src/server/cti-calls.ts';
import { callKey } from '../../src/server/cti-keys.ts';
import type { Recording, RecordingCti } from '../../src/store/recording.ts';

const uuidOf = (n: number) => n.toString(16).padStart(32, '0');

function event(n: number, more: Partial<CallEvent> = {}): CallEvent {
  return {
    ...{ message: 'EventEstablished', EventSequenceNumber: n, TimeinSecs: n, TimeinuSecs: 0, ThisDN: '5001' },
    ...{ ConnID: 'a1', CallUUID: uuidOf(n), CallType: 'Internal', CallState: 'established', ANI: '1', DNIS: '2' },
    ...{ SIPCallIDs: [], UserData: {} },
    ...more,
  };
}

function recording(id: string, callUuid: string | null): FollowedRecording & { told: RecordingCti[] } {
  const told: RecordingCti[] = [];
  return {
    ...{ id, told, metadata: null, paused: false },
    facts: {
      ...{ sipCallId: `call-${id}`, communicationSessionId: callUuid, kind: 'siprec', source: '', userAgent: null },
      genesys: null,
    },
    setCti: (cti) => void told.push(cti),
    pause: async () => {},
    view: () => ({ id }) as Recording,
  };
}

function calls(maxKept = 100) {
  const rows = new Map<string, Recording>();
  const catalogue = {
    get: (id: string) => rows.get(id) ?? null,
    put: (row: Recording) => void rows.set(row.id, row),
  };
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const joined = new CtiCalls({ catalogue, followPause: true, now: () => 1000, onError, maxKept });
  return { joined, rows, errors };
}

describe('calls and recordings', () => {
  test('ids in every spelling are one', () => {
    const plain = '0190a1b2c3d44e5f8a6b7c8d9e0f1a2b';
    const base64 = Buffer.from(plain, 'hex').toString('base64');
    for (const id of [plain, '0190A1B2-C3D4-4E5F-8A6B-7C8D9E0F1A2B', `urn:uuid:${plain}`, base64]) {
      assert.equal(callKey(id), plain);
    }
    assert.equal(callKey('2018-02-21:20-14-33'), '2018-02-21:20-14-33');
  });

  test('agents are gathered over a transfer, not those whose phones only ring; what says nothing new is not stored again', () => {
    const { joined } = calls();
    const mine = recording('r', uuidOf(1));
    joined.runs(mine);
    joined.onEvent(event(1, { message: 'EventRinging', AgentID: 'never-answered' }));
    joined.onEvent(event(1, { AgentID: 'anna' }));
    joined.onEvent(event(1, { AgentID: 'anna', message: 'EventHeld' }));
    joined.onEvent(event(1, { AgentID: 'bert', ThisDN: '5002' }));
    assert.deepEqual(
      mine.told.map(({ agents }) => agents.map(({ agentId }) => agentId)),
      [[], ['anna'], ['anna', 'bert']],
    );
  });

  test('attached data that is too much is left out, and the row of what has ended is completed', () => {
    const { joined, rows, errors } = calls();
    const mine = recording('r', uuidOf(1));
    joined.runs(mine);
    joined.ended(mine);
    rows.set('r', { id: 'r', state: 'complete' } as Recording);
    joined.onEvent(event(1, { UserData: { long: 'x'.repeat(40_000), short: 'kept' } }));
    assert.deepEqual(rows.get('r')?.cti?.userData, { short: 'kept' });
    rows.set('r', { id: 'r', state: 'discarded' } as Recording);
    joined.onEvent(event(1, { UserData: { more: '1' } }));
    assert.equal(rows.get('r')?.cti, undefined);
    assert.deepEqual([mine.told, errors], [[], []]);
  });

  test('no more calls and recordings are kept than there is room for, but those that run', () => {
    const { joined, rows } = calls(10);
    const running = recording('running', uuidOf(1));
    joined.runs(running);
    joined.onEvent(event(1));
    for (let n = 2; n < 200; n++) joined.onEvent(event(n));
    assert.equal(joined.callUuidOf('running'), uuidOf(1));
    joined.onEvent(event(1, { UserData: { late: '1' } }));
    assert.deepEqual(running.told.at(-1)?.userData, { late: '1' });
    for (let n = 300; n < 350; n++) {
      const one = recording(`r${n}`, uuidOf(n));
      joined.runs(one);
      joined.ended(one);
      rows.set(one.id, { id: one.id, state: 'complete' } as Recording);
    }
    joined.onEvent(event(301));
    joined.onEvent(event(349));
    assert.deepEqual([rows.get('r301')?.cti, rows.get('r349')?.cti?.callUuid], [undefined, uuidOf(349)]);
  });
});
