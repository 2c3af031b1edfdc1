// Runs of calls over the SIP stack itself, against an endpoint that answers as a recording server does.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type CallerReport, placeCalls } from '../../src/client/caller/index.ts';
import { answerOffer } from '../../src/sdp/index.ts';
import { type IncomingInvite, SipEndpoint } from '../../src/sip/index.ts';
import { interpretInvite, readBodies } from '../../src/siprec/index.ts';
import { Sink } from './recorder.ts';

const sinks: Sink[] = [];
const invites: IncomingInvite[] = [];
const ended: string[] = [];
let endpoint: SipEndpoint;
let refuse = false;
let running = 0;
let mostRunning = 0;

before(async () => {
  endpoint = new SipEndpoint({
    listen: [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tcp', host: '127.0.0.1', port: 0 },
    ],
    userAgent: 'test recorder',
    contactParams: ['+sip.srs'],
    supported: ['siprec', 'timer'],
  });
  endpoint.onInvite = (invite) => void answer(invite);
  await endpoint.start();
});

after(async () => {
  await endpoint.close();
  startOver();
});

function startOver(): void {
  for (const sink of sinks) sink.socket.close();
  for (const list of [sinks, invites, ended]) list.length = 0;
}

async function answer(invite: IncomingInvite): Promise<void> {
  if (refuse) return invite.reject({ status: 486 });
  invites.push(invite);
  const offer = readBodies(invite.request.contentType, invite.request.body).offer!;
  const media = [];
  for (const _ of offer.media) {
    const sink = await Sink.open();
    sinks.push(sink);
    media.push({ accept: true, port: sink.port, direction: 'recvonly', payloadTypes: [] } as const);
  }
  const sdp = answerOffer(offer, { address: '127.0.0.1', sessionId: '1', version: 1, media });
  const session = invite.accept({ body: { contentType: 'application/sdp', content: sdp.toBytes() } });
  running++;
  mostRunning = Math.max(mostRunning, running);
  session.onEnded = (event) => {
    running--;
    ended.push(
      `${event.by} ${Buffer.from(event.request?.body ?? [])
        .toString()
        .includes('<stop-time>')}`,
    );
  };
}

function to(transport: 'udp' | 'tcp'): { to: string; transport: 'udp' | 'tcp' } {
  const { port } = endpoint.addresses.find((address) => address.transport === transport)!;
  return { to: `sip:127.0.0.1:${port}`, transport };
}

function check(report: CallerReport, calls: number): void {
  assert.equal(report.calls.length, calls);
  for (const call of report.calls) {
    assert.equal(call.error, null);
    assert.equal(call.status, 200);
    assert.ok(call.callId.length > 0);
    assert.equal(call.endedBy, 'local');
  }
  assert.ok(report.setupMs.p50! > 0 && report.setupMs.p99! >= report.setupMs.p50!);
  assert.equal(ended.length, calls);
  assert.ok(ended.every((end) => end === 'remote true'));
}

for (const transport of ['udp', 'tcp'] as const) {
  test(`RFC 7866: calls over ${transport}, at a rate and at most so many at once, arrive complete`, async () => {
    startOver();
    mostRunning = 0;
    const impairment = { lossPercent: 5, reorderPercent: 5, duplicatePercent: 5 };
    const options = { calls: 12, rate: 200, concurrency: 5, durationMs: 400, ...impairment };
    check(await placeCalls({ ...to(transport), ...options }), 12);
    assert.equal(mostRunning, 5);
    const interpreted = invites.map(({ request }) =>
      interpretInvite({
        uri: request.uri.toString(),
        headers: (name: string) => request.header(name),
        contactParams: request.contact?.params ?? new Map(),
        contentType: request.contentType,
        body: request.body,
      } as never),
    );
    for (const one of interpreted) {
      assert.equal(one.kind, 'siprec');
      assert.deepEqual(one.warnings, []);
      assert.deepEqual(
        one.participants.map((p) => p.channel),
        [0, 1],
      );
    }
    assert.match(invites[0]!.request.header('contact')!, /;\+sip\.src/);
    assert.match(invites[0]!.request.header('require')!, /siprec/);
  });
}

test('what arrives is what the report says, by SSRC', async () => {
  startOver();
  const report = await placeCalls({
    ...to('udp'),
    calls: 3,
    durationMs: 600,
    lossPercent: 10,
    reorderPercent: 10,
    duplicatePercent: 10,
  });
  const bySsrc = new Map(sinks.map((sink) => [new DataView(sink.packets[0]!.buffer).getUint32(8), sink.counts()]));
  for (const stream of report.calls.flatMap((call) => call.streams)) {
    assert.deepEqual(bySsrc.get(stream.ssrc), stream.packets);
  }
});

test('a refused call is reported with its status', async () => {
  refuse = true;
  const report = await placeCalls({ ...to('udp'), calls: 2, rate: 100 });
  refuse = false;
  assert.deepEqual(
    report.calls.map((call) => [call.status, call.streams.every((s) => s.packets.sent === 0)]),
    [
      [486, true],
      [486, true],
    ],
  );
  assert.ok(report.calls.every((call) => call.error !== null));
  assert.deepEqual(report.setupMs, { p50: null, p99: null });
});

test('an abort ends the running calls with BYE and starts no more', async () => {
  startOver();
  const stop = new AbortController();
  const done = placeCalls({ ...to('udp'), calls: 100, rate: 20, durationMs: 60000, signal: stop.signal });
  while ((sinks[2]?.packets.length ?? 0) < 2) await new Promise((resolve) => setTimeout(resolve, 2));
  stop.abort();
  const report = await done;
  // One that is not answered yet is cancelled (RFC 3261 section 9.1).
  const answered = report.calls.filter(({ error }) => error !== '487 Request Terminated');
  assert.ok(answered.length >= 2 && report.calls.length < 20);
  for (const { error, status, endedBy } of answered) assert.deepEqual([error, status, endedBy], [null, 200, 'local']);
  assert.ok(ended.length >= answered.length && ended.every((end) => end === 'remote true'));
});
