/** RFC 3263 4.2 and RFC 2782: each of the servers behind a name, on a DNS that is a table and on one that answers by UDP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextHop, ServiceLookups, serviceTargetsOf, type TransportName } from '../../src/sip/transport/index.ts';
import { type Answer, MAX_RECORDS, NO_ANSWER, type Srv } from '../../src/sip/transport/locating.ts';
import { dnsServer, srv as srvRecord } from './dns-server.ts';

type Zone = Record<string, Partial<Answer>>;
const srv = (name: string, port = 5060, priority = 0, weight = 0): Srv => ({ priority, weight, port, name });
const naptr = (order: number, service: string, replacement: string) => ({
  ...{ order, preference: 0, flags: 's', service, replacement },
});

function targets(uri: string, zone: Zone, supported: TransportName[] = ['udp', 'tcp', 'tls']): string[] {
  const search = serviceTargetsOf(nextHop(uri, null), supported);
  let step = search.next();
  while (!step.done) step = search.next({ ...NO_ANSWER, ...zone[step.value.ask.name] });
  return step.value.map((one) => `${one.transport} ${one.host}:${one.port} ${one.priority}/${one.weight}`);
}

test('RFC 2782: all targets with priority and weight, each host and port once, none for "."', () => {
  const records = [
    srv('A.example.com.', 5060, 1, 2),
    srv('b.example.com', 5080, 3, 4),
    srv('a.example.com', 5060, 9, 9),
  ];
  const zone = {
    '_sip._udp.rec.example.com': { srv: [...records, srv('.', 5060), srv('', 5060), srv('z.example.com', 0)] },
  };
  assert.deepEqual(targets('sip:rec.example.com', zone), ['udp a.example.com:5060 1/2', 'udp b.example.com:5080 3/4']);
  assert.deepEqual(targets('sip:rec.example.com', { '_sip._udp.rec.example.com': { srv: [srv('.')] } }), []);
  assert.deepEqual(targets('sip:rec.example.com', {}), []);
});

test('RFC 3263 4.1: the transport that the URI names, else what NAPTR prefers, else the first that has records', () => {
  const zone: Zone = {
    '_sip._udp.rec.example.com': { srv: [srv('u')] },
    '_sip._tcp.rec.example.com': { srv: [srv('t')] },
    'here.example.com': { srv: [srv('n')] },
  };
  assert.deepEqual(targets('sip:rec.example.com', zone), ['udp u:5060 0/0']);
  assert.deepEqual(targets('sip:rec.example.com;transport=tcp', zone), ['tcp t:5060 0/0']);
  assert.deepEqual(targets('sip:rec.example.com', zone, ['tcp']), ['tcp t:5060 0/0']);
  zone['rec.example.com'] = {
    naptr: [naptr(2, 'SIP+D2U', '_sip._udp.rec.example.com'), naptr(1, 'SIPS+D2T', 'here.example.com')],
  };
  assert.deepEqual(targets('sip:rec.example.com', zone), ['tls n:5060 0/0']);
  assert.deepEqual(targets('sip:rec.example.com', zone, ['udp']), ['udp u:5060 0/0']);
});

test('any number of records is bounded', () => {
  const record = fc.record({
    name: fc.string({ maxLength: 8 }),
    port: fc.nat({ max: 65_535 }),
    priority: fc.nat({ max: 65_535 }),
    weight: fc.nat({ max: 65_535 }),
  });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 100 }), (all) => {
      const found = targets('sip:rec.example.com', { '_sip._udp.rec.example.com': { srv: all } });
      assert.ok(found.length <= MAX_RECORDS);
      assert.equal(new Set(found).size, found.length);
    }),
  );
});

test('a real DNS is asked, and one that does not answer has no records', async (t) => {
  const name = '_sip._udp.rec.example.com';
  const dns = await dnsServer(t, { [name]: [srvRecord(name, 'x.example.com', 5071, 1, 2)] });
  const lookups = new ServiceLookups([dns.address]);
  t.after(() => lookups.close());
  assert.deepEqual(await lookups.targets('sip:rec.example.com', ['udp']), [
    { transport: 'udp', host: 'x.example.com', port: 5071, priority: 1, weight: 2 },
  ]);
  assert.deepEqual(await lookups.targets('sip:other.example.com', ['udp']), []);
  const nobody = new ServiceLookups(['127.0.0.1:9']);
  t.after(() => nobody.close());
  assert.deepEqual(await nobody.targets('sip:rec.example.com', ['udp']), []);
});
