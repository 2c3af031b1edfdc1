/** The rig itself: what two phones that call each other say, do and report. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeMulaw } from '../../../src/client/caller/g711.ts';
import { undoing } from '../../server/rig.ts';
import { newDataFolder, removeFolder } from '../recorder.ts';
import { bySsrc, Capture, type Captured, type CapturedRtp, payloadsOf, withoutDumpcap } from './capture.ts';
import { header } from './captured-sip.ts';
import { Phone, type PhoneOptions, PORTS_PER_PHONE, withoutBaresip } from './phone.ts';
import { PortBlock } from './ports.ts';
import { writeNoise } from './sound.ts';

const skip = withoutBaresip || withoutDumpcap;
const PORTS = { lo: 15_000, each: 60 };
const FRAME_SAMPLES = 160;
const SECONDS = 30;

interface Rig {
  phones: Phone[];
  /** What is in the phones' files, as mu-law. */
  files: Buffer[];
  end(): Promise<Captured>;
}

let blocks = 0;

async function rig(t: TestContext, all: Partial<PhoneOptions>[]): Promise<Rig> {
  const undo = undoing(t);
  const folder = newDataFolder();
  undo(() => removeFolder(folder));
  const ports = new PortBlock(PORTS.lo + blocks++ * PORTS.each, PORTS.each);
  const capture = await Capture.start(path.join(folder, 'lo.pcapng'), ports);
  undo(() => capture.abandon());
  const files: Buffer[] = [];
  const phones = await Promise.all(
    all.map(async (options, index) => {
      const audioFile = path.join(folder, `${index}.wav`);
      files[index] = Buffer.from(Array.from(writeNoise(audioFile, SECONDS, index + 1), encodeMulaw));
      const { lo: port } = ports.take(PORTS_PER_PHONE);
      const own = { dn: `10${index + 1}`, password: 'secret', registrar: `127.0.0.1:${port}`, port, audioFile };
      const phone = await Phone.start({ ...own, ...options });
      undo(() => phone.stop());
      await phone.standAlone();
      return phone;
    }),
  );
  return { phones, files, end: () => capture.stop() };
}

async function talk(from: Phone, to: Phone): Promise<string> {
  await from.dial(to.uri);
  const [{ id }] = await Promise.all([from.event('CALL_ESTABLISHED'), to.event('CALL_ESTABLISHED')]);
  return id!;
}

/** Each packet is one frame of the file, the one that its timestamp says. */
function assertFromFile(packets: CapturedRtp[], file: Buffer): void {
  const first = packets[0]!;
  for (const [index, { seq, timestamp, payload }] of packets.entries()) {
    assert.equal(seq, (first.seq + index) & 0xffff);
    const at = (timestamp - first.timestamp) >>> 0;
    assert.ok(
      payload.equals(file.subarray(at, at + FRAME_SAMPLES)),
      `packet ${index} is not what the file has at ${at}`,
    );
  }
}

describe('two phones', { skip, concurrency: true }, () => {
  test('say what their files have, from the first sample on; hold sends nothing, mute sends zeros', async (t) => {
    const { phones, files, end } = await rig(t, [{}, {}]);
    const [a, b] = phones as [Phone, Phone];
    await talk(a, b);
    await delay(400);
    await a.hold();
    await a.event('CALL_REMOTE_SDP');
    assert.equal((await a.calls())[0]!.isOnHold, true);
    const heldAtUs = Date.now() * 1000;
    await delay(400);
    const resumedAtUs = Date.now() * 1000;
    await a.resume();
    await delay(300);
    await b.mute();
    await delay(300);
    await b.hangUp();
    assert.equal((await a.event('CALL_CLOSED')).param, 'Connection reset by peer');
    assert.deepEqual(await a.calls(), []);

    const captured = await end();
    const sentByA = captured.rtpFrom(a.mediaPorts);
    assert.equal(bySsrc(sentByA).length, 1);
    assert.ok(sentByA.length > 20);
    assertFromFile(sentByA, files[0]!);
    assert.equal(sentByA.filter(({ atUs }) => atUs > heldAtUs && atUs < resumedAtUs).length, 0);
    const sentByB = captured.rtpFrom(b.mediaPorts);
    const muted = sentByB.findIndex(({ payload }) => payload.every((octet) => octet === 0xff));
    assert.ok(muted > 20);
    assertFromFile(sentByB.slice(0, muted), files[1]!);
    assert.ok(payloadsOf(sentByB.slice(muted)).every((octet) => octet === 0xff));
    const quiet = sentByB.filter(({ atUs }) => atUs > heldAtUs && atUs < resumedAtUs);
    assert.equal(quiet.length, 0, 'one that was put on hold does not speak either');
    assert.deepEqual(
      captured.sip
        .filter(({ method, status }) => method === 'INVITE' && status === null)
        .map(({ body }) => /a=(send\w+)/.exec(body)![1]),
      ['sendrecv', 'sendonly', 'sendrecv'],
    );
  });

  test('RFC 4568: with SRTP, the keys in their SDP show the same', async (t) => {
    const { phones, files, end } = await rig(t, [{ srtp: 'sdes' }, { srtp: 'sdes' }]);
    const [a, b] = phones as [Phone, Phone];
    await talk(a, b);
    await delay(500);
    await a.hangUp();
    await b.event('CALL_CLOSED');
    const captured = await end();
    for (const [index, phone] of phones.entries()) {
      const clear = captured.srtpFrom(phone.mediaPorts, phone.sipPort);
      assert.ok(clear.length > 20);
      assertFromFile(clear, files[index]!);
      assert.ok(!captured.rtpFrom(phone.mediaPorts)[0]!.payload.equals(clear[0]!.payload));
    }
  });

  test('RFC 3515: blind transfer; manual answer, refusal', async (t) => {
    const { phones, end } = await rig(t, [{}, {}, { answerMode: 'manual' }]);
    const [a, b, c] = phones as [Phone, Phone, Phone];
    await talk(a, b);
    await a.transfer(c.uri);
    assert.equal((await b.event('TRANSFER')).param, c.uri);
    await c.event('CALL_INCOMING');
    await c.answer();
    assert.equal((await a.event('CALL_CLOSED')).param, 'Call transfered');
    await b.event('CALL_ESTABLISHED');
    await c.hangUp();
    await b.event('CALL_CLOSED');

    await a.dial(c.uri);
    await c.event('CALL_INCOMING');
    await c.hangUp();
    assert.match((await a.event('CALL_CLOSED')).param!, /^486 /);
    await end();
  });

  test('RFC 3891: attended transfer names the dialog that is to be replaced', async (t) => {
    const { phones, end } = await rig(t, [{}, {}, {}]);
    const [a, b, c] = phones as [Phone, Phone, Phone];
    await talk(a, b);
    await a.hold();
    await a.event('CALL_REMOTE_SDP');
    const callId = await talk(a, c);
    assert.deepEqual(
      (await a.calls()).map(({ line, isCurrent, isOnHold }) => ({ line, isCurrent, isOnHold })),
      [
        { line: 1, isCurrent: false, isOnHold: true },
        { line: 2, isCurrent: true, isOnHold: false },
      ],
    );
    await a.line(1);
    await a.transferTo({ uri: c.uri, callId, toTag: 'their', fromTag: 'ours' });
    await b.event('TRANSFER');
    const captured = await end();
    const refer = captured.sip.find(({ method, status }) => method === 'REFER' && status === null)!;
    assert.equal(header(refer.head, 'Refer-To'), `<${c.uri}?Replaces=${callId}%3Bto-tag%3Dtheir%3Bfrom-tag%3Dours>`);
  });
});
