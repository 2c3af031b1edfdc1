/** RFC 3263 and RFC 2782 on a DNS that is a table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FailedTargets } from '../../src/sip/transport/failed-targets.ts';
import { type Flow, nextHop, type TransportName } from '../../src/sip/transport/index.ts';
import {
  type Answer,
  inOrder,
  type Naptr,
  NO_ANSWER,
  type Srv,
  TargetList,
  targetsOf,
} from '../../src/sip/transport/locating.ts';

type Zone = Record<string, Partial<Answer>>;

const naptr = (order: number, preference: number, service: string, replacement: string): Naptr => ({
  order,
  preference,
  flags: 's',
  service,
  replacement,
});
const srv = (priority: number, weight: number, port: number, name: string): Srv => ({ priority, weight, port, name });

/** All targets of a URI as `transport:address:port`, and what was asked for them. */
function locate(
  uri: string,
  zone: Zone,
  supported: TransportName[] = ['udp', 'tcp', 'tls'],
  transport?: TransportName,
) {
  const known = transport ? { transport, address: '', port: 0, connection: 0 } : null;
  const asked: string[] = [];
  const list = new TargetList(
    targetsOf(nextHop(uri, known), supported, () => 0),
    ({ type, name }, answer) => {
      asked.push(`${type} ${name}`);
      answer({ ...NO_ANSWER, ...zone[`${type} ${name}`] });
    },
  );
  const targets: string[] = [];
  const take = (target: { transport: string; address: string; port: number; domain?: string } | null): void => {
    if (target === null) return;
    const { address, port, domain } = target;
    targets.push(`${target.transport}:${address}:${port}${domain === undefined ? '' : ` as ${domain}`}`);
    list.next(take);
  };
  list.next(take);
  return { targets, asked };
}

const EXAMPLE: Zone = {
  'NAPTR example.com': {
    naptr: [
      naptr(100, 50, 'SIP+D2U', '_sip._udp.example.com'),
      naptr(90, 50, 'SIP+D2T', '_sip._tcp.example.com'),
      naptr(50, 50, 'SIPS+D2T', '_sips._tcp.example.com'),
      naptr(1, 1, 'SIP+D2W', '_sip._ws.example.com'),
    ],
  },
  'SRV _sips._tcp.example.com': { srv: [srv(2, 0, 5061, 'b.example.net'), srv(1, 0, 5071, 'a.example.net')] },
  'SRV _sip._tcp.example.com': { srv: [srv(1, 0, 5060, 'a.example.net')] },
  'SRV _sip._udp.example.com': { srv: [srv(1, 0, 5080, 'a.example.net')] },
  'ADDRESS a.example.net': { addresses: ['192.0.2.1', '2001:db8::1'] },
  'ADDRESS b.example.net': { addresses: ['192.0.2.2'] },
  'ADDRESS example.com': { addresses: ['192.0.2.9'] },
};

test('RFC 3263 4.1, 4.2: an address or a port asks for no NAPTR and no SRV', () => {
  assert.deepEqual(locate('sip:192.0.2.5', EXAMPLE), { targets: ['udp:192.0.2.5:5060'], asked: [] });
  assert.deepEqual(locate('sips:[2001:db8::9]', EXAMPLE).targets, ['tls:2001:db8::9:5061 as 2001:db8::9']);
  assert.deepEqual(locate('sip:example.com:5070', EXAMPLE), {
    targets: ['udp:192.0.2.9:5070'],
    asked: ['ADDRESS example.com'],
  });
  assert.deepEqual(locate('sips:example.com:5070', EXAMPLE).targets, ['tls:192.0.2.9:5070 as example.com']);
  assert.deepEqual(locate('sip:192.0.2.5', {}, ['tcp']).targets, ['tcp:192.0.2.5:5060']);
});

test('RFC 3263 4.1: the best NAPTR record of a transport that is spoken, by order, then preference', () => {
  assert.deepEqual(locate('sip:example.com', EXAMPLE, ['udp', 'tcp']).targets, [
    'tcp:192.0.2.1:5060',
    'tcp:2001:db8::1:5060',
  ]);
  assert.deepEqual(locate('sip:example.com', EXAMPLE, ['udp']).targets.at(0), 'udp:192.0.2.1:5080');
  const { targets, asked } = locate('sip:example.com', EXAMPLE);
  assert.deepEqual(targets, [
    'tls:192.0.2.1:5071 as example.com',
    'tls:2001:db8::1:5071 as example.com',
    'tls:192.0.2.2:5061 as example.com',
  ]);
  assert.deepEqual(asked, [
    'NAPTR example.com',
    'SRV _sips._tcp.example.com',
    'ADDRESS a.example.net',
    'ADDRESS b.example.net',
  ]);
});

