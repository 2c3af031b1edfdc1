/** What CTI clients do wrong, beside a recorded call: its packets go on arriving, here and at the recorder, and it stays as it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CtiPeer, TOKEN } from '../cti/rig.ts';
import { received, SwitchRig } from './switch-rig.ts';

const FIRST_PORT = 46_400;
const FLOOD = 5_000;
const FRAME_BYTES = 10 * 2 ** 20;

test('CTI clients that have no token, flood, do not read, lie, or send ten megabytes leave a call as it is', async (t) => {
  const rig = await SwitchRig.start(t, {
    ...{ firstPort: FIRST_PORT, extensions: { '1001': { record: true }, '1002': {} } },
    config: { cti: { listen: '127.0.0.1:0', tokens: [TOKEN] } },
  });
  await rig.call('1001', '1002');
  const { id } = await rig.callWith('that is recorded', ({ recordings }) => recordings.length === 1);
  const peers: CtiPeer[] = [];
  const connect = async (token = TOKEN) => {
    const peer = await CtiPeer.open(rig.client.ctiUrl!, { headers: { authorization: `Bearer ${token}` } });
    peers.push(peer);
    return peer;
  };
  t.after(() => {
    for (const peer of peers) peer.drop();
  });
  let said = 0;
  const talk = async () => {
    await rig.talk('1001', '1002', 10, said);
    said += 10;
  };

  await Promise.all([talk(), assert.rejects(connect('guessed'), /401/)]);

  const large = await connect();
  large.send('x'.repeat(FRAME_BYTES));
  await talk();
  assert.equal((await large.closed).code, 1009);

  const flood = await connect();
  for (let n = 0; n < FLOOD; n++) flood.send({ message: 'RequestStartCallMonitoring', ReferenceID: n });
  await Promise.all([talk(), flood.closed]);

  const deaf = await connect();
  deaf.socket.pause();
  for (let n = 0; n < FLOOD; n++) deaf.send({ message: 'RequestRegisterAddress', ReferenceID: n, ThisDN: '1001' });
  await talk();

  const liar = await connect();
  const service = { message: 'RequestPrivateService', Reasons: { why: 'a lie' } };
  const lies = [
    { ...service, PrivateMsgID: 3015, ConnID: 'ffffffffffffffff' },
    { ...service, PrivateMsgID: 3014, CallUUID: '0'.repeat(32) },
    { ...service, PrivateMsgID: 3015, CallUUID: id.replaceAll('-', ''), Extensions: { id: 'of another call' } },
    { ...service, PrivateMsgID: 2 ** 31 - 1, CallUUID: id.replaceAll('-', '') },
    { message: 'RequestAttachUserData', ConnID: 'ffffffffffffffff', UserData: { a: 'b' } },
    { message: 'RequestReleaseTheCall', ThisDN: '1001' },
  ];
  for (const lie of lies) assert.equal((await liar.ask(lie)).message, 'EventError', JSON.stringify(lie));
  await talk();

  const [call] = await rig.calls();
  assert.deepEqual(
    call!.recordings.map(({ state }) => state),
    ['recording'],
  );
  await rig.party('1001').session!.bye();
  const [recording] = await rig.recordings(1);
  assert.deepEqual(received(recording!), [said, said]);
});
