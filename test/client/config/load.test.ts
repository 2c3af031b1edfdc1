/** client.yaml: what comes of it, and exactly what is said about what is wrong. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { matches } from '../../../src/client/config/index.ts';
import { loadClientConfig } from '../../../src/client/config/load.ts';
import { ConfigError } from '../../../src/settings/index.ts';
import { changed, parsed, refusal, smallest, type Tree } from './files.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-client-config-'));
after(() => rmSync(folder, { recursive: true }));
const inFolder = path.join(folder, 'client.yaml');
const variable = (name: string) => `$\{${name}}`;
const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);

describe('the example', () => {
  const example = path.resolve(import.meta.dirname, '../../../examples/client.yaml');

  test('is what it says: two DNs, a trunk, two recorders, every call recorded, all on this machine', () => {
    const config = loadClientConfig(example, {});
    assert.deepEqual(
      config.extensions.map(({ dn, record }) => [dn, record]),
      [
        ['1001', true],
        ['1002', true],
      ],
    );
    assert.deepEqual(config.sip, [
      { transport: 'udp', host: '127.0.0.1', port: 5070 },
      { transport: 'tcp', host: '127.0.0.1', port: 5070 },
    ]);
    assert.deepEqual(config.http, { host: '127.0.0.1', port: 8081 });
    assert.equal(config.media.address, '127.0.0.1');
    assert.deepEqual(config.media.ports, { lo: 10000, hi: 13999 });
    assert.deepEqual(
      config.recorders.map(({ uri, form }) => [uri, form]),
      [
        ['sip:127.0.0.1:5060', 'siprec'],
        ['sip:127.0.0.1:5062', 'siprec'],
      ],
    );
    assert.deepEqual([config.trunks.length, config.recording.group, config.groups[0]?.strategy], [1, 'main', 'hunt']);
    const [rule] = config.dialPlan;
    assert.equal('0123'.replace(rule!.match, rule!.number!), '123');
    assert.ok(!matches(rule!.match, '1001'));
  });
});

describe('defaults and values', () => {
  test('little has to be said', () => {
    const config = parsed('extensions: []\n');
    assert.deepEqual(
      config.sip.map(({ transport }) => transport),
      ['udp', 'tcp'],
    );
    assert.deepEqual([config.tls, config.cti, config.recording.hook, config.recording.group], [null, null, null, null]);
    assert.ok(config.media.lanes >= 1);
    assert.notEqual(config.media.address, '0.0.0.0');
  });

  test('everything that can be said arrives', () => {
    const config = parsed({
      ...smallest(),
      realm: 'example.com',
      sessionExpiresSec: 90,
      media: {
        ...{ address: '[::1]', ports: '1024-2047', lanes: 2, lookBackMb: 16, anchor: 'always', srtp: 'required' },
      },
      extensions: [
        {
          ...{ dn: '*7', name: 'x', password: 'p', record: true, agentId: 'agent-7', srtp: 'off', supervises: ['*'] },
          forward: { busy: '0123', noAnswer: '8', afterSec: 5 },
        },
        { dn: '8', password: 'p', digest: ['MD5'] },
      ],
      recording: {
        ...{ group: 'main', alsoGroups: [{ group: 'archive', purpose: 'compliance' }], agents: ['agent-7'] },
        ...{ mandatory: true, lookBackSec: 0, notify: 'tone', honourPreference: true },
        rules: [
          {
            ...{
              from: '1.*',
              to: '2.*',
              trunk: 'outside',
              header: { name: 'X-Queue', value: 'sales' },
              percentage: 0.5,
            },
            ...{ time: { from: '22:00', to: '06:30', days: ['sun', 'mon'] }, record: 'disable_destination' },
            group: 'archive',
          },
          { record: 'none', time: {} },
        ],
        hook: { url: 'http://127.0.0.1:9/x', default: 'source', timeoutMs: 50, askFullTime: true },
        preRecord: { seconds: 30 },
      },
      logLevel: 'debug',
    });
    assert.deepEqual([config.realm, config.sessionExpiresSec], ['example.com', 90]);
    assert.deepEqual(config.media, {
      ...{ address: '::1', ports: { lo: 1024, hi: 2047 }, lanes: 2 },
      ...{ lookBackMb: 16, anchor: 'always', srtp: 'required' },
    });
    assert.deepEqual(config.extensions, [
      {
        ...{ dn: '*7', name: 'x', password: 'p', record: true, agentId: 'agent-7', srtp: 'off', supervises: ['*'] },
        forward: { busy: '0123', noAnswer: '8', afterSec: 5 },
        digest: ['SHA-256', 'MD5'],
      },
      {
        digest: ['MD5'],
        ...{ dn: '8', name: '8', password: 'p', record: false, agentId: null, srtp: 'required', supervises: [] },
        forward: { busy: null, noAnswer: null, afterSec: 20 },
      },
    ]);
    const [first, second] = config.recording.rules;
    assert.deepEqual(first?.time, { fromMin: 22 * 60, toMin: 6 * 60 + 30, days: [0, 1] });
    assert.deepEqual(second?.time, { fromMin: 0, toMin: 24 * 60, days: [1, 2, 3, 4, 5, 6, 0] });
    assert.deepEqual([first?.percentage, first?.record, first?.header?.name], [0.5, 'disable_destination', 'X-Queue']);
    assert.deepEqual([second?.from, second?.percentage, second?.group], [null, 100, null]);
    assert.deepEqual(config.recording.hook, {
      ...{ url: 'http://127.0.0.1:9/x', default: 'source', timeoutMs: 50, askFullTime: true },
    });
    assert.deepEqual(config.recording.preRecord, { seconds: 30, afterEndSec: 60 });
    assert.deepEqual(config.recording.alsoGroups, [{ group: 'archive', purpose: 'compliance' }]);
    assert.equal(config.recording.notify, 'tone');
  });

  test('local recording: defaults, and what can be said; groups name it', () => {
    assert.equal(parsed(smallest()).local, null);
    const little = changed('groups.0', { name: 'main', recorders: ['a', 'local'], simultaneous: 2 });
    const { local, recorders, groups } = parsed(changed('local.dir', 'kept', little), {}, inFolder);
    assert.deepEqual(local, {
      ...{ dir: path.join(folder, 'kept'), http: { host: '127.0.0.1', port: 8083 }, ports: { lo: 16000, hi: 19999 } },
      ...{ lanes: 1, weight: 1, location: null, maxSessions: null },
    });
    assert.deepEqual(
      recorders.map(({ id }) => id),
      ['a', 'b'],
    );
    assert.deepEqual(groups[0]?.recorders, ['a', 'local']);
    const much = {
      dir: '/r',
      http: '[::1]:9',
      ports: '1024-2047',
      lanes: 2,
      weight: 3,
      location: 'bonn',
      maxSessions: 4,
    };
    const bonn = changed('groups.1', { name: 'archive', recorders: ['local'], location: 'bonn' });
    assert.deepEqual(parsed(changed('local', much, bonn)).local, {
      ...{ ...much, http: { host: '::1', port: 9 }, ports: { lo: 1024, hi: 2047 } },
    });
  });

  test('a key without a value says nothing, an empty entry of a list is a mistake', () => {
    assert.equal(parsed(changed('recording.hook', null)).recording.hook, null);
    assert.match(refusal(changed('sip', [null])), /sip\[0\]: found nothing, expected transport:host:port/);
  });
});

describe('passwords', () => {
  test('come from the file, a file of their own, or the environment', () => {
    write('secret', 'from-file\n');
    write('tokens', 'token-of-twenty-characters\nanother-of-twenty-characters\n');
    const tree = {
      ...smallest(),
      extensions: [
        { dn: '1', password: variable('PASSWORD_1') },
        { dn: '2', passwordFile: 'secret' },
        { dn: '3', password: `has ${variable('PASSWORD_1')} in it` },
      ],
      trunks: [
        { name: 'outside', targets: ['sip:example.com'], credentials: { username: 'u', passwordFile: 'secret' } },
      ],
      cti: { listen: '127.0.0.1:8082', tokens: [variable('TOKEN')], tokensFile: 'tokens' },
    };
    const config = parsed(tree, { PASSWORD_1: 'from-env', TOKEN: 'token-from-environment' }, inFolder);
    assert.deepEqual(
      config.extensions.map(({ password }) => password),
      ['from-env', 'from-file', `has ${variable('PASSWORD_1')} in it`],
    );
    assert.deepEqual(config.trunks[0]?.credentials, { username: 'u', password: 'from-file' });
    assert.deepEqual(config.cti?.tokens, [
      'token-from-environment',
      'token-of-twenty-characters',
      'another-of-twenty-characters',
    ]);
  });

  test('that are missing, given twice or unreadable are told without showing one', () => {
    write('two', 'hunter2\nhunter3\n');
    write('empty', '\n');
    const of = (extension: object) => refusal(changed('extensions.0', { dn: '1', ...extension }), {}, inFolder);
    assert.match(of({}), /extensions\[0\]: found no password, expected password or passwordFile$/);
    assert.match(of({ password: 'hunter2', passwordFile: 'secret' }), /found password and passwordFile, expected one/);
    assert.match(of({ password: variable('NOPE') }), /found an environment variable that is not set, expected NOPE in/);
    assert.match(of({ passwordFile: 'hunter2' }), /found a file that can't be read \(ENOENT\)/);
    assert.match(of({ passwordFile: 'two' }), /found a file of 2 lines, expected one password in it/);
    assert.match(of({ passwordFile: 'empty' }), /found a file of 1 characters/);
    assert.match(of({ password: 12345678 }), /found a number, expected text/);
  });

  test('stay out of every error text', () => {
    const secret = 'hunter2-hunter2-hunter2';
    write('secret-file', `${secret}\n`);
    const at = fc.constantFrom(
      ...['extensions.0.password', 'extensions.1.password', 'trunks.0.credentials.password', 'trunks.0.credentials'],
      ...[
        'cti.tokens',
        'cti.tokens.0',
        'extensions.0.pasword',
        'trunks.0.credentials.user',
        'extensions.0.passwordFile',
      ],
      ...['trunks.0.credentials.passwordFile', 'cti.tokensFile'],
    );
    const value = fc.constantFrom<unknown>(secret, [secret], { secret }, variable(secret), variable('A'), 1, true);
    const mistake = fc.constantFrom('sip', 'media.lanes', 'recording.group', 'nothing', 'http');
    fc.assert(
      fc.property(fc.array(fc.tuple(at, value), { minLength: 1, maxLength: 3 }), mistake, (changes, wrong) => {
        const tree = changed('cti', { listen: '127.0.0.1:1', tokens: [secret] });
        changed('trunks.0.credentials', { username: 'u', password: secret }, tree);
        for (const [where, what] of changes) {
          try {
            changed(where, structuredClone(what), tree);
          } catch {
            // An earlier change has left nothing there to change.
          }
        }
        changed(wrong, 'banana', tree);
        const text = refusal(tree, { A: secret }, inFolder);
        assert.ok(!text.includes('hunter2'), text);
      }),
      { numRuns: 300 },
    );
  });
});

/** What is changed, to what, and what is said. */
const MISTAKES: [string, unknown, RegExp][] = [
  [
    'extentions',
    [],
    /client\.yaml:\d+:1: extentions: found the unknown key "extentions", expected extensions, perhaps/,
  ],
  ['extensions.0.colour', 'red', /found the unknown key "colour", expected one of dn, name, password/],
  ['extensions', undefined, /extensions: found nothing, expected a list of 0 to 100000 entries$/],
  ['extensions.0.dn', 1001, /dn: found the number 1001, expected a number in quotes.*; for example dn: "1001"$/],
  ['extensions.0.dn', '1002', /extensions\[1\]\.dn: found "1002" again, as in entry 0/],
  ['extensions.0.record', 'yes', /record: found "yes", expected true or false$/],
  ['extensions.0.forward.busy', '1001', /found "1001", this extension itself/],
  ['extensions.0.forward.busy', '77', /found "77", expected a DN of extensions, or a number that the dial plan knows/],
  ['extensions.0.forward.afterSec', 0, /afterSec: found the number 0, expected a whole number from 1 to 180$/],
  [
    'extensions.0.supervises',
    ['1003'],
    /supervises\[0\]: found "1003", expected a DN .*: 1001, 1002 \(1001, perhaps\)$/,
  ],
  ['sip', ['sctp:1.2.3.4:5'], /sip\[0\]: found "sctp:1\.2\.3\.4:5", expected transport:host:port; for example "udp:/],
  ['sip', ['udp:1.2.3.4:70000'], /sip\[0\]: found "udp:1\.2\.3\.4:70000", expected a port from 0 to 65535/],
  ['sip', [], /sip: found a list of 0, expected a list of 1 to 16 different entries$/],
  ['sip', 'udp:1.2.3.4:5', /sip: found text of 13 characters, expected a list/],
  ['sip', ['tcp:0.0.0.0:8081'], /http: found tcp port 8081, which sip has already, expected a port of its own$/],
  ['sip', ['udp:1.2.3.4:30010'], /sip\[0\]: found UDP port 30010, which is one of media\.ports/],
  ['sip', ['tls:1.2.3.4:5061'], /sip: found SIP over TLS without a certificate, expected tls\.cert and tls\.key/],
  ['sip', ['udp:127.0.0.1:5060'], /recorders\[0\]\.uri: found "sip:127\.0\.0\.1:5060", expected another server/],
  ['tls', { cert: 'a.pem' }, /tls: found only cert, expected cert and key, which belong together/],
  ['tls', { cert: 'no.pem', key: 'no.pem' }, /tls: found tls\.cert can't be read: ENOENT/],
  ['tls', { clientCertificate: 'require' }, /tls\.clientCertificate: found "require" without ca/],
  ['http', '8080', /http: found "8080", expected host:port; for example http: "127\.0\.0\.1:8081"$/],
  ['realm', 'a"b', /realm: found "a\\"b", expected text without quotes/],
  ['media.address', '0.0.0.0', /found "0\.0\.0\.0", expected one IP address of this machine/],
  ['media.address', 'example.com', /found "example\.com", expected one IP address/],
  ['media.ports', '2000-1000', /media\.ports: found "2000-1000", expected at least 8 ports for 1 lane/],
  ['media.ports', '0-100', /media\.ports: found "0-100", expected ports from 1 to 65535/],
  ['media.ports', 30000, /media\.ports: found the number 30000, expected two ports as lo-hi/],
  ['trunks.0.targets', [], /targets: found a list of 0, expected a list of 1 to 16/],
  ['trunks.0.targets', ['tel:1'], /targets\[0\]: found "tel:1", expected a SIP URI without angle brackets/],
  ['trunks.0.targets', ['sip:1.2.3.4:99999'], /targets\[0\]: found a URI, expected one with a host, a possible port/],
  ['trunks.0.targets', ['sip:u:hunter2@h'], /targets\[0\]: found a URI, expected one with a host/],
  ['trunks.0.sources', ['example.com'], /sources\[0\]: found "example\.com", expected an IP address/],
  ['trunks.1', { name: 'outside', targets: ['sip:x'] }, /trunks\[1\]\.name: found "outside" again/],
  ['dialPlan.0.trunk', 'outsid', /trunk: found "outsid", expected the name of a trunk: outside \(outside, perhaps\)$/],
  ['dialPlan.0.number', '$2', /number: found "\$2", expected \$1 to \$1: match has 1 group\(s\)$/],
  ['dialPlan.0.match', '(a+)+', /match: found a repetition inside of a repetition.*, expected a simple pattern/],
  ['dialPlan.0.match', '(', /match: found no pattern: .*, expected a simple pattern/],
  ['recorders.0.form', 'sipreq', /form: found "sipreq", expected one of siprec, one-dialog, two-dialogs$/],
  ['recorders.0.srtp', 'AES', /srtp: found "AES", expected one of AES_CM_128_HMAC_SHA1_80, /],
  ['recorders.1.id', 'a', /recorders\[1\]\.id: found "a" again, as in entry 0/],
  ['groups.0.recorders', ['a', 'c'], /groups\[0\]\.recorders\[1\]: found "c", expected the id of a recorder: a, b/],
  ['groups.0.recorders', ['a', 'a'], /recorders: found the same entry twice, expected a list of 1 to 64 different/],
  ['groups.0.simultaneous', 3, /simultaneous: found the number 3, expected at most 2, as many recorders as/],
  ['groups.0.simultaneous', 4, /simultaneous: found the number 4, expected a whole number from 1 to 3$/],
  ['groups.0.location', 'bonn', /location: found "bonn", expected the location of a recorder of this group/],
  ['groups.0.name', 'a', /groups\[0\]\.name: found "a", the id of a recorder, expected another name/],
  [
    'recording.group',
    'mian',
    /recording\.group: found "mian", expected the name of a group: main, archive \(main, perhaps\)/,
  ],
  ['recording.alsoGroups', [{ group: 'main', purpose: 'x' }], /found "main", the usual group, expected another group/],
  [
    'recording.rules',
    [{ record: 'both' }],
    /rules\[0\]\.record: found "both", expected one of source, destination, disable/,
  ],
  ['recording.rules', [{ record: 'none', trunk: 'x' }], /rules\[0\]\.trunk: found "x", expected the name of a trunk/],
  [
    'recording.rules',
    [{ record: 'none', percentage: 101 }],
    /percentage: found the number 101, expected a number from 0/,
  ],
  [
    'recording.rules',
    [{ record: 'none', time: { from: '8:00' } }],
    /time\.from: found "8:00", expected hh:mm in quotes/,
  ],
  [
    'recording.rules',
    [{ record: 'none', header: { name: 'a b', value: 'x' } }],
    /header\.name: found "a b", expected the/,
  ],
  [
    'recording.hook',
    { url: 'ftp://x', default: 'none' },
    /hook\.url: found "ftp:\/\/x", expected an http or https URL/,
  ],
  ['recording.hook', { url: 'http://u:hunter2@x', default: 'none' }, /hook\.url: found a URL with a user, a password/],
  ['recording.hook', { url: 'http://x' }, /hook\.default: found nothing, expected one of source, destination, none/],
  ['recording.preRecord', { seconds: 3601 }, /seconds: found the number 3601, expected a whole number from 1 to 3600$/],
  ['cti', { listen: '127.0.0.1:1' }, /cti: found neither tokens nor client certificates/],
  [
    'cti',
    { listen: '127.0.0.1:1', tokens: ['short'] },
    /tokens\[0\]: found a token of 5 characters, expected at least 16/,
  ],
  ['cti', { listen: '0.0.0.0:1', tokens: ['x'.repeat(16)] }, /found "0\.0\.0\.0:1" without tls, expected a loopback/],
  [
    'cti',
    { listen: '127.0.0.1:1', tokens: ['x'.repeat(16)], privateMessages: { stop: 3013 } },
    /privateMessages: found the same number twice/,
  ],
  ['local', {}, /local\.dir: found nothing, expected text of 1 to 1024 characters/],
  ['local', { dir: 'x', http: '8083' }, /local\.http: found "8083", expected host:port; for example http: "127/],
  [
    'local',
    { dir: 'x', http: '127.0.0.1:8081' },
    /local\.http: found tcp port 8081, which http has already, expected a/,
  ],
  [
    'local',
    { dir: 'x', ports: '30998-31999' },
    /local\.ports: found "30998-31999", of which media\.ports \(30000-30999\) has some already, expected ports of its own/,
  ],
  ['local', { dir: 'x', ports: '2000-2006' }, /local\.ports: found "2000-2006", expected at least 8 ports for 1 lane/],
  ['local', { dir: 'x', ports: '5000-5100' }, /sip\[0\]: found UDP port 5070, which is one of local\.ports/],
  ['groups.0.recorders', ['a', 'local'], /recorders\[1\]: found "local", expected the id of a recorder: a, b/],
  ['logLevel', 'loud', /logLevel: found "loud", expected one of trace, debug, info/],
];

describe('mistakes', () => {
  for (const [at, value, said] of MISTAKES) {
    test(`${at}: ${JSON.stringify(value) ?? 'nothing'}`, () => {
      const text = refusal(changed(at, value));
      assert.match(text, said);
      for (const line of text.split('\n')) assert.match(line, /^client\.yaml:\d+:\d+: /);
      assert.ok(!text.includes('hunter2') && !text.includes('-secret'), text);
    });
  }

  test('the local recorder has its id alone, and is called over TCP or UDP', () => {
    const named = changed('recorders.1.id', 'local', changed('groups', [{ name: 'main', recorders: ['a', 'local'] }]));
    assert.ok(parsed(named));
    assert.match(
      refusal(changed('local', { dir: 'x' }, named)),
      /^client\.yaml:\d+:\d+: recorders\[1\]\.id: found "local", the id of the recorder of local, expected another id$/,
    );
    const tls = changed('local', { dir: 'x' }, changed('sip', ['tls:127.0.0.1:5071']));
    assert.match(
      refusal(tls),
      /: local: found SIP over TLS only, expected a TCP or UDP address in sip as well, from which the local recorder is/,
    );
  });

  test('whatever records needs a group to do it, unless it names one', () => {
    const groupless = (at: string, value: unknown) => refusal(changed(at, value, changed('recording', {})));
    const expected = /expected recording\.group, the group of recorders that is to do it/;
    assert.match(groupless('extensions.0.record', true), expected);
    assert.match(groupless('trunks.0.record', true), expected);
    assert.match(groupless('recording.agents', ['x']), expected);
    assert.match(groupless('recording.rules', [{ record: 'source' }]), expected);
    assert.match(groupless('recording.hook', { url: 'http://x', default: 'none' }), expected);
    const own = changed('recording', { rules: [{ record: 'source', group: 'main' }, { record: 'none' }] });
    assert.equal(parsed(own).recording.group, null);
  });

  test('a recorder by name may be several, so a group of one may record several times', () => {
    const tree = changed('recorders.0.uri', 'sip:recorders.example.com');
    changed('groups.0', { name: 'main', recorders: ['a'], simultaneous: 3 }, tree);
    assert.equal(parsed(tree).groups[0]?.simultaneous, 3);
  });

  test('all are told at once, in the order of the file, with line and column', () => {
    const text = [
      'sip: [udp:127.0.0.1:5070]',
      'extensions:',
      '  - dn: 1001',
      '    passwort: x',
      'media:',
      '  lanes: many',
    ].join('\n');
    assert.deepEqual(refusal(text).split('\n'), [
      'client.yaml:3:9: extensions[0].dn: found the number 1001, expected a number in quotes: up to 64 digits, letters or . _ + * # -; for example dn: "1001"',
      'client.yaml:4:5: extensions[0].passwort: found the unknown key "passwort", expected password, perhaps (known are dn, name, password, passwordFile, digest, record, forward, supervises, srtp, agentId)',
      'client.yaml:6:10: media.lanes: found "many", expected a whole number from 1 to 256',
    ]);
    const many = refusal({ extensions: Array.from({ length: 30 }, () => ({ dn: 1 })) }).split('\n');
    assert.equal(many.at(-1), 'and 10 more');
  });

  test('a file that is not there, or no map', () => {
    assert.throws(() => loadClientConfig(path.join(folder, 'no.yaml')), /ENOENT.*examples\/client\.yaml/);
    assert.match(refusal('- 1'), /^client\.yaml:1:1: found a list of 1, expected keys with values: sip, tls, http/);
    assert.match(refusal(''), /extensions: found nothing/);
  });

  test('whatever a file says, there is a configuration or a ConfigError', () => {
    const names = [
      'sip',
      'extensions',
      'trunks',
      'recorders',
      'groups',
      'recording',
      'cti',
      'tls',
      '__proto__',
      'media',
    ];
    const word = fc.constantFrom('dn', 'name', 'constructor', '__proto__', 'password', 'targets', 'uri', 'id', 'rules');
    const leaf = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('1001', 'sip:x', 'a', variable('X'), 'udp:1.2.3.4:5'),
    );
    const inner = fc.oneof(leaf, fc.array(fc.dictionary(word, leaf, { maxKeys: 4 }), { maxLength: 3 }));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), inner, { maxKeys: 4 }), fc.boolean(), (tree, onTop) => {
        const whole: Tree = onTop ? { ...smallest(), ...tree } : tree;
        try {
          assert.ok(parsed(stringify(whole)).sip.length > 0);
        } catch (error) {
          assert.ok(error instanceof ConfigError, (error as Error).stack);
        }
      }),
      { numRuns: 300 },
    );
  });
});
