/** SRTP with keys by SDES (RFC 3711, 4568, 7866 section 12.2) over real sockets: from the offer to the file and the certificate. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CRYPTO_SUITES, NULL_SUITES, parseSdp, type Sdp } from '../../src/sdp/index.ts';
import type { SipSession } from '../../src/sip/index.ts';
import {
  Client,
  finished,
  Leg,
  type Line,
  type Server,
  sdpOnly,
  sdpText,
  sessionOf,
  startServer,
  stopServer,
  until,
} from './rig.ts';
import { answered, type ClientCrypto, clientCrypto, rtcpAt, sendInClear, sendWith } from './srtp-rig.ts';

const PACKETS = 40;
const NO_METADATA = 'recording session without recording metadata';
const CLEAR_WARNING = 'SRTP keys came over UDP in the clear: who hears the signalling can decrypt the media';

let server: Server;
let client: Client;

before(async () => {
  server = await startServer('47300-47699', { srtpSuites: [...CRYPTO_SUITES, ...NULL_SUITES] });
  client = await Client.start(server);
});
after(async () => {
  for (const leg of legs) leg.close();
  await client.close();
  await stopServer(server);
});

function line(leg: Leg, crypto: ClientCrypto | null, changes: Partial<Line> = {}): Line {
  const attributes = crypto === null ? [] : [crypto.attribute];
  return { port: leg.port, label: '1', protocol: crypto === null ? 'RTP/AVP' : 'RTP/SAVP', attributes, ...changes };
}

const legs: Leg[] = [];

async function newLeg(ssrc: number): Promise<Leg> {
  const leg = await Leg.open(ssrc);
  legs.push(leg);
  return leg;
}

const offer = (...lines: Line[]) => sdpOnly(sdpText(lines));

/** Sends speech that differs from packet to packet, and waits until the recording has it. */
async function speak(leg: Leg, answer: Sdp, packets = PACKETS, callId?: string): Promise<void> {
  const port = answer.media[0]!.port;
  for (let i = 0; i < packets; i++) leg.send(port, 1, (leg.sequence * 37) & 0xff);
  if (callId) await sessionOf(server, callId);
  await drained();
}

/** Loopback is quick, and a stream drains its sockets before it closes. */
const drained = () => new Promise((resolve) => setTimeout(resolve, 50));

async function over(session: SipSession) {
  await session.bye();
  const { recording, manifest } = await finished(server, session.callId);
  const wav = readFileSync(path.join(server.server.recordingFolder(recording.id), 'audio.wav'));
  return { recording, manifest, wav, stream: recording.streams[0]! };
}

async function reOffer(session: SipSession, ...lines: Line[]): Promise<{ status: number; sdp: Sdp }> {
  const response = await session.request('INVITE', { body: offer(...lines) });
  return { status: response.status, sdp: response.status === 200 ? parseSdp(response.body) : parseSdp('v=0') };
}

const FULL = 'UNENCRYPTED_SRTP UNENCRYPTED_SRTCP';
const OFFERED: { suite: string; parameters?: string; protects?: string; mki?: string }[] = [
  ...CRYPTO_SUITES.map((suite) => ({ suite })),
  { suite: 'AES_CM_128_HMAC_SHA1_80', mki: '|2^31|7:2' },
  { suite: 'AES_CM_128_HMAC_SHA1_80', parameters: 'UNENCRYPTED_SRTCP' },
  { suite: 'AES_CM_128_HMAC_SHA1_80', parameters: FULL, protects: 'NULL_HMAC_SHA1_80' },
  { suite: 'AES_CM_128_HMAC_SHA1_32', parameters: FULL, protects: 'NULL_HMAC_SHA1_32' },
  { suite: 'AES_CM_128_HMAC_SHA1_80', parameters: `${FULL} UNAUTHENTICATED_SRTP`, protects: 'NULL_NULL' },
];

