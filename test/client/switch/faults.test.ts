/** What phones and trunks do wrong, beside a call that runs: its packets go on arriving, and it ends when a party ends it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallView } from '../../../src/client/switch/call-control.ts';
import type { SipFailure } from '../../../src/sip/index.ts';
import { until } from '../../server/rig.ts';
import { Party } from './party.ts';
import { received, SwitchRig } from './switch-rig.ts';

/** One after another, all use the same. */
const FIRST_PORT = 47_000;
const SIP_PORT = 47_790;
const REGISTRATIONS = 200;
const isRecorded = ({ recordings }: CallView) => recordings.some(({ state }) => state === 'recording');
const PHONES = { '1001': { record: true }, '1002': {}, '1003': {}, '1004': {} };

test('RFC 3261 16.3: a call that a trunk brings back again and again is over when its hops are, another goes on', async (t) => {
  const rig = await SwitchRig.start(t, {
    ...{ firstPort: FIRST_PORT, extensions: PHONES },
    config: {
      sip: [`udp:127.0.0.1:${SIP_PORT}`],
      trunks: [{ name: 'back', targets: [`sip:localhost:${SIP_PORT}`], sources: ['127.0.0.1'] }],
      dialPlan: [{ match: '9', trunk: 'back' }],
    },
  });
  await rig.call('1001', '1002');
  await rig.callWith('that is recorded', isRecorded);
  const outside = await Party.open('555');
  t.after(() => outside.close());
  const looping = assert.rejects(
    outside.call(rig.uri('9'), { from: '<sip:555@127.0.0.1>' }),
    (error: SipFailure) => error.status === 483,
  );
  await rig.talk('1001', '1002', 10, 0);
  await looping;
  await rig.talk('1001', '1002', 10, 10);
  await until('one call to be left', async () => (await rig.calls()).length === 1);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [20, 20]);
});

test('a flood of registrations with wrong passwords neither delays a call nor ends it', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: PHONES });
  await rig.call('1001', '1002');
  await rig.callWith('that is recorded', isRecorded);
  const stranger = await Party.open('1003');
  t.after(() => stranger.close());
  const flood = Array.from({ length: REGISTRATIONS }, async (_, n) => {
    const response = await stranger.endpoint.request({
      ...{ method: 'REGISTER', uri: rig.uri(''), to: rig.uri('1003'), from: rig.uri('1003') },
      headers: [['Contact', `<sip:1003@127.0.0.1:${stranger.port}>`]],
      credentials: { username: '1003', password: `guess ${n}` },
    });
    return response.status;
  });
  await rig.talk('1001', '1002', 50, 0);
  for (const one of await Promise.allSettled(flood)) if (one.status === 'fulfilled') assert.notEqual(one.value, 200);
  await rig.talk('1001', '1002', 10, 50);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [60, 60]);
});

test('a phone that is gone without a word: who is left hangs up, and the recording is complete', async (t) => {
  const rig = await SwitchRig.start(t, { firstPort: FIRST_PORT, extensions: PHONES });
  await rig.call('1001', '1002');
  await rig.callWith('that is recorded', isRecorded);
  await rig.talk('1001', '1002', 10, 0);
  const gone = rig.party('1002');
  await gone.endpoint.close();
  for (let n = 10; n < 20; n++) rig.party('1001').send(n);
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [20, 10]);
  await until('no call to be left', async () => (await rig.calls()).length === 0);
});
