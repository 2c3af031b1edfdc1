/** `secure` and `srtpSuites`: what is refused and what is taken over TLS and without, and keys in an offer of ours. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CRYPTO_SUITES, parseSdp, type Sdp } from '../../src/sdp/index.ts';
import type { SipBody, SipEndpoint, SipSession } from '../../src/sip/index.ts';
import {
  Client,
  finished,
  Leg,
  type Line,
  newFolder,
  refusal,
  type Server,
  sdpOnly,
  sdpText,
  startServer,
  stopServer,
  until,
} from './rig.ts';
import { answered, type ClientCrypto, clientCrypto, sendWith, tlsClient, trialCertificates } from './srtp-rig.ts';

const PACKETS = 20;
const certificates = newFolder();
const { options, ca } = trialCertificates(certificates);
const sip = ['udp:127.0.0.1:0', 'tls:127.0.0.1:0'];
const legs: Leg[] = [];

after(() => {
  for (const leg of legs) leg.close();
  rmSync(certificates, { recursive: true });
});

async function newLeg(ssrc: number): Promise<Leg> {
  const leg = await Leg.open(ssrc);
  legs.push(leg);
  return leg;
}

const offer = (line: Partial<Line>) => sdpOnly(sdpText([{ port: 9, label: '1', ...line }]));
const savp = (leg: Leg, crypto: ClientCrypto): Partial<Line> => {
  return { port: leg.port, protocol: 'RTP/SAVP', attributes: [crypto.attribute] };
};

interface Side {
  server: Server;
  endpoint: SipEndpoint;
  to: string;
}

function place({ endpoint, to }: Side, body?: SipBody, answer?: (offer: Sdp) => SipBody | null) {
  return endpoint.invite({
    ...{ to, require: ['siprec'] },
    ...(body && { body }),
    ...(answer && { answer: (ok: { body: Uint8Array }) => answer(parseSdp(ok.body)) }),
  }).answered;
}

async function tlsSide(server: Server): Promise<Side> {
  const { port } = server.server.sipAddresses.find(({ transport }) => transport === 'tls')!;
  return { server, endpoint: await tlsClient(ca), to: `sip:recorder@127.0.0.1:${port};transport=tls` };
}

async function recordedOf(server: Server, session: SipSession) {
  await session.bye();
  const { recording } = await finished(server, session.callId);
  return { recording, packets: recording.streams[0]!.packets, srtp: recording.streams[0]!.srtp };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 100));

describe('secure: required', () => {
  let side: Side;
  let server: Server;
  before(async () => {
    server = await startServer('47700-47799', { sip, ...options, secure: 'required' });
    side = await tlsSide(server);
  });
  after(async () => {
    await side.endpoint.close();
    await stopServer(server);
  });

  test('RFC 7866 12.2: SRTP over TLS is recorded, without a warning of keys in the clear', async () => {
    const leg = await newLeg(0x3000);
    const crypto = clientCrypto('AEAD_AES_128_GCM');
    const { session, response } = await place(side, offer(savp(leg, crypto)));
    sendWith(leg, crypto);
    leg.send(parseSdp(response.body).media[0]!.port, PACKETS);
    await settled();
    const { recording, packets, srtp } = await recordedOf(server, session);
    assert.deepEqual([srtp, packets.received], ['AEAD_AES_128_GCM', PACKETS]);
    assert.deepEqual(recording.warnings, ['recording session without recording metadata']);
  });

  test('plain RTP is refused over TLS, and so is everything over UDP', async () => {
    const plain = await refusal(place(side, offer({})));
    assert.equal(plain.status, 488);
    assert.equal(plain.response?.header('Warning'), '305 doubletrack "only SRTP is taken"');
    const client = await Client.start(server);
    const leg = await newLeg(1);
    const udp = await client.refused(offer(savp(leg, clientCrypto('AES_CM_128_HMAC_SHA1_80'))));
    assert.equal(udp.status, 480);
    await client.close();
  });

  test('a re-INVITE into the clear is refused, and the stream goes on', async () => {
    const leg = await newLeg(0x3001);
    const crypto = clientCrypto('AES_CM_128_HMAC_SHA1_80');
    const { session, response } = await place(side, offer(savp(leg, crypto)));
    assert.equal((await session.request('INVITE', { body: offer({ port: leg.port }) })).status, 488);
    sendWith(leg, crypto);
    leg.send(parseSdp(response.body).media[0]!.port, PACKETS);
    await settled();
    assert.equal((await recordedOf(server, session)).packets.received, PACKETS);
  });

  test('RFC 4568 5.1: our offer has a line for each suite; the answered one counts, with our key, for what overtook it too', async () => {
    const leg = await newLeg(0x3002);
    const crypto = clientCrypto('AES_256_CM_HMAC_SHA1_80', { tag: 5 });
    let offered: Sdp | null = null;
    const { session } = await place(side, undefined, (ours) => {
      offered = ours;
      sendWith(leg, crypto);
      leg.send(ours.media[0]!.port, PACKETS);
      return offer({ ...savp(leg, crypto), direction: 'sendonly' });
    });
    const [media] = (offered as unknown as Sdp).media;
    assert.equal(media!.protocol, 'RTP/SAVP');
    const lines = media!.attributes('crypto').map((text) => text.split(' ', 2).join(' '));
    assert.deepEqual(
      lines,
      CRYPTO_SUITES.map((suite, i) => `${i + 1} ${suite}`),
    );
    assert.equal(new Set(media!.attributes('crypto').map((text) => text.split(' ')[2])).size, CRYPTO_SUITES.length);
    await settled();
    const again = await session.request('INVITE', { body: offer(savp(leg, crypto)) });
    const own = media!.attributes('crypto')[4]!.split('inline:')[1];
    assert.equal(answered(parseSdp(again.body)).base64, own);
    const { packets, srtp } = await recordedOf(server, session);
    assert.deepEqual([srtp, packets.received, packets.unauthenticated], ['AES_256_CM_HMAC_SHA1_80', PACKETS, 0]);
  });

  for (const [what, answer, warning] of [
    ['has no line', () => offer({ protocol: 'RTP/SAVP' }), /0 a=crypto lines in the answer/],
    ['is in the clear', () => offer({}), /RTP\/AVP answers an offer of RTP\/SAVP/],
    [
      'has a tag that was not offered',
      () => offer({ protocol: 'RTP/SAVP', attributes: [clientCrypto('AEAD_AES_256_GCM', { tag: 77 }).attribute] }),
      /none of those that were offered/,
    ],
    ['is missing', () => null, /no answer, and so no SRTP keys/],
  ] as const) {
    test(`RFC 4568 5.1.3: the call is ended when the answer ${what}`, async () => {
      const { session } = await place(side, undefined, answer);
      await until('the BYE', () => session.over);
      const { recording } = await finished(server, session.callId);
      assert.match(recording.warnings.join('\n'), warning);
    });
  }
});

describe('secure: preferred', () => {
  let server: Server;
  let client: Client;
  before(async () => {
    server = await startServer('47800-47859', { secure: 'preferred', srtpSuites: ['AES_CM_128_HMAC_SHA1_80'] });
    client = await Client.start(server);
  });
  after(async () => {
    await client.close();
    await stopServer(server);
  });

  test('keys that come without TLS are refused; best effort is taken in the clear', async () => {
    const leg = await newLeg(0x3100);
    const crypto = clientCrypto('AES_CM_128_HMAC_SHA1_80');
    const { status, response } = await client.refused(offer(savp(leg, crypto)));
    assert.equal(status, 488);
    assert.match(response?.header('Warning') ?? '', /SRTP keys are taken over TLS only/);
    const { session, answer } = await client.call(offer({ ...savp(leg, crypto), protocol: 'RTP/AVP' }));
    assert.deepEqual(answer.media[0]!.attributes('crypto'), []);
    leg.send(answer.media[0]!.port, PACKETS);
    await settled();
    const { recording, packets, srtp } = await recordedOf(server, session);
    assert.deepEqual([srtp, packets.received], [null, PACKETS]);
    assert.match(recording.warnings.join('\n'), /m-line 1: taken in the clear: SRTP keys are taken over TLS only/);
  });
});