test('RFC 3263 4.1: sips takes SIPS+D2T only, and TLS where there is none; what is checked is the domain of the URI', () => {
  const elsewhere: Zone = {
    'NAPTR example.com': {
      naptr: [naptr(1, 1, 'SIP+D2U', '_sip._udp.x'), naptr(9, 9, 'sips+d2t', '_sips._tcp.provider.net')],
    },
    'SRV _sips._tcp.provider.net': { srv: [srv(1, 1, 5061, 'a.example.net')] },
    'ADDRESS a.example.net': { addresses: ['192.0.2.1'] },
  };
  assert.deepEqual(locate('sips:example.com', elsewhere).targets, ['tls:192.0.2.1:5061 as example.com']);
  const insecure = { ...EXAMPLE, 'NAPTR example.com': { naptr: [naptr(1, 1, 'SIP+D2U', '_sip._udp.example.com')] } };
  assert.deepEqual(locate('sips:example.com', insecure).asked.slice(0, 2), [
    'NAPTR example.com',
    'SRV _sips._tcp.example.com',
  ]);
  const nothing = { 'ADDRESS example.com': { addresses: ['192.0.2.9'] } };
  assert.deepEqual(locate('sips:example.com', nothing).targets, ['tls:192.0.2.9:5061 as example.com']);
  assert.deepEqual(locate('sips:example.com;transport=udp', nothing).targets, ['tls:192.0.2.9:5061 as example.com']);
});

test('RFC 3263 4.1: without NAPTR every transport that is spoken is asked for by SRV, without any UDP is left', () => {
  const { 'NAPTR example.com': _, 'SRV _sip._udp.example.com': __, ...zone } = EXAMPLE;
  const { targets, asked } = locate('sip:example.com', zone, ['udp', 'tcp']);
  assert.deepEqual(asked.slice(0, 3), ['NAPTR example.com', 'SRV _sip._udp.example.com', 'SRV _sip._tcp.example.com']);
  assert.equal(targets[0], 'tcp:192.0.2.1:5060');
  assert.deepEqual(locate('sip:example.com', { 'ADDRESS example.com': { addresses: ['192.0.2.9'] } }).targets, [
    'udp:192.0.2.9:5060',
  ]);
});

test('RFC 3263 4.1: a transport that the URI or the caller names leaves SRV alone to be asked', () => {
  assert.deepEqual(locate('sip:example.com;transport=tcp', EXAMPLE), {
    targets: ['tcp:192.0.2.1:5060', 'tcp:2001:db8::1:5060'],
    asked: ['SRV _sip._tcp.example.com', 'ADDRESS a.example.net'],
  });
  assert.equal(locate('sip:example.com', EXAMPLE, ['udp'], 'tls').asked[0], 'SRV _sips._tcp.example.com');
});

test('RFC 2782: a target of "." says that there is no such service', () => {
  const zone = { ...EXAMPLE, 'SRV _sip._tcp.example.com': { srv: [srv(0, 0, 0, '')] } };
  assert.deepEqual(locate('sip:example.com;transport=tcp', zone).targets, []);
});

test('RFC 6761 6.3: localhost is no matter of the DNS', () => {
  assert.deepEqual(locate('sip:localhost', {}).asked, ['ADDRESS localhost']);
});

test('RFC 2782: priorities in order, and within one the first choice falls by weight', () => {
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 1) / 2 ** 31;
  };
  const records = [
    srv(2, 9, 1, 'last'),
    srv(1, 10, 1, 'ten'),
    srv(1, 30, 1, 'thirty'),
    srv(1, 60, 1, 'sixty'),
    srv(1, 0, 1, 'zero'),
  ];
  const first = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const order = inOrder(records, random).map(({ name }) => name);
    assert.equal(order.length, 5);
    assert.equal(order[4], 'last');
    first.set(order[0]!, (first.get(order[0]!) ?? 0) + 1);
  }
  const share = (name: string) => (first.get(name) ?? 0) / 20_000;
  // "Weight 0 ... should have a very small chance": 1 of the 101 numbers from 0 to 100.
  for (const [name, expected] of [
    ['zero', 1 / 101],
    ['ten', 10 / 101],
    ['thirty', 30 / 101],
    ['sixty', 60 / 101],
  ] as const) {
    assert.ok(Math.abs(share(name) - expected) < 0.015, `${name}: ${share(name)}`);
  }
});

