/** The link's two ends as state machines: the log, subscriptions, rates, and a client that loses its connection at every place. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  BackOff,
  type CallEvent,
  type CtiCall,
  CtiError,
  callEvent,
  errorEvent,
  LinkClient,
  type LinkOutput,
  ReplayLog,
  RequestRate,
  readEvent,
  readRequest,
  recordState,
  recordUserData,
  Subscriptions,
} from '../../src/cti/index.ts';

const NUMBERS = { start: 1, stop: 2, pause: 3, resume: 4 };
const CALL: CtiCall = {
  id: '0190A1B2-c3d4-4e5f-8a6b-7c8d9e0f1a2b',
  connId: '00000000000000a1',
  startedAtMs: Date.UTC(2013, 7, 19, 21, 11, 22),
  sipCallIds: ['x@y'],
  ani: '5001',
  dnis: '5000',
  parties: [
    { dn: '5001', aor: 'sip:5001@x', name: 'A', agentId: null },
    { dn: '5000', aor: 'sip:5000@x', name: 'B', agentId: 'anna' },
  ],
  userData: {},
  recordedDn: '5001',
  state: 'established',
  recordings: [],
};

function happening(dn: string) {
  const rest = { otherDn: null, thirdDn: null, previousConnId: null, cause: null };
  return callEvent({ type: 'established', dn, atMs: 1000, call: CALL, ...rest }, NUMBERS);
}

function gapOf(work: () => unknown): void {
  assert.throws(work, (error) => error instanceof CtiError && error.error === 'gap');
}

describe('GSIP_RECORD and GSIP_REC_FN', () => {
  const recording = (state: 'recording' | 'paused' | 'ended', id = 'r1') => ({
    ...{ id, recorder: 'first', state, sinceMs: CALL.startedAtMs },
  });
  test('on while one records, paused while all that are left are paused, off without any', () => {
    const state = (...states: ('recording' | 'paused' | 'ended')[]) =>
      recordState({ recordings: states.map((one, i) => recording(one, `${i}`)) });
    assert.deepEqual(
      [state(), state('ended'), state('paused', 'ended'), state('paused', 'recording')],
      ['OFF', 'OFF', 'PAUSED', 'ON'],
    );
  });

  test('the name has CallUUID, ANI, DNIS, recorded DN, start and host; numbers can’t make a path of it', () => {
    const call = { ...CALL, recordings: [recording('recording')] };
    assert.deepEqual(recordUserData(call, 'host'), {
      GSIP_RECORD: 'ON',
      GSIP_REC_FN: '0190a1b2c3d44e5f8a6b7c8d9e0f1a2b_5001_5000_5001_2013-08-19_21-11-22_host',
    });
    const evil = recordUserData({ ...call, ani: '../../etc/passwd', dnis: 'a/b\0' }, 'host')!;
    assert.match(evil.GSIP_REC_FN!, /_-\.\.-etc-passwd_a-b-_/);
    assert.ok(!evil.GSIP_REC_FN!.includes('/'));
    const attached = { GSIP_RECORD: 'ON', GSIP_REC_FN: 'name' };
    assert.equal(recordUserData({ ...call, userData: attached }, 'host'), null);
    assert.equal(recordUserData(CALL, 'host'), null);
    const over = { ...CALL, userData: attached, recordings: [recording('ended')] };
    assert.deepEqual(recordUserData(over, 'host'), { GSIP_RECORD: 'OFF' });
  });
});

describe('replay log and subscriptions', () => {
  test('bounded by number and by size; what is gone is a gap', () => {
    const few = new ReplayLog({ maxEvents: 3, maxCharacters: 1e9 });
    for (let i = 0; i < 5; i++) few.append(happening('1'));
    assert.deepEqual([few.last, few.oldestAfter, few.get(2), few.get(3)?.seq], [5, 2, null, 3]);
    assert.deepEqual([few.covers(1), few.covers(2), few.covers(5), few.covers(6)], [false, true, true, false]);
    const small = new ReplayLog({ maxEvents: 1e9, maxCharacters: 10 });
    small.append(happening('1'));
    small.append(happening('1'));
    assert.deepEqual([small.get(1), small.get(2)?.seq], [null, 2], 'the newest stays');
  });

  test('a reader that the log has outrun is told so, and one without subscriptions has nothing to lose', () => {
    const log = new ReplayLog({ maxEvents: 3, maxCharacters: 1e9 });
    const [slow, idle] = [new Subscriptions(log, 10), new Subscriptions(log, 10)];
    slow.register('1');
    for (let i = 0; i < 4; i++) log.append(happening('2'));
    assert.equal(slow.isOutrun, true);
    gapOf(() => slow.next());
    assert.equal(idle.next(), null);
    idle.monitorAll(true);
    log.append(happening('2'));
    assert.equal(idle.next()?.seq, 5);
  });

  test('too many addresses are refused', () => {
    const log = new ReplayLog({ maxEvents: 3, maxCharacters: 1e9 });
    const all = new Subscriptions(log, 2);
    all.register('1');
    all.register('2');
    assert.throws(() => all.register('3'), /monitor all calls/);
    all.unregister('1');
    assert.equal(all.register('3'), true);
  });

  test('any order of subscriptions, events and reading: each wanted event once, in order', () => {
    const dns = ['1', '2', '3'];
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('event'), dn: fc.constantFrom(...dns) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('read'), dn: fc.constant('') }) },
      fc.record({ do: fc.constantFrom('on', 'off'), dn: fc.constantFrom(...dns, '*') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const log = new ReplayLog({ maxEvents: 1000, maxCharacters: 1e9 });
        const subscriptions = new Subscriptions(log, 10);
        const wanted = new Map<string, boolean>();
        const expected: number[] = [];
        const read: number[] = [];
        const readAll = () => {
          for (let next = subscriptions.next(); next; next = subscriptions.next()) read.push(next.seq);
        };
        for (const { do: what, dn } of steps) {
          if (what === 'event') {
            const { seq } = log.append(happening(dn));
            if (wanted.get(dn) || wanted.get('*')) expected.push(seq);
          } else if (what === 'read') readAll();
          else {
            if (what === 'off') readAll(); // what is not read when a subscription ends is not owed
            wanted.set(dn, what === 'on');
            if (dn === '*') subscriptions.monitorAll(what === 'on');
            else if (what === 'on') subscriptions.register(dn);
            else subscriptions.unregister(dn);
          }
        }
        readAll();
        assert.deepEqual(read, expected);
      }),
    );
  });
});

describe('a client’s link', () => {
  /** The server's side of one connection, as the client's machine sees it. */
  class Connection {
    readonly subscriptions: Subscriptions;
    readonly #log: ReplayLog;
    readonly #linkId: string;
    constructor(log: ReplayLog, linkId: string) {
      this.#log = log;
      this.#linkId = linkId;
      this.subscriptions = new Subscriptions(log, 10);
    }
    hello(): string {
      const rest = { OldestSequenceNumber: 0, KeepAliveMs: 1000, PrivateMessages: NUMBERS };
      const hello = { LinkID: this.#linkId, EventSequenceNumber: this.#log.last, ...rest };
      return JSON.stringify({ message: 'EventLinkConnected', ...hello });
    }
    answer(text: string): string {
      const request = readRequest(text);
      const ack = { message: 'EventACK', ReferenceID: request.ReferenceID, EventSequenceNumber: this.#log.last };
      if (request.message !== 'RequestResume') {
        this.subscriptions.monitorAll(true);
        return JSON.stringify(ack);
      }
      try {
        this.subscriptions.resume(request.EventSequenceNumber, [], true);
        return JSON.stringify(ack);
      } catch (error) {
        return JSON.stringify(errorEvent(error as CtiError, request.ReferenceID));
      }
    }
  }

  const sent = (outputs: LinkOutput[]) => outputs.flatMap((one) => (one.type === 'send' ? [one.text] : []));

  test('cut off anywhere, it misses nothing while the log reaches back, and says so when it does not', () => {
    const step = fc.constantFrom('event', 'event', 'event', 'deliver', 'deliver', 'cut', 'restart');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 2, max: 50 }), (steps, maxEvents) => {
        let log = new ReplayLog({ maxEvents, maxCharacters: 1e9 });
        let life = 1;
        const client = new LinkClient();
        let connection = null as Connection | null;
        const seen: string[] = [];
        let gaps = 0;
        const take = (text: string): void => {
          for (const output of client.received(text)) {
            assert.notEqual(output.type, 'fault');
            if (output.type === 'event') seen.push(`${life}.${(output.event as CallEvent).EventSequenceNumber}`);
            if (output.type === 'gap') gaps += 1;
            if (output.type === 'send') take(connection!.answer(output.text));
          }
        };
        const connect = () => {
          connection = new Connection(log, `00000000-0000-0000-0000-${String(life).padStart(12, '0')}`);
          take(connection.hello());
        };
        connect();
        let happened = 0;
        let restarts = 0;
        for (const what of steps) {
          if (what === 'event') {
            log.append(happening('1'));
            happened += 1;
          } else if (what === 'deliver') {
            if (!connection || connection.subscriptions.isOutrun) {
              client.closed();
              connect();
            }
            const next = connection!.subscriptions.next();
            if (next) take(next.text);
          } else {
            client.closed();
            connection = null;
            if (what === 'restart') {
              log = new ReplayLog({ maxEvents, maxCharacters: 1e9 });
              life += 1;
              restarts += 1;
            }
          }
        }
        if (!connection || connection.subscriptions.isOutrun) connect();
        for (let next = connection!.subscriptions.next(); next; next = connection!.subscriptions.next())
          take(next.text);
        assert.equal(new Set(seen).size, seen.length, 'none comes twice');
        if (gaps === 0) assert.equal(seen.length, happened, 'without a gap none is missing');
        if (happened <= maxEvents && restarts === 0) assert.equal(gaps, 0);
      }),
      { numRuns: 500 },
    );
  });

  test('a number that is missing is a gap; an old one is not told again', () => {
    const client = new LinkClient();
    const log = new ReplayLog({ maxEvents: 100, maxCharacters: 1e9 });
    const connection = new Connection(log, '00000000-0000-0000-0000-000000000001');
    const [monitor] = sent(client.received(connection.hello()));
    assert.deepEqual(client.received(connection.answer(monitor!)), [{ type: 'ready', resumed: false }]);
    const texts = [1, 2, 3].map(() => log.append(happening('1')).text);
    assert.deepEqual(
      [texts[0]!, texts[0]!, texts[2]!].flatMap((text) => client.received(text).map(({ type }) => type)),
      ['event', 'gap', 'event'],
    );
  });

  test('answers go to who has asked; what can’t be read is a fault, what is not known is let go', () => {
    const client = new LinkClient();
    const { referenceId, text } = client.request({ message: 'RequestRegisterAddress', ThisDN: '5001' });
    assert.equal(readRequest(text).ReferenceID, referenceId);
    const answer = { message: 'EventRegistered', ReferenceID: referenceId, ThisDN: '5001' };
    assert.deepEqual(client.received(JSON.stringify(answer)), [{ type: 'answer', referenceId, answer }]);
    assert.deepEqual(client.received('{"message":"EventOfTheFuture"}'), []);
    assert.equal(client.received('{')[0]?.type, 'fault');
    assert.equal(client.received('{"message":"EventRinging"}')[0]?.type, 'fault');
  });

  test('whatever a server sends is read or refused with an Error', () => {
    const log = new ReplayLog({ maxEvents: 100, maxCharacters: 1e9 });
    const good = JSON.parse(log.append(happening('1')).text) as Record<string, unknown>;
    const message = fc
      .dictionary(fc.constantFrom(...Object.keys(good), '__proto__'), fc.jsonValue(), { maxKeys: 2 })
      .map((changed) => JSON.stringify({ ...good, ...changed }));
    fc.assert(
      fc.property(fc.oneof(message, fc.json(), fc.string()), (text) => {
        try {
          readEvent(text);
        } catch (error) {
          assert.ok(error instanceof Error && error.message.length < 500);
        }
        new LinkClient().received(text);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('rates', () => {
  const RATE = { perSec: 10, burst: 5, floodAfter: 3 };
  test('a burst, then so many per second, then a flood', () => {
    const rate = new RequestRate(RATE, 0);
    const verdicts = (n: number, atMs: number) => Array.from({ length: n }, () => rate.take(atMs));
    assert.deepEqual(verdicts(6, 0), ['ok', 'ok', 'ok', 'ok', 'ok', 'too-fast']);
    assert.deepEqual(verdicts(1, 100), ['ok']);
    assert.deepEqual(verdicts(2, 100), ['too-fast', 'flood']);
    assert.deepEqual(verdicts(6, 10_000), ['ok', 'ok', 'ok', 'ok', 'ok', 'too-fast']);
    assert.equal(new RequestRate(RATE, 100).take(0), 'ok', 'a clock that goes back gives nothing and takes nothing');
  });

  test('back-off doubles up to its limit, half of it by chance, and begins anew after success', () => {
    let random = 0;
    const backOff = new BackOff({ firstMs: 100, maxMs: 1000, random: () => random });
    assert.deepEqual(
      Array.from({ length: 6 }, () => backOff.nextMs()),
      [50, 100, 200, 400, 500, 500],
    );
    random = 1;
    assert.equal(backOff.nextMs(), 1000);
    backOff.succeeded();
    assert.equal(backOff.nextMs(), 100);
  });
});
