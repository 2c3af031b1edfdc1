/** Phones that are not ours register with our registrar: baresip over UDP and TCP, and is called where it is; sipp registers, too. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ExtensionConfig } from '../../../src/client/config/types.ts';
import { Registrar } from '../../../src/client/switch/registrar.ts';
import { SipEndpoint } from '../../../src/sip/index.ts';
import { undoing } from '../../server/rig.ts';
import { newDataFolder, removeFolder, within } from '../recorder.ts';
import { Phone, PORTS_PER_PHONE, withoutBaresip } from './phone.ts';
import { PortBlock } from './ports.ts';
import { writeNoise } from './sound.ts';

const PORTS = { lo: 17_000, each: 30 };
const DN = '101';
const PASSWORD = 'secret';
const ALLOW = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'REGISTER'];
const withoutSipp =
  spawnSync('sipp', ['-v']).error === undefined ? false : 'sipp is not installed: apt-get install sip-tester';

interface Rig {
  folder: string;
  endpoint: SipEndpoint;
  registrar: Registrar;
  port: number;
  ports: PortBlock;
  /** Status of each answer to a REGISTER. */
  answers: number[];
  changed: () => Promise<void>;
}

let blocks = 0;

async function rig(t: TestContext, transport: 'udp' | 'tcp', digest: ExtensionConfig['digest']): Promise<Rig> {
  const undo = undoing(t);
  const folder = newDataFolder();
  undo(() => removeFolder(folder));
  const forward = { busy: null, noAnswer: null, afterSec: 20 };
  const more = { record: false, forward, supervises: [], srtp: 'off' as const, agentId: null };
  const extension: ExtensionConfig = { dn: DN, name: 'Phone', password: PASSWORD, ...(digest && { digest }), ...more };
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const registrar = new Registrar({ realm: 'example.com', extensions: new Map([[DN, extension]]), log: silent });
  const listen = [{ transport, host: '127.0.0.1', port: 0 }];
  const endpoint = new SipEndpoint({ listen, userAgent: 'registrar', allow: ALLOW });
  const answers: number[] = [];
  endpoint.onRequest = (request, source) => {
    const answer = registrar.register(request, source, Date.now());
    answers.push(answer.status);
    return answer;
  };
  await endpoint.start();
  undo(() => endpoint.close({ graceMs: 50 }));
  const ports = new PortBlock(PORTS.lo + blocks++ * PORTS.each, PORTS.each);
  const changed = () =>
    within(
      10_000,
      'a change of the registration',
      new Promise<void>((resolve) => {
        registrar.onChanged = () => resolve();
      }),
    );
  return { folder, endpoint, registrar, port: endpoint.addresses[0]!.port, ports, answers, changed };
}

describe('baresip', { skip: withoutBaresip }, () => {
  for (const transport of ['udp', 'tcp'] as const) {
    test(`registers over ${transport}, is called where it sent from, and signs off when it ends`, async (t) => {
      const { folder, endpoint, registrar, port, ports, answers, changed } = await rig(t, transport, ['MD5']);
      const audioFile = path.join(folder, 'a.wav');
      writeNoise(audioFile, 10, 1);
      const { lo } = ports.take(PORTS_PER_PHONE);
      const account = { dn: DN, password: PASSWORD, registrar: `127.0.0.1:${port}`, transport };
      const phone = await Phone.start({ ...account, port: lo, audioFile });
      undoing(t)(() => phone.stop());
      await phone.register();
      assert.deepEqual(answers, [401, 200]);
      const [binding] = registrar.bindings(DN, Date.now());
      assert.match(binding?.userAgent ?? '', /baresip/);
      assert.equal(binding?.transport, transport);
      const content = Buffer.from(
        'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n',
      );
      const body = { contentType: 'application/sdp', content };
      const { session } = await endpoint.invite({ to: binding!.contact, nextHop: binding!.nextHop, body }).answered;
      await phone.event('CALL_ESTABLISHED');
      await session.bye();
      await phone.event('CALL_CLOSED');
      if (transport === 'tcp') assert.equal(endpoint.stats().connections, 1, 'the connection of the registration');
      const gone = changed();
      await Promise.all([gone, phone.stop()]);
      assert.deepEqual(registrar.bindings(DN, Date.now()), []);
    });
  }
});

function scenario(): string {
  const register = (cseq: number, more: string) => `
  <send${cseq === 1 ? ' retrans="500"' : ''}><![CDATA[
    REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:${DN}@[remote_ip]>;tag=[pid]
    To: <sip:${DN}@[remote_ip]>
    Call-ID: [call_id]
    CSeq: ${cseq} REGISTER
    Contact: <sip:${DN}@[local_ip]:[local_port]>;expires=120
    ${more}Content-Length: 0

  ]]></send>`;
  return `<?xml version="1.0" encoding="ISO-8859-1"?>
<scenario name="register">${register(1, '')}
  <recv response="401" auth="true"/>${register(2, `[authentication username=${DN} password=${PASSWORD}]\n    `)}
  <recv response="200"/>
</scenario>`;
}

describe('sipp', { skip: withoutSipp }, () => {
  test('registers with MD5, the only one that it knows', async (t) => {
    const { folder, registrar, port, ports, answers } = await rig(t, 'udp', ['MD5']);
    const file = path.join(folder, 'register.xml');
    writeFileSync(file, scenario());
    const local = ports.take(1).lo;
    const addresses = ['-i', '127.0.0.1', '-p', String(local), `127.0.0.1:${port}`];
    const sipp = spawn('sipp', ['-sf', file, '-m', '1', '-nostdin', '-timeout', '20s', ...addresses], {
      cwd: folder,
      stdio: 'ignore',
    });
    const [code] = await within(30_000, 'sipp to end', once(sipp, 'exit'));
    assert.deepEqual([code, answers], [0, [401, 200]]);
    assert.equal(registrar.bindings(DN, Date.now())[0]?.contact, `sip:${DN}@127.0.0.1:${local}`);
  });
});
