/** Calls to phones over the connections that they registered with (RFC 5626 in spirit), on real sockets of this machine. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { flowUri, type SessionEnd, type SipEndpoint, type SipSource } from '../../src/sip/index.ts';
import { connectTcp, rig } from './tls-rig.ts';

const ALLOW = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'REGISTER'];

async function registered(context: TestContext, transport: 'tcp' | 'tls') {
  const { server, client } = rig(context);
  const listen = [{ transport, host: '127.0.0.1', port: 0 }];
  const registrar = await server({ listen, allow: ALLOW });
  // Listens nowhere: only its connection leads to it.
  const phone = await client({ connect: [transport] });
  const source = await register(registrar, phone, transport);
  return { registrar, phone, source, nextHop: flowUri(source) };
}

async function register(registrar: SipEndpoint, phone: SipEndpoint, transport: 'tcp' | 'tls'): Promise<SipSource> {
  let source: SipSource | null = null;
  registrar.onRequest = (request, from) => {
    assert.equal(request.method, 'REGISTER');
    source = from;
    return { status: 200 };
  };
  const to = `sip:127.0.0.1:${registrar.addresses[0]!.port};transport=${transport}`;
  assert.equal((await phone.request({ method: 'REGISTER', to })).status, 200);
  assert.ok(source);
  return source;
}

for (const transport of ['tcp', 'tls'] as const) {
  test(`RFC 5626 5.3: a call goes over the ${transport} connection of the registration, and stays there`, async (context) => {
    const { registrar, phone, nextHop, source } = await registered(context, transport);
    assert.ok(source.connection > 0);
    const ended = new Promise<SessionEnd>((resolve) => {
      phone.onInvite = (invite) => {
        assert.equal(invite.request.uri, 'sip:201@192.0.2.201:5060');
        invite.accept().onEnded = resolve;
      };
    });
    const { session } = await registrar.invite({ to: 'sip:201@192.0.2.201:5060', nextHop }).answered;
    await session.bye();
    assert.equal((await ended).by, 'remote');
    assert.equal(registrar.stats().connections, 1);
  });

  test(`a phone that has gone with its ${transport} connection is not reached, and that is known at once`, async (context) => {
    const { registrar, phone, nextHop } = await registered(context, transport);
    await phone.close();
    const started = performance.now();
    await assert.rejects(registrar.invite({ to: 'sip:201@192.0.2.201', nextHop }).answered, { status: 503 });
    assert.ok(performance.now() - started < 3_000);
  });
}

test('another connection from the same place is not taken for that of the phone', async (context) => {
  const { registrar, source } = await registered(context, 'tcp');
  const other = await connectTcp(registrar.addresses[0]!.port);
  let heard = 0;
  other.on('data', () => heard++);
  context.after(() => other.destroy());
  const nextHop = flowUri({ ...source, port: 1, connection: source.connection + 1_000 });
  await assert.rejects(registrar.invite({ to: 'sip:201@192.0.2.201', nextHop }).answered, { status: 503 });
  other.end();
  await once(other, 'close');
  assert.equal(heard, 0);
});
