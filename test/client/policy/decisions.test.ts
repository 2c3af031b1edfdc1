/** Who is recorded: full-time, by rules, and what else a decision says. The hook has tests of its own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { changed, smallest } from '../config/files.ts';
import { call, decisions } from './calls.ts';

const NOTHING = {
  ...{ record: 'none', reason: 'none', group: null, id: null, dest: null, params: {}, mandatory: false },
  preRecord: false,
};

describe('full-time recording', () => {
  test('of a DN, as the calling or the called side', async () => {
    const policy = decisions({}, {}, changed('extensions.1.record', true));
    const recorded = { ...NOTHING, reason: 'full-time', group: 'main' };
    assert.deepEqual(await policy.decide(call()), { ...recorded, record: 'destination' });
    assert.deepEqual(await policy.decide(call({ fromDn: '1002', toDn: '1001' })), { ...recorded, record: 'source' });
    assert.deepEqual(await policy.decide(call({ toDn: null })), NOTHING);
  });

  test('of an agent, wherever it is logged in, and of a trunk', async () => {
    const policy = decisions({ agents: ['agent-7'] }, {}, changed('trunks.0.record', true));
    const record = async (facts: object) => (await policy.decide(call(facts))).record;
    assert.equal(await record({ fromAgent: 'agent-7' }), 'source');
    assert.equal(await record({ toAgent: 'agent-7' }), 'destination');
    assert.equal(await record({ trunkIn: 'outside' }), 'source');
    assert.equal(await record({ trunkOut: 'outside' }), 'destination');
    assert.equal(await record({ fromAgent: 'agent-8', trunkIn: 'other' }), 'none');
  });

  test('of both sides is that of the calling one', async () => {
    const tree = changed('extensions.0.record', true, changed('extensions.1.record', true));
    assert.equal((await decisions({}, {}, tree).decide(call())).record, 'source');
  });

  test('no rule changes it, but disable_destination takes back that of the called side', async () => {
    const decide = (record: string, extension: number) =>
      decisions({ rules: [{ record }] }, {}, changed(`extensions.${extension}.record`, true)).decide(call());
    for (const record of ['none', 'source', 'destination']) {
      assert.equal((await decide(record, 1)).reason, 'full-time');
      assert.equal((await decide(record, 1)).record, 'destination');
    }
    const { record, reason, group } = await decide('disable_destination', 1);
    assert.deepEqual([record, reason, group], ['none', 'rule', null]);
    assert.equal((await decide('disable_destination', 0)).record, 'source');
  });
});

describe('rules', () => {
  const RULES = [
    { record: 'none', header: { name: 'X-Private', value: 'yes' } },
    { record: 'source', from: String.raw`10\d\d`, to: '2.*', group: 'archive' },
    { record: 'destination', trunk: 'outside' },
  ];

  test('the first that matches decides; all that it gives must hold', async () => {
    const policy = decisions({ rules: RULES });
    const decide = async (facts: object, headers = {}) => {
      const { record, reason, group } = await policy.decide(call(facts, headers));
      return [record, reason, group];
    };
    assert.deepEqual(await decide({ to: '2001' }), ['source', 'rule', 'archive']);
    assert.deepEqual(await decide({ to: '2001' }, { 'x-private': ' yes ' }), ['none', 'rule', null]);
    assert.deepEqual(await decide({ to: '2001', from: '10011' }), ['none', 'none', null]);
    assert.deepEqual(await decide({ trunkIn: 'outside' }), ['destination', 'rule', 'main']);
    assert.deepEqual(await decide({ trunkOut: 'outside' }), ['destination', 'rule', 'main']);
    assert.deepEqual(await decide({}), ['none', 'none', null]);
  });

  test('text of any length and kind is looked at, and what is too long matches nothing', async () => {
    const policy = decisions({ rules: [{ record: 'source', to: '.*' }] });
    assert.equal((await policy.decide(call({ to: '9'.repeat(257) }))).record, 'none');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 300 }), async (to) => {
        assert.equal(typeof (await policy.decide(call({ to }))).record, 'string');
      }),
    );
  });

  test('a percentage holds for so many calls, and the next rule has a chance at the others', async () => {
    const rules = [
      { record: 'source', percentage: 25 },
      { record: 'destination', percentage: 50 },
    ];
    const counts = new Map<string, number>();
    let state = 1;
    const random = () => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    const policy = decisions({ rules }, { random });
    for (let n = 0; n < 20_000; n++) {
      const { record } = await policy.decide(call());
      counts.set(record, (counts.get(record) ?? 0) + 1);
    }
    assert.ok(Math.abs(counts.get('source')! / 20_000 - 0.25) < 0.02, String(counts.get('source')));
    assert.ok(Math.abs(counts.get('destination')! / 20_000 - 0.375) < 0.02, String(counts.get('destination')));
    const never = decisions({ rules: [{ record: 'source', percentage: 0 }] }, { random: () => 0 });
    assert.equal((await never.decide(call())).record, 'none');
    const always = decisions({ rules: [{ record: 'source', percentage: 100 }] }, { random: () => 1 - Number.EPSILON });
    assert.equal((await always.decide(call())).record, 'source');
  });

  test('dice are thrown only for a rule whose rest holds', async () => {
    let thrown = 0;
    const random = () => {
      thrown++;
      return 0.99;
    };
    const policy = decisions({ rules: [{ record: 'source', to: '2.*', percentage: 50 }] }, { random });
    await policy.decide(call({ to: '3' }));
    assert.equal(thrown, 0);
    await policy.decide(call({ to: '2' }));
    assert.equal(thrown, 1);
  });

  const MONDAY = 5; // of January 2026
  /** Expectation by counting minutes of the week, another way than the code's. */
  function within(from: number, to: number, days: number[], weekday: number, minute: number): boolean {
    const length = to > from ? to - from : to + 1440 - from;
    return days.some((day) => {
      const since = (weekday * 1440 + minute - (day * 1440 + from) + 10_080) % 10_080;
      return since < length;
    });
  }

  test('a time of day is local, counts from the day on which it begins, and may last into the next', async () => {
    const names = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
    const clock = (minutes: number) =>
      `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1439 }),
        fc.integer({ min: 0, max: 1440 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 0, max: 1439 }),
        async (from, to, days, weekday, minute) => {
          const time = { from: clock(from), to: clock(to), days: days.map((day) => names[day]) };
          const now = () => new Date(2026, 0, MONDAY - 1 + weekday, Math.floor(minute / 60), minute % 60, 59);
          const policy = decisions({ rules: [{ record: 'source', time }] }, { now });
          const { record } = await policy.decide(call());
          assert.equal(record === 'source', within(from, to, days, weekday, minute), JSON.stringify(time));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('what else a decision says', () => {
  test('mandatory is for calls that are recorded, pre-recording for those that are not', async () => {
    const policy = decisions({ mandatory: true, preRecord: {} }, {}, changed('extensions.0.record', true));
    const recorded = await policy.decide(call());
    assert.deepEqual([recorded.record, recorded.mandatory, recorded.preRecord], ['source', true, false]);
    const other = await policy.decide(call({ fromDn: null }));
    assert.deepEqual([other.record, other.mandatory, other.preRecord], ['none', false, true]);
  });

  test('whatever the policy and the call, a decision hangs together', async () => {
    const choice = fc.constantFrom('source', 'destination', 'disable_destination', 'none');
    const dn = fc.constantFrom('1001', '1002', null);
    const rule = fc.record({
      record: choice,
      from: fc.constantFrom('1001', '.*'),
      percentage: fc.integer({ max: 100, min: 0 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(rule, { maxLength: 4 }),
        fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
        dn,
        dn,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        async (rules, [first, second, mandatory], fromDn, toDn, dice) => {
          const tree = changed('extensions.0.record', first, changed('extensions.1.record', second));
          const policy = decisions({ rules, mandatory, preRecord: {} }, { random: () => dice }, tree);
          const d = await policy.decide(call({ fromDn, toDn }));
          const isRecorded = d.record !== 'none';
          assert.equal(d.group !== null, isRecorded);
          assert.equal(d.preRecord, !isRecorded);
          assert.equal(d.mandatory, isRecorded && mandatory);
          const recordedDn = (name: string | null) => (name === '1001' && first) || (name === '1002' && second);
          if (recordedDn(fromDn)) assert.deepEqual([d.record, d.reason], ['source', 'full-time']);
          else if (recordedDn(toDn)) assert.ok(d.record === 'destination' || d.reason === 'rule');
          if (rules.length === 0 && !recordedDn(fromDn) && !recordedDn(toDn)) assert.equal(d.reason, 'none');
        },
      ),
      { numRuns: 300 },
    );
  });

  test('without a hook it is there at once, in microseconds', () => {
    const rules = Array.from({ length: 20 }, (_, n) => ({ record: 'source', from: `${n}\\d{3,9}`, to: '99.*' }));
    const policy = decisions({ rules }, {}, smallest());
    const facts = call();
    for (let n = 0; n < 2000; n++) assert.ok(policy.decideAtOnce(facts));
    const before = process.cpuUsage();
    for (let n = 0; n < 10_000; n++) policy.decideAtOnce(facts);
    const { user, system } = process.cpuUsage(before);
    assert.ok((user + system) / 10_000 < 100, `${(user + system) / 10_000} µs for a decision by 20 rules`);
  });
});
