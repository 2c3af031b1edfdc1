/** The configuration: where values come from, which win, and what is said when they are wrong. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { Command } from 'commander';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { Secret } from '../../src/secret.ts';
import { addServerOptions, ConfigError, loadServerConfig, type ServerConfig } from '../../src/server/config.ts';
import { attributeName, flagName, SERVER_OPTIONS, variableName } from '../../src/server/config-options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-config-'));
after(() => rmSync(folder, { recursive: true }));

function file(content: unknown): string {
  const name = path.join(folder, 'doubletrack.yaml');
  writeFileSync(name, typeof content === 'string' ? content : stringify(content));
  return name;
}

function flags(...argv: string[]): Record<string, unknown> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addServerOptions(command);
  return command.parse(argv, { from: 'user' }).opts();
}

const load = (argv: string[] = [], environment: NodeJS.ProcessEnv = {}) =>
  loadServerConfig(flags(...argv), environment);

/** One value per option other than its default, as text and as the server gets it. */
const OTHER: Record<string, [string, unknown]> = {
  data: ['/var/lib/x', '/var/lib/x'],
  sip: ['tcp:[::1]:6000', [{ transport: 'tcp', host: '::1', port: 6000 }]],
  secure: ['preferred', 'preferred'],
  'tls.cert': ['/etc/x/cert.pem', '/etc/x/cert.pem'],
  'tls.key': ['/etc/x/key.pem', '/etc/x/key.pem'],
  'tls.ca': ['/etc/x/ca.pem', '/etc/x/ca.pem'],
  'tls.clientCertificate': ['require', 'require'],
  'tls.host': ['recorder.example.com', 'recorder.example.com'],
  srtpSuites: ['AEAD_AES_256_GCM', ['AEAD_AES_256_GCM']],
  dnsServers: ['[2001:db8::53]:5353', ['[2001:db8::53]:5353']],
  http: ['[::1]:81', { host: '::1', port: 81 }],
  mediaAddress: ['192.0.2.7', '192.0.2.7'],
  mediaPorts: ['1024-65535', { lo: 1024, hi: 65535 }],
  lanes: ['7', 7],
  'limits.maxSessions': ['5', 5],
  'limits.minFreeBytes': ['0', 0],
  mediaTimeoutSec: ['0', 0],
  streamsPerPort: ['64', 64],
  mediaSockets: ['dgram', 'dgram'],
  dscp: ['34', 34],
  learnSource: ['true', true],
  liveDelayMs: ['200', 200],
  sessionExpiresSec: ['90', 90],
  keepPackets: ['true', true],
  'cti.url': ['ws://127.0.0.1:5090/cti', 'ws://127.0.0.1:5090/cti'],
  'cti.token': ['token-of-the-test', 'token-of-the-test'],
  'cti.ca': ['/etc/x/cti-ca.pem', '/etc/x/cti-ca.pem'],
  'cti.cert': ['/etc/x/cti-cert.pem', '/etc/x/cti-cert.pem'],
  'cti.key': ['/etc/x/cti-key.pem', '/etc/x/cti-key.pem'],
  'cti.followPause': ['true', true],
  'cti.askPause': ['true', true],
  logLevel: ['debug', 'debug'],
};

const CTI = ['--cti-url', 'wss://switch.example.com/cti'];
const CTI_TOKEN = ['--cti-token', 'token'];

/** What an option needs beside it. */
const BESIDE: Record<string, string[]> = {
  'tls.cert': ['--tls-key', 'key.pem'],
  'tls.key': ['--tls-cert', 'cert.pem'],
  'tls.clientCertificate': ['--tls-ca', 'ca.pem'],
  'cti.url': CTI_TOKEN,
  'cti.token': CTI,
  'cti.ca': [...CTI, ...CTI_TOKEN],
  'cti.cert': [...CTI, '--cti-key', 'key.pem'],
  'cti.key': [...CTI, '--cti-cert', 'cert.pem'],
  'cti.followPause': [...CTI, ...CTI_TOKEN],
  'cti.askPause': [...CTI, ...CTI_TOKEN],
};
/** Names of files may be anything. */
const ANYTHING = new Set(['data', 'tls.cert', 'tls.key', 'tls.ca', 'cti.ca', 'cti.cert', 'cti.key']);

function pick(config: ServerConfig, key: string): unknown {
  const value = key.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], config);
  return value instanceof Secret ? Buffer.from(value.reveal()).toString() : value;
}

function inFile(key: string, value: unknown): string {
  const [section, name] = key.split('.');
  return file(name ? { [section!]: { [name]: value } } : { [key]: value });
}

function message(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail('no error');
}

