/** A recorder that is not ours (sipp), asked in each of the forms: what reaches it is what the phones sent. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseSdp } from '../../../src/sdp/index.ts';
import { readBodies } from '../../../src/siprec/index.ts';
import { until } from '../../server/rig.ts';
import { bySsrc, type Captured, type CapturedRtp } from '../phones/capture.ts';
import { type CapturedSip, header } from '../phones/captured-sip.ts';
import type { Phone } from '../phones/phone.ts';
import { byeAtUs, sentBy, UNDER_WAY_MS } from './scenarios.ts';
import { type Form, SippRecorder } from './sipp-recorder.ts';
import { hangUp, skipWorld, talk, World } from './world.ts';

const FIRST_PORT = 22_000;
const CALL_MS = 1_500;
const DNS: Record<Form, [string, string]> = {
  siprec: ['401', '402'],
  'one-dialog': ['411', '412'],
  'two-dialogs': ['421', '422'],
};
const FORMS = Object.keys(DNS) as Form[];

let world: World;
const recorders = new Map<Form, SippRecorder>();

describe('recorders of others', { skip: skipWorld, concurrency: true }, () => {
  before(async () => {
    world = await World.open(FIRST_PORT, {
      recorders: 0,
      extensions: Object.values(DNS)
        .flat()
        .map((dn) => ({ dn })),
      config: async ({ folder, ports }) => {
        for (const form of FORMS) recorders.set(form, await SippRecorder.start(folder, ports, form));
        return {
          recorders: FORMS.map((form) => ({ id: form, uri: recorders.get(form)!.uri, form })),
          groups: FORMS.map((form) => ({ name: `by-${form}`, recorders: [form], heartbeatSec: 1 })),
          recording: {
            group: 'by-siprec',
            rules: FORMS.map((form) => ({ from: DNS[form][0], record: 'source', group: `by-${form}` })),
          },
        };
      },
    });
  });
  after(async () => {
    await world?.close();
    for (const recorder of recorders.values()) await recorder.stop();
  });

  test('RFC 7866: one dialog, an m-line for each party, metadata', async (t) => {
    const { captured, phones, recorder } = await recordedCall(t, 'siprec');
    const [invite, ...others] = invitesTo(captured, recorder);
    assert.deepEqual(others, []);
    assert.match(header(invite!.head, 'Contact')!, /;\+sip\.src/);
    assert.match(header(invite!.head, 'Require')!, /\bsiprec\b/);
    const type = header(invite!.head, 'Content-Type')!;
    const { offer, metadata, warnings } = readBodies(type, Buffer.from(invite!.body, 'latin1'));
    assert.deepEqual(
      offer!.media.map((media) => [media.attribute('label'), media.direction]),
      [
        ['1', 'sendonly'],
        ['2', 'sendonly'],
      ],
    );
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      metadata!.participants.map(({ aor }) => /^sip:(\d+)@/.exec(aor!)![1]),
      phones.map(({ dn }) => dn),
    );
    assertArrived(captured, phones, recorder);
    assert.equal(byesTo(captured, recorder).length, 1);
  });

  test('Genesys: one dialog for both parties', async (t) => {
    const { captured, phones, recorder } = await recordedCall(t, 'one-dialog');
    const [invite, ...others] = invitesTo(captured, recorder);
    assert.deepEqual(others, []);
    const { user, parameters } = requestUri(invite!);
    assert.match(user, /^record=.+/);
    assert.match(parameters.get('calluuid')!, /^[0-9A-Fa-f]{32}$/);
    assert.deepEqual(
      [parameters.get('dn'), parameters.get('otherdn'), parameters.get('recorddn')],
      ['411', '412', '411'],
    );
    assert.equal(parseSdp(Buffer.from(invite!.body, 'latin1')).media.length, 2);
    assertArrived(captured, phones, recorder);
    assert.equal(byesTo(captured, recorder).length, 1);
  });

  test('Genesys: a dialog for each party', async (t) => {
    const { captured, phones, recorder } = await recordedCall(t, 'two-dialogs');
    const invites = invitesTo(captured, recorder);
    assert.equal(invites.length, 2);
    const uris = invites.map(requestUri);
    assert.equal(new Set(uris.map(({ user }) => user)).size, 1);
    assert.equal(new Set(uris.map(({ parameters }) => parameters.get('calluuid'))).size, 1);
    assert.deepEqual(uris.map(({ parameters }) => parameters.get('dn')).sort(), ['421', '422']);
    assert.deepEqual(
      uris.map(({ parameters }) => parameters.get('recorddn')),
      ['421', '421'],
    );
    for (const { body } of invites) assert.equal(parseSdp(Buffer.from(body, 'latin1')).media.length, 1);
    assertArrived(captured, phones, recorder);
    assert.equal(byesTo(captured, recorder).length, 2);
  });
});

async function recordedCall(t: Parameters<World['phones']>[0], form: Form) {
  const [from, to] = DNS[form];
  const phones = (await world.phones(t, { dn: from }, { dn: to })) as [Phone, Phone];
  await talk(...phones);
  await delay(CALL_MS);
  await hangUp(...phones);
  const recorder = recorders.get(form)!;
  const captured = await until('the recorder to have been told of the end', async () => {
    const soFar = await world.captured();
    return isEnded(soFar, recorder) ? soFar : null;
  });
  return { captured, phones, recorder };
}

/** Each dialog: the recorder has answered a BYE. */
function isEnded(captured: Captured, recorder: SippRecorder): boolean {
  const answered = captured.sip.filter(
    ({ method, status, fromPort }) => method === 'BYE' && status === 200 && fromPort === recorder.sipPort,
  );
  const ended = new Set(answered.map(({ callId }) => callId));
  return invitesTo(captured, recorder).every(({ callId }) => ended.has(callId));
}