describe('RFC 3711, 4568: every suite', { concurrency: true }, () => {
  let clear: Promise<Buffer>;
  before(() => {
    clear = (async () => {
      const leg = await newLeg(0x2000);
      const { session, answer } = await client.call(offer(line(leg, null)));
      await speak(leg, answer);
      return (await over(session)).wav;
    })();
  });

  for (const { suite, parameters = '', protects = suite, mki = '' } of OFFERED) {
    test(`${protects} ${parameters}${mki}: recorded as in the clear, forgeries counted, reports under our own key`, async () => {
      const crypto = clientCrypto(suite, { tag: 3, parameters, protects, mki });
      const leg = await newLeg(0x2000);
      const reports = rtcpAt(leg);
      const attributes = [crypto.attribute, 'rtcp-mux'];
      const { session, answer } = await client.call(offer(line(leg, crypto, { attributes })));
      const own = answered(answer, 0, protects);
      assert.deepEqual([own.tag, own.suite, own.parameters.join(' ')], [3, suite, parameters]);
      assert.equal(answer.media[0]!.protocol, 'RTP/SAVP');
      assert.notEqual(own.base64, crypto.keyAndSalt.toString('base64'));
      const sender = sendWith(leg, crypto);
      await speak(leg, answer, PACKETS - 1, session.callId);
      const isAuthenticated = protects !== 'NULL_NULL';
      if (isAuthenticated) await forge(leg, answer);
      else await speak(leg, answer, 1);
      assert.equal((await sessionOf(server, session.callId)).streams[0]!.label, '1');
      const read = () => reports.splice(0).map((report) => Buffer.from(own.receiver.rtcp(report)));
      const withBlock = (report: Buffer) => (report[0]! & 31) === 1 && report[1] === 201;
      const report = await until('a report on what was received', () => read().find(withBlock), 20_000);
      assert.equal(report.readUInt32BE(8), 0x2000, 'the report block names the source');
      const { stream, recording, wav } = await over(session);
      own.receiver.close();
      sender.close();
      const { received, expected, unauthenticated, duplicate } = stream.packets;
      assert.deepEqual([stream.srtp, received, expected], [protects, PACKETS, PACKETS]);
      assert.deepEqual([unauthenticated, duplicate], isAuthenticated ? [6, 2] : [0, 0]);
      const warnings = isAuthenticated ? ['stream 1: 6 packets failed SRTP authentication and were not recorded'] : [];
      assert.deepEqual(recording.warnings, [NO_METADATA, CLEAR_WARNING, ...warnings]);
      assert.ok(wav.equals(await clear), 'the audio is that of the same speech in the clear');
    });
  }
});

/** Five packets whose tag is wrong, one in the clear, and two copies of one that is genuine: none may change anything. */
async function forge(leg: Leg, answer: Sdp): Promise<void> {
  const { protect } = leg;
  const { port } = answer.media[0]!;
  let genuine: Uint8Array = Buffer.alloc(0);
  leg.protect = (packet) => {
    genuine = protect(packet);
    return genuine;
  };
  leg.send(port, 1, (leg.sequence * 37) & 0xff);
  leg.socket.send(genuine, port, '127.0.0.1');
  leg.socket.send(genuine, port, '127.0.0.1');
  leg.protect = (packet) => {
    const forged = Buffer.from(protect(packet));
    forged[forged.length - 1]! ^= 1;
    return forged;
  };
  leg.send(port, 5, 0x77);
  sendInClear(leg);
  leg.send(port, 1, 0x77);
  await drained();
}

test('RFC 4568 7.1: each stream has a key of our own', async () => {
  const two = [await newLeg(1), await newLeg(2)];
  const cryptos = two.map(() => clientCrypto('AES_CM_128_HMAC_SHA1_80'));
  const lines = two.map((leg, i) => line(leg, cryptos[i]!, { label: String(i + 1) }));
  const { session, answer } = await client.call(offer(...lines));
  const keys = answer.media.map((_, i) => answered(answer, i).base64);
  assert.equal(new Set(keys).size, 2);
  await over(session);
});