describe('configuration of the server', () => {
  test('the defaults are whole and listen for HTTP on loopback', () => {
    const config = load();
    assert.deepEqual(config.http, { host: '127.0.0.1', port: 8080 });
    assert.deepEqual(
      config.sip.map((a) => a.transport),
      ['udp', 'tcp'],
    );
    assert.ok(config.lanes >= 1 && path.isAbsolute(config.data));
    assert.notEqual(config.mediaAddress, '0.0.0.0');
    assert.ok(Object.values(config).every((value) => value !== undefined));
  });

  test('every option is a flag, a variable and a key of the file, in this order of precedence', () => {
    assert.deepEqual(SERVER_OPTIONS.map((spec) => spec.key).sort(), Object.keys(OTHER).sort());
    for (const spec of SERVER_OPTIONS) {
      const [text, value] = OTHER[spec.key]!;
      const beside = BESIDE[spec.key] ?? [];
      const own = spec.schema.type === 'boolean' ? [`--${flagName(spec)}`] : [`--${flagName(spec)}`, text];
      const flag = [...beside, ...own];
      const inFileOnly = inFile(spec.key, typeof value === 'object' ? text : value);
      assert.deepEqual(pick(load(flag), spec.key), value, `flag of ${spec.key}`);
      assert.deepEqual(pick(load(beside, { [variableName(spec)]: text }), spec.key), value, `variable of ${spec.key}`);
      assert.deepEqual(pick(load([...beside, '--config', inFileOnly]), spec.key), value, `key ${spec.key}`);

      // A wrong value below never shows, so the one above must have won.
      const wrong = inFile(spec.key, { no: 'value' });
      const bad = { [variableName(spec)]: 'a b', DOUBLETRACK_CONFIG: wrong };
      if (!ANYTHING.has(spec.key)) assert.throws(() => load([], bad), ConfigError, spec.key);
      assert.deepEqual(pick(load(flag, bad), spec.key), value, `flag of ${spec.key} wins`);
      assert.deepEqual(
        pick(load(beside, { ...bad, [variableName(spec)]: text }), spec.key),
        value,
        `variable of ${spec.key} wins`,
      );
    }
  });

  test('a switch can be turned off above a file that turns it on; an empty variable says nothing', () => {
    const on = file({ learnSource: true, keepPackets: true });
    assert.equal(load(['--config', on, '--no-learn-source']).learnSource, false);
    assert.equal(load(['--config', on], { DOUBLETRACK_KEEP_PACKETS: 'false' }).keepPackets, false);
    assert.equal(load(['--config', on], { DOUBLETRACK_KEEP_PACKETS: ' ' }).keepPackets, true);
    assert.deepEqual(load(['--config', file('')]).limits, load().limits);
  });

  test('the CTI link: what belongs together, no token in the clear, and none in a message', () => {
    const wrong = (...argv: string[]) => message(() => load(argv));
    assert.match(wrong('--cti-follow-pause'), /need cti\.url/);
    assert.match(wrong(...CTI), /cti\.token, or cti\.cert and cti\.key/);
    assert.match(wrong(...CTI, '--cti-cert', 'c.pem'), /cti\.cert and cti\.key belong together/);
    const clear = ['--cti-url', 'ws://switch.example.com/cti'];
    assert.match(wrong(...clear, ...CTI_TOKEN), /must begin with wss: unless/);
    assert.match(
      wrong('--cti-url', 'ws://[::1]/cti', '--cti-cert', 'c', '--cti-key', 'k'),
      /begin with wss: for a cert/,
    );
    assert.match(wrong('--cti-url', 'https://switch.example.com'), /cti\.url has the wrong form/);
    const shown = wrong(...CTI, '--cti-token', 'secret of mine');
    assert.match(shown, /cti\.token has the wrong form: --cti-token says \[secret\]/);
    assert.ok(!shown.includes('secret of mine'));
    assert.ok(!JSON.stringify(load([...CTI, ...CTI_TOKEN])).includes('"token":"token"'));
    assert.equal(load().cti, null);
  });

  test('SIP addresses: several flags, commas in the variable, a list or one in the file', () => {
    const two = [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tcp', host: 'localhost', port: 5080 },
    ];
    const text = ['udp:127.0.0.1:0', 'tcp:localhost:5080'];
    assert.deepEqual(load(['--sip', text[0]!, '--sip', text[1]!]).sip, two);
    assert.deepEqual(load([], { DOUBLETRACK_SIP: text.join(', ') }).sip, two);
    assert.deepEqual(load(['--config', file({ sip: text })]).sip, two);
    assert.deepEqual(load(['--config', file(`sip: ${text[0]}\n`)]).sip, [two[0]]);
  });

  test('media is received where SIP is, unless said otherwise', () => {
    assert.equal(load(['--sip', 'udp:127.0.0.9:5060']).mediaAddress, '127.0.0.9');
    assert.equal(load(['--sip', 'udp:[::1]:5060']).mediaAddress, '::1');
    assert.equal(load(['--sip', 'udp:localhost:5060']).mediaAddress, '127.0.0.1');
    assert.equal(load(['--sip', 'udp:127.0.0.9:5060', '--media-address', '[::1]']).mediaAddress, '::1');
  });

  test('an error names the option, the source, the value and a right one', () => {
    const cases: Array<[string[], NodeJS.ProcessEnv, RegExp]> = [
      [['--lanes', '0'], {}, /^lanes must be >= 1: --lanes says "0"; write for example 2$/],
      [['--lanes', 'two'], {}, /^lanes must be integer: --lanes says "two"/],
      [[], { DOUBLETRACK_LANES: '1.5' }, /^lanes must be integer: DOUBLETRACK_LANES says "1.5"/],
      [['--sip', 'sctp:1.2.3.4:5'], {}, /^sip has the wrong form: --sip says .*udp:0\.0\.0\.0:5060/],
      [['--sip', 'udp:1.2.3.4:70000'], {}, /^sip has a port above 65535/],
      [
        ['--sip', 'tls:1.2.3.4:5061'],
        {},
        /^SIP over TLS needs a certificate .*--tls-cert.*doubletrack certificate --name/,
      ],
      [['--tls-cert', 'cert.pem'], {}, /^tls.cert and tls.key belong together/],
      [['--tls-client-certificate', 'require'], {}, /^tls.clientCertificate needs tls.ca/],
      [['--tls-host', 'a b'], {}, /^tls.host has the wrong form/],
      [['--dns-servers', '1.2.3'], {}, /^dnsServers must be IP addresses/],
      [['--dns-servers', '1.2.3.4:0'], {}, /^dnsServers has a port/],
      [['--dns-servers', 'ns.example.com'], {}, /^dnsServers has the wrong form/],
      [['--secure', 'required'], {}, /^secure: required needs a TLS listener: add --sip tls:/],
      [['--secure', 'maybe'], {}, /^secure must be one of required, preferred, allowed/],
      [['--http', '8080'], {}, /^http has the wrong form: .*127\.0\.0\.1:8080$/],
      [['--http', 'localhost:99999'], {}, /^http has a port above/],
      [['--media-address', '0.0.0.0'], {}, /^mediaAddress must be one address/],
      [['--media-address', 'example.com'], {}, /^mediaAddress must be an IP address/],
      [['--media-ports', '2000-1000'], {}, /^mediaPorts must be at least/],
      [['--media-ports', '0-100'], {}, /^mediaPorts must lie between 1 and 65535/],
      [['--log-level', 'loud'], {}, /^logLevel must be one of trace, debug, info/],
      [
        ['--config', file({ limits: { maxSessions: -1 } })],
        {},
        /^limits\.maxSessions must be >= 1: limits\.maxSessions in .*yaml says -1/,
      ],
    ];
    for (const [argv, environment, expected] of cases)
      assert.match(
        message(() => load(argv, environment)),
        expected,
      );
  });

  test('a file that can not be used says where', () => {
    assert.match(
      message(() => load(['--config', '/nowhere.yaml'])),
      /ENOENT.*check --config or DOUBLETRACK_CONFIG/,
    );
    assert.match(
      message(() => load([], { DOUBLETRACK_CONFIG: folder })),
      /EISDIR/,
    );
    assert.match(
      message(() => load(['--config', file('lanes: [1\nx')])),
      /doubletrack\.yaml:\d+:\d+ is no YAML/,
    );
    assert.match(
      message(() => load(['--config', file('lanes: 1\nlanes: 2')])),
      /:2:1 is no YAML: Map keys must be unique/,
    );
    assert.match(
      message(() => load(['--config', file('- 1')])),
      /must hold keys with values/,
    );
    assert.match(
      message(() => load(['--config', file('limits: 3')])),
      /^limits must hold keys with values/,
    );
    assert.match(
      message(() => load(['--config', file('lane: 3')])),
      /^lane in .* is no option: known are data, sip/,
    );
    assert.match(
      message(() => load(['--config', file('limits:\n  maxSession: 3')])),
      /^limits\.maxSession in .* is no option/,
    );
    const bomb = [
      'a: &a [1,1]',
      ...'bcdefghij'.split('').map((c, n) => `${c}: &${c} [${`*${'abcdefghij'[n]},`.repeat(9)}]`),
    ];
    assert.match(
      message(() => load(['--config', file(bomb.join('\n'))])),
      /can't be used: Excessive alias count/,
    );
  });

  test('whatever a file says, there is a configuration or a ConfigError', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(OTHER).map(([text]) => text)));
    const key = fc.constantFrom(...SERVER_OPTIONS.map((spec) => spec.key), 'limits', '__proto__', 'constructor');
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 4 }), (content) => {
        const named = Object.fromEntries(Object.entries(content).filter(([name]) => !name.includes('.')));
        try {
          const config = load(['--config', file(named)]);
          assert.ok(config.lanes >= 1 && config.sip.length > 0);
        } catch (error) {
          assert.ok(error instanceof ConfigError, String(error));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('the help shows every flag with its default', () => {
    const command = new Command('serve');
    addServerOptions(command);
    const help = command.helpInformation();
    for (const spec of SERVER_OPTIONS) {
      assert.ok(help.includes(spec.flag), spec.flag);
      assert.ok(attributeName(spec) in { ...flags(), [attributeName(spec)]: 1 });
    }
    assert.match(help.replace(/\s+/g, ' '), /default: udp:0\.0\.0\.0:5060, tcp:0\.0\.0\.0:5060/);
  });
});
