import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildMetadata, interpretInvite, parseMetadata, planMedia, splitMultipart } from '../../src/siprec/index.ts';
import { cpuMs, mutate, randomNumbers } from '../sdp/mutation.ts';
import { OFFERS } from './vendors.ts';

/** Whatever comes in, something sensible comes out, and nothing is thrown. */
function check(contentType: string, body: Uint8Array): void {
  const r = interpretInvite({
    uri: 'sip:record=1@192.0.2.1;dn=1',
    headers: () => undefined,
    contactParams: new Map([['+sip.src', null]]),
    contentType,
    body,
  });
  assert.ok(r.warnings.length < 200);
  if (r.offer) {
    const plan = planMedia(r.offer, { supported: () => true });
    assert.equal(plan.length, r.offer.media.length);
    assert.equal(new Set(plan.map((m) => m.label)).size, plan.length);
  }
  if (r.metadata) {
    // What was read can be written, and is then well-formed: reading it again finds no fault in the XML.
    const again = parseMetadata(buildMetadata(r.metadata));
    assert.ok(!again.warnings.some((w) => w.includes('well-formed')), again.warnings.join());
  }
}

test('vendor bodies cut at each byte', () => {
  for (const { contentType, body } of OFFERS) {
    const bytes = Buffer.from(body);
    for (let length = 0; length <= bytes.length; length += 1) splitMultipart(contentType, bytes.subarray(0, length));
    // The whole interpretation is a hundred times the work: every seventh byte, and each byte of the last offer.
    const step = body === OFFERS.at(-1)!.body ? 1 : 7;
    for (let length = 0; length <= bytes.length; length += step) check(contentType, bytes.subarray(0, length));
  }
});

test('vendor bodies with seeded damage', () => {
  const random = randomNumbers(7866);
  const used = cpuMs(() => {
    for (let i = 0; i < 4_000; i++) {
      const offer = OFFERS[i % OFFERS.length]!;
      let bytes: Uint8Array = Buffer.from(offer.body);
      for (let round = Math.floor(random() * 3); round >= 0; round--) bytes = mutate(bytes, random);
      check(i % 11 === 0 ? '' : offer.contentType, bytes);
    }
  });
  assert.ok(used / 4_000 < 5, `${used / 4_000} ms each`);
});

test('bombs are read in part or not at all, in bounded time', () => {
  const ns = 'xmlns="urn:ietf:params:xml:ns:recording:1"';
  const fill = (text: string, bytes = 60_000) => text.repeat(Math.floor(bytes / text.length));
  const xml = [
    `<recording ${ns}>${fill('<participant participant_id="a"/>')}</recording>`,
    `<recording ${ns}>${fill('<participantstreamassoc participant_id="a"><send>b</send></participantstreamassoc>')}</recording>`,
    `<recording ${ns}><participantstreamassoc participant_id="a">${Array.from({ length: 5_000 }, (_, i) => `<send>${i}</send>`).join('')}</participantstreamassoc></recording>`,
    `<recording ${ns} ${Array.from({ length: 5_000 }, (_, i) => `a${i}="1"`).join(' ')}/>`,
    `<recording ${ns}>${fill('</x>')}`,
    `<recording ${ns}>${fill('&')}`,
    `<recording ${ns}>${fill('<')}`,
    `<recording ${ns}>${fill('<a>')}`,
    `<recording ${ns}>${fill('<a:b/>')}</recording>`,
    `<recording ${ns}><![CDATA[${fill(']')}`,
    `<!${fill('D')}`,
    `<recording ${ns}>${fill('\0')}`,
    `<recording ${ns}>${Array.from({ length: 1_000 }, (_, i) => `<stream stream_id="${i}"><label>${i}</label></stream>`).join('')}</recording>`,
  ];
  const bodies = xml.map((text): [string, Buffer] => ['application/rs-metadata+xml', Buffer.from(text)]);
  bodies.push(['multipart/mixed;boundary=b', Buffer.from(fill('--b\r\n'))]);
  bodies.push([
    'multipart/mixed;boundary=b',
    Buffer.from(fill('--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n')),
  ]);
  bodies.push(['multipart/mixed;boundary=b', Buffer.from(fill('\r\n'))]);
  bodies.push(['multipart/mixed;boundary=b', Buffer.from(`--b\r\n${fill('a: b\r\n')}`)]);
  bodies.push([`multipart/mixed;${fill('a="b";')}`, Buffer.from('--b\r\n')]);
  bodies.push([`multipart/mixed;boundary="${fill('\\')}`, Buffer.from('--b\r\n')]);
  for (const [type, body] of bodies) check(type, body);
  for (const [type, body] of bodies) {
    const used = cpuMs(() => {
      for (let i = 0; i < 3; i++) check(type, body);
    });
    assert.ok(used / 3 < 100, `${used / 3} ms for ${body.subarray(0, 150)}`);
  }
});

test('an ordinary INVITE body takes well under 5 ms', () => {
  const bodies = OFFERS.map((o): [string, Buffer] => [o.contentType, Buffer.from(o.body)]);
  const run = () => {
    for (const [type, body] of bodies) check(type, body);
  };
  for (let i = 0; i < 20; i++) run();
  const used = cpuMs(() => {
    for (let i = 0; i < 20; i++) run();
  });
  assert.ok(used / (20 * bodies.length) < 5, `${used / (20 * bodies.length)} ms each`);
});
