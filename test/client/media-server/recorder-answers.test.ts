/** Recorders that answer otherwise than one would wish: what is sent then, and what is given up, with the conversation as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecorderRefused } from '../../../src/client/media-server/recorder-refused.ts';
import { RecordingSession } from '../../../src/client/media-server/recording-session.ts';
import type { SrtpSuite } from '../../../src/media/index.ts';
import { SipFailure } from '../../../src/sip/index.ts';
import { until } from '../../media/loopback.ts';
import { TestRecorder } from './recorder.ts';
import { ConversationRig } from './rig.ts';

const payloads = (packets: Buffer[]) => packets.map((packet) => packet.subarray(12));

test('RFC 3264 section 6: a stream that is refused is not sent, the other is', async (t) => {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t);
  recorder.line = (_, i) => (i === 0 ? { port: 0 } : {});
  const session = await RecordingSession.start(rig.options({ uri: recorder.uri }));
  await rig.talk(10);
  await until(() => recorder.receivers[1]!.packets.length === 10, 'the second stream');
  assert.deepEqual(payloads(recorder.receivers[1]!.packets), rig.voices[1]!.sent);
  assert.equal(recorder.receivers[0]!.packets.length, 0);
  assert.deepEqual(
    rig.log.map(({ facts, message }) => [message, (facts as { cause: string }).cause]),
    [['a stream is not recorded', 'refused with port 0']],
  );
  await session.stop('over');
});

test('RFC 3264 section 6.1: payload types are sent under the numbers of the answer', async (t) => {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t);
  recorder.line = (_, i) => (i === 0 ? { payloadTypes: ['97 PCMA/8000', '8 telephone-event/8000'] } : {});
  const session = await RecordingSession.start(rig.options({ uri: recorder.uri }));
  await rig.talk(10);
  await until(() => recorder.receivers.slice(0, 2).every(({ packets }) => packets.length === 10), 'both streams');
  const types = (i: number) => new Set(recorder.receivers[i]!.packets.map((packet) => packet[1]! & 0x7f));
  assert.deepEqual(types(0), new Set([97]));
  assert.deepEqual(types(1), new Set([8]));
  await session.stop('over');
});

test('RFC 7866 section 7.2: nothing is sent to a recorder that answers inactive, until it offers recvonly', async (t) => {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t);
  recorder.line = () => ({ direction: 'inactive' });
  const session = await RecordingSession.start(rig.options({ uri: recorder.uri }));
  await rig.talk(5);
  const { response, sdp } = await recorder.offer('INVITE', [{}, { direction: 'inactive' }]);
  assert.equal(response.status, 200);
  assert.deepEqual(
    sdp!.media.map(({ direction, label }) => [direction, label]),
    [
      ['sendonly', '1'],
      ['inactive', '2'],
    ],
  );
  // It is sent from a moment on that is not known here.
  const [first] = recorder.receivers;
  for (let n = 0; n < 500 && first!.packets.length === 0; n++) await rig.talk(1);
  await rig.talk(5);
  const { sent } = rig.voices[0]!;
  await until(() => payloads(first!.packets).at(-1)?.equals(sent.at(-1)!) === true, 'the first stream');
  const heard = payloads(first!.packets);
  assert.ok(heard.length > 5 && heard.length <= sent.length - 5, `${heard.length} of ${sent.length}`);
  assert.deepEqual(heard, sent.slice(-heard.length));
  assert.equal(recorder.receivers[1]!.packets.length, 0);
  await session.stop('over');
});

interface Wrong {
  what: string;
  line?: TestRecorder['line'];
  mend?: TestRecorder['mend'];
  srtp?: SrtpSuite;
  cause: RegExp;
}

const WRONG: Wrong[] = [
  { what: 'no stream taken', line: () => ({ port: 0 }), cause: /takes none of the streams: refused with port 0/ },
  { what: 'one m-line for two', mend: (sdp) => sdp.slice(0, sdp.lastIndexOf('m=')), cause: /1 m-lines, the offer 2/ },
  { what: 'three m-lines for two', mend: (sdp) => sdp + sdp.slice(sdp.lastIndexOf('m=')), cause: /3 m-lines/ },
  { what: 'video', mend: (sdp) => sdp.replaceAll('m=audio', 'm=video'), cause: /is video, offered was audio/ },
  { what: 'none of the codecs', line: () => ({ payloadTypes: ['0 PCMU/8000'] }), cause: /none of the codecs/ },
  { what: 'a host name', line: () => ({ address: 'rec.example.com' }), cause: /no IP address/ },
  { what: 'garbage', mend: () => 'v=1\r\nwhat is this\r\n', cause: /session description|SDP/ },
  { what: 'SRTP without keys', srtp: 'AES_CM_128_HMAC_SHA1_80', cause: /a=crypto lines in the answer/ },
  {
    what: 'plain RTP for SRTP',
    srtp: 'AES_CM_128_HMAC_SHA1_80',
    line: () => ({ protocol: 'RTP/AVP' }),
    cause: /RTP\/AVP answers an offer of RTP\/SAVP/,
  },
];

for (const { what, line, mend, srtp = null, cause } of WRONG) {
  test(`an answer with ${what} ends the recording with a cause, and sends nothing`, async (t) => {
    const rig = await ConversationRig.start(t);
    const recorder = await TestRecorder.start(t);
    if (line) recorder.line = line;
    if (mend) recorder.mend = mend;
    const started = RecordingSession.start(rig.options({ uri: recorder.uri, srtp }));
    await assert.rejects(started, (error: Error) => {
      assert.ok(error instanceof RecorderRefused);
      assert.equal(error.status, 488);
      assert.match(error.message, cause);
      return true;
    });
    await recorder.request('BYE');
    await rig.talk(5);
    for (const receiver of recorder.receivers) assert.equal(receiver.packets.length, 0);
  });
}

test('RFC 3261 section 20.33: a refusal says when to come again', async (t) => {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t);
  recorder.take = (invite) => invite.reject({ status: 503, headers: [['Retry-After', '17 (busy);duration=3']] });
  await assert.rejects(RecordingSession.start(rig.options({ uri: recorder.uri })), (error: Error) => {
    assert.ok(error instanceof RecorderRefused);
    assert.deepEqual([error.status, error.retryAfterSec], [503, 17]);
    return true;
  });
});

test('a recorder that does not answer in time is cancelled', async (t) => {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t);
  let cancelled = 0;
  recorder.take = (invite) => {
    invite.ringing();
    invite.onCancel = () => {
      cancelled += 1;
    };
  };
  const started = RecordingSession.start(rig.options({ uri: recorder.uri }, { setUpTimeoutMs: 200 }));
  await assert.rejects(started, (error: Error) => error instanceof SipFailure && error.status === 408);
  await until(() => cancelled === 1, 'CANCEL');
});

test('two dialogs: one that is refused ends the other', async (t) => {
  const rig = await ConversationRig.start(t);
  const recorder = await TestRecorder.start(t);
  recorder.take = (invite) => {
    if (invite.request.uri.includes(';dn=5001;')) recorder.accept(invite);
    else invite.reject({ status: 486 });
  };
  await assert.rejects(
    RecordingSession.start(rig.options({ uri: recorder.uri, form: 'two-dialogs' })),
    (error: Error) => error instanceof RecorderRefused && error.status === 486,
  );
  await until(() => recorder.session === null || recorder.session.over, 'the end of the first dialog');
  await rig.talk(5);
  assert.equal(recorder.receivers[0]!.packets.length, 0);
});