test('RFC 4568 7.1.4: the same keys in a re-INVITE change nothing; other ones re-key, and ours stays', async () => {
  const leg = await newLeg(0x2100);
  const first = clientCrypto('AES_CM_128_HMAC_SHA1_80');
  const { session, answer } = await client.call(offer(line(leg, first)));
  sendWith(leg, first);
  leg.sequence = 0xfff0; // so that a ROC which is lost would show
  await speak(leg, answer);
  const same = await reOffer(session, line(leg, first));
  await speak(leg, answer);
  const second = clientCrypto('AES_CM_128_HMAC_SHA1_80');
  const other = await reOffer(session, line(leg, second));
  const sender = sendWith(leg, second);
  await speak(leg, answer);
  assert.deepEqual(
    [same, other].map(({ sdp }) => answered(sdp).base64),
    [answered(answer).base64, answered(answer).base64],
  );
  assert.equal(other.sdp.media[0]!.port, answer.media[0]!.port);
  const third = clientCrypto('AEAD_AES_256_GCM', { tag: 2 });
  const gcm = await reOffer(session, line(leg, third));
  assert.notEqual(answered(gcm.sdp).base64, answered(answer).base64);
  sendWith(leg, third);
  await speak(leg, answer);
  sender.close();
  const { stream } = await over(session);
  assert.equal(stream.srtp, 'AEAD_AES_256_GCM');
  assert.equal(stream.packets.unauthenticated, 0);
  // Packets after a re-key start a ROC of 0 at the sender: what counts is that none was refused.
  assert.equal(stream.packets.received, 4 * PACKETS);
});

for (const [how, hold] of [
  ['inactive', { direction: 'inactive' }],
  ['c=0.0.0.0', { address: '0.0.0.0' }],
] as const) {
  test(`RFC 7866 7.1.1.1: hold by ${how} under SRTP, and resumed with the same keys`, async () => {
    const leg = await newLeg(0x2200);
    const crypto = clientCrypto('AES_256_CM_HMAC_SHA1_80');
    const { session, answer } = await client.call(offer(line(leg, crypto)));
    sendWith(leg, crypto);
    await speak(leg, answer);
    const held = await reOffer(session, line(leg, crypto, hold));
    assert.equal(held.sdp.media[0]!.direction, 'inactive');
    assert.equal(answered(held.sdp).base64, answered(answer).base64);
    await reOffer(session, line(leg, crypto));
    await speak(leg, answer);
    const { stream } = await over(session);
    assert.deepEqual([stream.packets.received, stream.packets.unauthenticated], [2 * PACKETS, 0]);
  });
}

test('RFC 3264 8: from SRTP to the clear and back again; the recording is warned of both', async () => {
  const leg = await newLeg(0x2300);
  const crypto = clientCrypto('AES_CM_128_HMAC_SHA1_32');
  const { session, answer } = await client.call(offer(line(leg, crypto)));
  sendWith(leg, crypto);
  await speak(leg, answer);
  const clear = await reOffer(session, line(leg, null));
  assert.deepEqual([clear.sdp.media[0]!.protocol, clear.sdp.media[0]!.attributes('crypto')], ['RTP/AVP', []]);
  sendInClear(leg);
  await speak(leg, answer);
  const again = await reOffer(session, line(leg, crypto));
  assert.equal(again.sdp.media[0]!.protocol, 'RTP/SAVP');
  sendWith(leg, crypto);
  await speak(leg, answer);
  const { stream, recording } = await over(session);
  assert.deepEqual([stream.packets.received, stream.packets.unauthenticated], [3 * PACKETS, 0]);
  assert.equal(stream.srtp, null, 'no suite is claimed for what came in the clear in part');
  assert.deepEqual(recording.warnings, [
    NO_METADATA,
    CLEAR_WARNING,
    'm-line 1: SRTP until now, in the clear from now on',
    'm-line 1: in the clear until now, SRTP from now on',
  ]);
});

test('RFC 3261 14.1: a re-INVITE without SRTP that can be used is refused, and the stream goes on as it was', async () => {
  const leg = await newLeg(0x2400);
  const crypto = clientCrypto('AES_CM_128_HMAC_SHA1_80');
  const { session, answer } = await client.call(offer(line(leg, crypto)));
  sendWith(leg, crypto);
  await speak(leg, answer);
  const f8 = clientCrypto('F8_128_HMAC_SHA1_80');
  for (const changes of [
    { attributes: [f8.attribute] },
    { attributes: [] },
    { protocol: 'UDP/TLS/RTP/SAVPF', attributes: [] },
    { attributes: ['crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA'] },
  ]) {
    assert.equal((await reOffer(session, line(leg, crypto, changes))).status, 488);
  }
  await speak(leg, answer);
  const { stream } = await over(session);
  assert.deepEqual([stream.packets.received, stream.srtp], [2 * PACKETS, 'AES_CM_128_HMAC_SHA1_80']);
});