test('RFC 3263 4.3: what failed a moment ago comes last, until its time is over', () => {
  let now = 0;
  const failed = new FailedTargets(() => now);
  const zone: Answer = { ...NO_ANSWER, addresses: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] };
  const order = () => {
    const hop = nextHop('sips:example.com:5061', null);
    const list = new TargetList(
      targetsOf(hop, ['tls'], () => 0),
      (_question, give) => give(zone),
      (target) => failed.has(target),
    );
    const addresses: string[] = [];
    const take = (target: Flow | null): void => {
      if (target === null) return;
      addresses.push(target.address.slice(-1));
      list.next(take);
    };
    list.next(take);
    return addresses.join('');
  };
  const flow = (address: string): Flow => ({
    transport: 'tls',
    address,
    port: 5061,
    connection: 0,
    domain: 'example.com',
  });
  failed.note(flow('192.0.2.1'));
  failed.note({ ...flow('192.0.2.2'), domain: 'example.org' });
  assert.equal(order(), '231');
  failed.note(flow('192.0.2.2'), 40_000);
  assert.equal(order(), '312');
  now = 30_000;
  assert.equal(order(), '132');
  now = 40_000;
  assert.equal(order(), '123');
  for (let i = 0; i < 5_000; i++) failed.note(flow(`10.0.${i >> 8}.${i & 255}`));
  assert.equal(failed.has(flow('10.0.0.0')), false);
});

test('whatever the DNS says, targets are bounded, and those of a sips URI are TLS as the URI names it', () => {
  const name = fc.constantFrom('example.com', 'a', '', '.', '192.0.2.1', '::1', 'x'.repeat(300));
  const word = fc.nat(65_535);
  const records = {
    naptr: fc.array(
      fc.record({
        order: word,
        preference: word,
        flags: fc.constantFrom('s', 'S', 'a', ''),
        service: fc.constantFrom('SIP+D2U', 'sips+d2t', 'SIP+D2T', '__proto__', 'constructor'),
        replacement: name,
      }),
    ),
    srv: fc.array(fc.record({ priority: fc.nat(3), weight: word, port: word, name }), { maxLength: 80 }),
    addresses: fc.array(fc.constantFrom('192.0.2.1', '2001:db8::1'), { maxLength: 80 }),
  };
  fc.assert(
    fc.property(fc.record(records), fc.constantFrom('sips:example.com', 'sip:example.com'), (answer, uri) => {
      const list = new TargetList(
        targetsOf(nextHop(uri, null), ['udp', 'tcp', 'tls'], () => 0.5),
        (_question, give) => give(answer),
      );
      for (let i = 0; i <= 32 * 32; i++) {
        let target: { transport: string; port: number; domain?: string } | null = null;
        list.next((one) => {
          target = one;
        });
        if (target === null) return;
        const { transport, port, domain } = target as { transport: string; port: number; domain?: string };
        assert.ok(port > 0);
        if (uri.startsWith('sips')) assert.deepEqual([transport, domain], ['tls', 'example.com']);
      }
      assert.fail('more targets than there may be');
    }),
  );
});

test('RFC 3261 12.2.1.1: a dialog keeps its transport and connection, and what is TLS stays TLS', () => {
  const udp = { transport: 'udp', address: '192.0.2.1', port: 5060, connection: 0 } as const;
  const tcp = { transport: 'tcp', address: '192.0.2.1', port: 40_000, connection: 7 } as const;
  const tls = { transport: 'tls', address: '192.0.2.1', port: 5061, connection: 7, domain: 'example.com' } as const;
  assert.equal(nextHop('sip:192.0.2.1', udp).transport, 'udp');
  assert.deepEqual(
    [nextHop('sip:192.0.2.1:5060', tcp).transport, nextHop('sip:192.0.2.1:5060', tcp).connection],
    ['tcp', 7],
  );
  assert.equal(nextHop('sip:192.0.2.2', tcp).connection, 0);
  assert.deepEqual(nextHop('sip:192.0.2.1:5061;transport=udp', tls), {
    host: '192.0.2.1',
    port: 5061,
    transport: 'tls',
    onlyTls: true,
    domain: 'example.com',
    connection: 7,
  });
  assert.equal(nextHop('sips:192.0.2.1:5062', tls).domain, '192.0.2.1');
  assert.equal(nextHop('sip:x', udp, true).onlyTls, true);
  assert.equal(nextHop('sips:192.0.2.1', tcp).connection, 0);
});
