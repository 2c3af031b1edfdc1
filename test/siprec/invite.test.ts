import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOffer, answerProblem, CRYPTO_SUITES, type CryptoPolicy } from '../../src/sdp/index.ts';
import { type InviteParts, interpretInvite, planMedia, readBodies } from '../../src/siprec/index.ts';
import { OFFERS } from './vendors.ts';

const ALL_SRTP: CryptoPolicy = { suites: CRYPTO_SUITES, required: false, keysRefused: null };
const SDP_ONE = 'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\n';
const SDP_TWO = `${SDP_ONE}m=audio 4002 RTP/AVP 0\r\na=sendonly\r\n`;

function invite(
  o: Partial<Omit<InviteParts, 'body' | 'headers'>> & { body?: string; headers?: Record<string, string> },
) {
  const { body = SDP_ONE, headers = {}, ...rest } = o;
  return interpretInvite({
    uri: 'sip:recorder@192.0.2.200',
    contactParams: new Map(),
    contentType: 'application/sdp',
    headers: (name) => headers[name],
    body: Buffer.from(body),
    ...rest,
  });
}

for (const offer of OFFERS) {
  test(`RFC 7866: ${offer.name}`, () => {
    const r = invite({
      contentType: offer.contentType,
      body: offer.body,
      contactParams: new Map([['+sip.src', null]]),
    });
    assert.equal(r.refuse, null);
    assert.equal(r.kind, offer.kind);
    assert.deepEqual(
      r.participants.map((p) => [p.aor, p.name, p.channel]),
      offer.participants,
    );
    assert.equal(r.warnings.length, offer.warnings.length, r.warnings.join('\n'));
    for (const [i, expected] of offer.warnings.entries()) assert.match(r.warnings[i]!, expected);
    const plan = planMedia(r.offer!, { supported: () => true });
    assert.deepEqual(
      plan.map((m) => [m.label, m.action, m.held]),
      offer.labels.map((label) => [label, 'record', offer.held ?? false]),
    );
    const media = plan.map((m) => ({
      accept: true as const,
      port: 9000,
      direction: 'recvonly' as const,
      payloadTypes: m.payloadTypes,
    }));
    assert.equal(
      answerProblem(r.offer!, answerOffer(r.offer!, { address: '192.0.2.3', sessionId: '1', version: 1, media })),
      null,
    );
  });
}

test('RFC 7866 6.1.1: a recording session is known by any one of its marks', () => {
  assert.equal(invite({}).kind, 'plain');
  assert.equal(invite({ body: SDP_TWO, contactParams: new Map([['+sip.src', null]]) }).kind, 'siprec');
  assert.equal(invite({ body: SDP_TWO, contactParams: new Map([['src', null]]) }).kind, 'siprec');
  assert.equal(invite({ body: SDP_TWO, headers: { require: 'timer, siprec' } }).kind, 'siprec');
  assert.equal(
    invite({ body: SDP_TWO, headers: { contact: '<sip:sbc@192.0.2.1:5060;transport=tcp;+sip.src>' } }).kind,
    'siprec',
  );
  const r = invite({ body: SDP_TWO, headers: { require: 'siprec' } });
  assert.match(r.warnings.join(), /without recording metadata/);
  assert.equal(r.refuse, null);
});

test('only what cannot be recorded is refused, with the right code', () => {
  const video = 'v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n';
  assert.equal(invite({ body: video }).refuse?.status, 488);
  assert.equal(invite({ body: 'v=0\r\nm=audio 70000 RTP/AVP 0\r\n' }).refuse?.status, 488);
  assert.equal(invite({ body: `v=0\r\n${'m=audio 1 RTP/AVP 0\r\n'.repeat(17)}` }).refuse?.status, 488);
  assert.equal(invite({ body: 'v=0\r\n' }).refuse?.status, 488);
  assert.equal(invite({ contentType: 'application/isup', body: 'x' }).refuse?.status, 415);
  const savp = 'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 0\r\n';
  assert.equal(invite({ body: savp }).refuse?.status, 488);
  const key = Buffer.alloc(30, 1).toString('base64');
  const crypto = `${savp}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}\r\n`;
  assert.equal(invite({ body: savp, crypto: ALL_SRTP }).refuse?.warning, 'SRTP without an a=crypto line');
  assert.equal(invite({ body: crypto, crypto: ALL_SRTP }).refuse, null);
  assert.match(invite({ body: crypto }).refuse?.warning ?? '', /SRTP is not supported/);
  // Streams may be added to a session that begins without media.
  assert.equal(invite({ body: 'v=0\r\nm=audio 0 RTP/AVP 0\r\n' }).refuse, null);
  assert.equal(invite({ body: `${video}m=audio 4002 RTP/AVP 0\r\n` }).refuse, null);
});