function invitesTo({ sip }: Captured, { sipPort }: SippRecorder): CapturedSip[] {
  const all = sip.filter(({ method, status, toPort }) => method === 'INVITE' && status === null && toPort === sipPort);
  return all.filter(({ toTag }) => toTag === null);
}

function byesTo({ sip }: Captured, { sipPort }: SippRecorder): CapturedSip[] {
  return sip.filter(({ method, status, toPort }) => method === 'BYE' && status === null && toPort === sipPort);
}

function requestUri({ head }: CapturedSip): { user: string; parameters: Map<string, string> } {
  const [, user, rest] = /^INVITE sip:([^@]+)@[^;\s]+(\S*) SIP/.exec(head)!;
  const pairs = rest!.split(';').filter(Boolean);
  return {
    user: user!,
    parameters: new Map(
      pairs.map((pair): [string, string] => [pair.split('=')[0]!.toLowerCase(), pair.split('=')[1]!]),
    ),
  };
}

/** Each party's packets come to a port of their own: all of them, in order, with numbers and times that run as the phone's do. */
function assertArrived(captured: Captured, phones: readonly Phone[], { mediaPorts }: SippRecorder): void {
  const endUs = byeAtUs(captured, phones[0]!);
  const streams = mediaPorts.map((port) => captured.rtpTo({ lo: port, hi: port }));
  for (const phone of phones) {
    const sent = sentBy(captured, phone);
    const [stream, ...others] = streams.filter((one) => one.some(({ payload }) => payload.equals(sent[0]!.payload)));
    assert.ok(stream, `no stream begins with the first packet of ${phone.dn}`);
    assert.deepEqual(others, []);
    assert.equal(bySsrc(stream).length, 1);
    const due = sent.filter(({ atUs }) => atUs < endUs - UNDER_WAY_MS * 1000);
    assert.ok(stream.length >= due.length, `${stream.length} packets of ${due.length} of ${phone.dn} have come`);
    for (const [index, packet] of stream.entries()) assertSame(packet, stream[0]!, sent[index]!, sent[0]!, index);
  }
}

function assertSame(got: CapturedRtp, gotFirst: CapturedRtp, sent: CapturedRtp, sentFirst: CapturedRtp, index: number) {
  assert.ok(got.payload.equals(sent.payload), `packet ${index} is another one`);
  assert.equal((got.seq - gotFirst.seq) & 0xffff, (sent.seq - sentFirst.seq) & 0xffff);
  assert.equal((got.timestamp - gotFirst.timestamp) >>> 0, (sent.timestamp - sentFirst.timestamp) >>> 0);
}