test('RFC 3261 21.4.26: 488 says why SRTP cannot be taken', async () => {
  const leg = await newLeg(1);
  const f8 = clientCrypto('F8_128_HMAC_SHA1_80');
  for (const [changes, why] of [
    [
      { attributes: [f8.attribute] },
      /305 doubletrack "no a=crypto line that can be used: a=crypto:1 F8_128_HMAC_SHA1_80 is not/,
    ],
    [{ attributes: [] }, /SRTP without an a=crypto line/],
    [{ protocol: 'UDP/TLS/RTP/SAVPF', attributes: [] }, /DTLS-SRTP is not supported/],
  ] as const) {
    const { status, response } = await client.refused(
      offer(line(leg, f8, { ...changes, attributes: [...changes.attributes] })),
    );
    assert.equal(status, 488);
    assert.match(response?.header('Warning') ?? '', why);
  }
});

test('RFC 3264 6: an m-line whose suite is not supported gets port 0 and a warning, the other is recorded', async () => {
  const leg = await newLeg(0x2500);
  const good = clientCrypto('AES_CM_128_HMAC_SHA1_80');
  const bad = clientCrypto('F8_128_HMAC_SHA1_80');
  const { session, answer } = await client.call(offer(line(leg, good), line(leg, bad, { port: 9, label: '2' })));
  assert.deepEqual([answer.media[1]!.port, answer.media[1]!.attributes('crypto')], [0, []]);
  const { recording } = await over(session);
  assert.match(
    recording.warnings.join('\n'),
    /m-line 2 is not recorded: no a=crypto line .* F8_128_HMAC_SHA1_80 is not supported/,
  );
});

test('RTP/AVP with a=crypto: answered in RTP/AVP with one line, and SRTP', async () => {
  const leg = await newLeg(0x2600);
  const crypto = clientCrypto('AES_CM_128_HMAC_SHA1_80', { mki: '|2^31|1:1' });
  const { session, answer } = await client.call(offer(line(leg, crypto, { protocol: 'RTP/AVP' })));
  assert.equal(answer.media[0]!.protocol, 'RTP/AVP');
  assert.equal(answered(answer).tag, 1);
  sendWith(leg, crypto);
  await speak(leg, answer);
  const { stream } = await over(session);
  assert.deepEqual([stream.srtp, stream.packets.received], ['AES_CM_128_HMAC_SHA1_80', PACKETS]);
});

test('RFC 3261 14.2: our offer in a 2xx to a re-INVITE without one has the agreed line; the answer keeps it', async () => {
  const leg = await newLeg(0x2700);
  const crypto = clientCrypto('AES_CM_128_HMAC_SHA1_80', { tag: 5 });
  const { session, answer } = await client.call(offer(line(leg, crypto)));
  const sender = sendWith(leg, crypto);
  await speak(leg, answer);
  const [ours] = await secondInvite(session, offer(line(leg, crypto)));
  assert.deepEqual([answered(ours!).tag, answered(ours!).base64], [5, answered(answer).base64]);
  await speak(leg, answer);
  sender.close();
  const { stream } = await over(session);
  assert.deepEqual([stream.packets.received, stream.packets.unauthenticated], [2 * PACKETS, 0]);
});

/** A re-INVITE without an offer, answered in the ACK where the stack can; what was offered to us. */
async function secondInvite(session: SipSession, body: ReturnType<typeof offer>): Promise<Sdp[]> {
  const response = await session.request('INVITE', {});
  const sdp = parseSdp(response.body);
  // The stack's own ACK has no body here: the same answer comes as an offer of ours right behind it.
  assert.equal((await session.request('INVITE', { body })).status, 200);
  return [sdp];
}