test('RFC 3264 4: without an offer there is none to refuse', () => {
  for (const body of ['', '\r\n']) {
    const r = invite({ body, contentType: undefined });
    assert.deepEqual([r.offer, r.refuse, r.kind], [null, null, 'plain']);
  }
  const r = invite({
    contentType: 'application/rs-metadata+xml',
    body: '<recording xmlns="urn:ietf:params:xml:ns:recording:1"/>',
  });
  assert.deepEqual([r.offer, r.refuse, r.kind], [null, null, 'siprec']);
});

test('bodies are known by look when the type is missing or wrong', () => {
  assert.equal(invite({ contentType: undefined }).offer?.media.length, 1);
  assert.equal(invite({ contentType: 'multipart/mixed;boundary=x' }).offer?.media.length, 1);
  const body = `--abc\r\n\r\n${SDP_ONE}\r\n--abc--\r\n`;
  assert.equal(invite({ contentType: undefined, body }).offer?.media.length, 1);
  assert.equal(invite({ contentType: 'multipart/mixed', body }).offer?.media.length, 1);
  const nested = `--o\r\nContent-Type: multipart/related;boundary=abc\r\n\r\n${body}\r\n--o--\r\n`;
  assert.equal(invite({ contentType: 'multipart/mixed;boundary=o', body: nested }).offer?.media.length, 1);
});

test('RFC 3261 20.11: a part that nobody can handle keeps nothing from being recorded', () => {
  const body = `--b\r\nContent-Type: application/sdp\r\n\r\n${SDP_ONE}\r\n--b\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=required\r\n\r\nx\r\n--b--\r\n`;
  const r = invite({ contentType: 'multipart/mixed;boundary=b', body });
  assert.equal(r.refuse, null);
  assert.match(r.warnings.join(), /application\/isup/);
});

test('RFC 8068: metadata alone, as UPDATE and BYE carry it', () => {
  const xml =
    '<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>partial</datamode><session session_id="s"><stop-time>2026-01-02T03:04:05Z</stop-time></session></recording>';
  const r = readBodies('application/rs-metadata+xml', Buffer.from(xml));
  assert.equal(r.metadata?.dataMode, 'partial');
  assert.equal(r.metadata?.sessions[0]?.stopTime, '2026-01-02T03:04:05Z');
  assert.deepEqual([r.offer, r.refuse, r.warnings], [null, null, []]);
});

test('Genesys: one dialog for both parties', () => {
  const uri = 'sip:record=2018-02-21:20-14-07:cafe@192.0.2.7:5070;calluuid=00FA08-1;dn=5001;otherDN=5002;recordDN=5001';
  const headers = { 'x-genesys-gvp-session-id': 'c0ffee;gvp.rm.datanodes=1', 'x-genesys-other': 'kept' };
  const r = invite({ uri, headers, headerNames: ['Via', 'X-Genesys-Other'], body: SDP_TWO });
  assert.equal(r.kind, 'genesys-one-dialog');
  const g = r.genesys!;
  assert.deepEqual(
    [g.recordId, g.callUuid, g.dn, g.otherDn, g.recordDn],
    ['2018-02-21:20-14-07:cafe', '00FA08-1', '5001', '5002', '5001'],
  );
  assert.deepEqual({ ...g.headers }, headers);
  assert.equal(r.pairing, null);
  assert.deepEqual(
    r.participants.map((p) => [p.aor, p.channel]),
    [
      ['5001', 0],
      ['5002', 1],
    ],
  );
});

test('Genesys: two dialogs of one call share a key and differ in side', () => {
  const uri = (dn: string) => `sip:record=id-1;calluuid=U1;dn=${dn};recordDN=5001@192.0.2.7`;
  const [a, b] = ['5001', '5002'].map((dn) => invite({ uri: uri(dn) }));
  assert.equal(a!.kind, 'genesys-two-dialogs');
  assert.equal(a!.pairing?.key, b!.pairing?.key);
  assert.deepEqual([a!.pairing?.side, b!.pairing?.side], [0, 1]);
  assert.deepEqual([a!.participants[0]?.channel, b!.participants[0]?.channel], [0, 1]);
  assert.notEqual(invite({ uri: uri('5001').replace('U1', 'U2') }).pairing?.key, a!.pairing?.key);
});

test('Genesys: URI without user part, in To, with escapes and hostile names', () => {
  assert.equal(invite({ uri: 'sip:record=2018-02-21:20-14:15060' }).genesys?.recordId, '2018-02-21:20-14');
  assert.equal(invite({ headers: { to: '<sip:record=abc@192.0.2.7;dn=1>;tag=x' } }).genesys?.dn, '1');
  assert.equal(invite({ uri: 'sip:record=a%20b@h;dn=%zz' }).genesys?.recordId, 'a b');
  assert.equal(
    invite({ uri: 'sip:record=a@h;dn=5001@example.com;recordDN=5001@example.com' }).genesys?.dn,
    '5001@example.com',
  );
  const g = invite({ uri: 'sip:record=a@h;__proto__=x;constructor=y' }).genesys!;
  assert.equal(Object.getOwnPropertyDescriptor(g.params, '__proto__')?.value, 'x');
  assert.equal(({} as Record<string, unknown>).x, undefined);
  assert.equal(invite({}).genesys, null);
});

test('Genesys through a session border controller is SIPREC with headers', () => {
  const headers = { require: 'siprec', 'x-genesysconversationid': 'c-1' };
  const r = invite({ headers, body: SDP_TWO });
  assert.equal(r.kind, 'siprec');
  assert.equal(r.genesys?.headers['x-genesysconversationid'], 'c-1');
});

test('Cisco: phones recorded in two dialogs, and participants named by header', () => {
  const from = (side: string) =>
    `"1001" <sip:1001@192.0.2.8;${side};x-refci=4711;x-nearendaddr=1001;x-farendaddr=1002>;tag=1`;
  const near = invite({ headers: { from: from('x-nearend') } });
  const far = invite({ headers: { from: from('x-farend') } });
  assert.deepEqual(
    [near.pairing, far.pairing],
    [
      { key: 'cisco 4711', side: 0 },
      { key: 'cisco 4711', side: 1 },
    ],
  );
  assert.deepEqual([near.participants[0]?.aor, far.participants[0]?.aor], ['sip:1001', 'sip:1002']);
  const values = ['<sip:1000@192.0.2.8>;media-index="1"', 'sip:2000@192.0.2.8;media-index="0"'];
  const r = invite({ body: SDP_TWO, headerValues: (name) => (name === 'x-cisco-recording-participant' ? values : []) });
  assert.deepEqual(
    r.participants.map((p) => [p.aor, p.channel]),
    [
      ['sip:1000@192.0.2.8', 1],
      ['sip:2000@192.0.2.8', 0],
    ],
  );
});

test('RFC 7866 7.2: media that is not recorded is rejected one by one', () => {
  const body = [
    'v=0',
    'c=IN IP4 192.0.2.1',
    'm=audio 4000 RTP/AVP 18 101 0',
    'a=rtpmap:101 telephone-event/8000',
    'a=label:7',
    'm=video 4002 RTP/AVP 96',
    'm=audio 0 RTP/AVP 0',
    'm=audio 4004 RTP/SAVP 0',
    'm=audio 4006 udptl t38',
    'm=audio 4008 RTP/AVPF 97',
    'a=label:7',
    'a=rtcp-mux',
    '',
  ].join('\r\n');
  const plan = planMedia(invite({ body }).offer!, { supported: (pt) => pt.encoding === 'PCMU' });
  assert.deepEqual(
    plan.map((m) => m.action),
    ['record', 'reject', 'reject', 'reject', 'reject', 'record'],
  );
  assert.equal(new Set(plan.map((m) => m.label)).size, plan.length);
  // G.729 cannot be decoded and PCMU can: PCMU is preferred, nothing is left out.
  assert.deepEqual(
    plan[0]!.payloadTypes.map((p) => p.payloadType),
    [0, 18, 101],
  );
  assert.deepEqual(plan[5]!.remote, { address: '192.0.2.1', rtpPort: 4008, rtcpPort: 4008 });
  assert.match(plan[5]!.warnings.join(), /repeats the a=label/);
  assert.match(plan[5]!.warnings.join(), /none of the codecs/);
});
