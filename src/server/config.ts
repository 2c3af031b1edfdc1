/**
 * The configuration of the recording server: flags over environment variables over one YAML file over defaults, all checked
 * by one schema. Every error names the option, where its value came from, and what to write instead.
 */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Command } from 'commander';
import type { SocketDriver } from '../media/index.ts';
import { Secret } from '../secret.ts';
import {
  ConfigError,
  isWildcard,
  MIN_PORTS_PER_LANE,
  parseHostAndPort,
  parsePortRange,
  parseSipAddress,
  usualMediaAddress,
  YamlSource,
} from '../settings/index.ts';
import {
  attributeName,
  type CLIENT_CERTIFICATES,
  flagName,
  type LOG_LEVELS,
  type OptionSpec,
  SERVER_OPTIONS,
  type SecurePolicy,
  type SipListenAddress,
  variableName,
} from './config-options.ts';

export { ConfigError } from '../settings/index.ts';
export type { SecurePolicy, SipListenAddress } from './config-options.ts';

export interface ServerConfig {
  /** Absolute path. */
  data: string;
  sip: SipListenAddress[];
  secure: SecurePolicy;
  /** Those of SDES and the NULL suites, by name. */
  srtpSuites: string[];
  tls: TlsConfig;
  /** Empty: those of the system. */
  dnsServers: string[];
  http: { host: string; port: number };
  /** An IP address of this machine. */
  mediaAddress: string;
  /** Both inclusive. */
  mediaPorts: { lo: number; hi: number };
  lanes: number;
  limits: { maxSessions: number; minFreeBytes: number };
  /** 0 = never. */
  mediaTimeoutSec: number;
  streamsPerPort: number;
  mediaSockets: SocketDriver;
  dscp: number;
  learnSource: boolean;
  liveDelayMs: number;
  sessionExpiresSec: number;
  keepPackets: boolean;
  cti: ServerCtiConfig | null;
  logLevel: (typeof LOG_LEVELS)[number];
}

/** Files in PEM form, absolute paths; null when not given. */
export interface TlsConfig {
  cert: string | null;
  key: string | null;
  ca: string | null;
  clientCertificate: (typeof CLIENT_CERTIFICATES)[number];
  /** Host for Contact and Via over TLS. */
  host: string | null;
}

/** The CTI link that this server is a client of. */
export interface ServerCtiConfig {
  url: string;
  token: Secret | null;
  /** Files in PEM form, absolute paths; null when not given. */
  ca: string | null;
  cert: string | null;
  key: string | null;
  followPause: boolean;
  askPause: boolean;
}

/** A value as written, and where: `--lanes`, `DOUBLETRACK_LANES`, or `lanes in /etc/doubletrack.yaml`. */
interface Given {
  value: unknown;
  source: string;
  /** True if the value came with a type, false if it is text that stands for a value. */
  typed?: boolean;
}

/** Adds `--config` and every option of the server; none has a default, so that files and variables can tell. */
export function addServerOptions(command: Command): void {
  command.option('--config <file>', 'YAML file with any of these options (environment: DOUBLETRACK_CONFIG)');
  for (const spec of SERVER_OPTIONS) {
    const suffix = spec.default === undefined ? '' : ` (default: ${[spec.default].flat().join(', ')})`;
    const description = `${spec.description}${suffix}`;
    if (spec.list) {
      command.option(spec.flag, description, (value: string, all: string[] = []) => [...all, value]);
    } else {
      command.option(spec.flag, description);
      if (spec.schema.type === 'boolean') command.option(`--no-${flagName(spec)}`, 'the opposite');
    }
  }
  command.addHelpText(
    'after',
    '\nEvery option is also a key of the file (maxSessions and minFreeBytes under limits, cert and its like under tls) and an environment variable:' +
      '\n--media-ports is mediaPorts and DOUBLETRACK_MEDIA_PORTS. Flags win over variables, variables over the file.',
  );
}

/**
 * @param options as commander hands them over after {@link addServerOptions}; keys it does not know are not looked at.
 * @throws ConfigError
 */
export function loadServerConfig(
  options: Record<string, unknown> = {},
  environment: NodeJS.ProcessEnv = process.env,
): ServerConfig {
  const configFile = options.config ?? nonEmpty(environment.DOUBLETRACK_CONFIG);
  const fromFile = configFile === undefined ? new Map<string, Given>() : readConfigFile(String(configFile));
  const given = new Map<string, Given>();
  for (const spec of SERVER_OPTIONS) {
    const choice = fromFlag(spec, options) ??
      fromVariable(spec, environment) ??
      fromFile.get(spec.key) ?? { value: spec.default, source: 'the default' };
    given.set(spec.key, { ...choice, value: checked(spec, choice) });
  }
  return assemble(given);
}

function fromFlag(spec: OptionSpec, options: Record<string, unknown>): Given | undefined {
  const value = options[attributeName(spec)];
  return value === undefined ? undefined : { value, source: `--${flagName(spec)}` };
}

function fromVariable(spec: OptionSpec, environment: NodeJS.ProcessEnv): Given | undefined {
  const text = nonEmpty(environment[variableName(spec)]);
  if (text === undefined) return undefined;
  return { value: spec.list ? text.split(',').map((part) => part.trim()) : text, source: variableName(spec) };
}

/** A variable that is set to nothing is as good as not set. */
function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim();
}

/** Flags and variables are text that has to become numbers and switches; a file has types of its own. */
const fromText = new Ajv({ coerceTypes: true, allErrors: true });
const asWritten = new Ajv({ allErrors: true });
const validators = new Map<string, ValidateFunction>();

function validatorOf(spec: OptionSpec, typed: boolean): ValidateFunction {
  const key = `${spec.key} ${typed}`;
  let validate = validators.get(key);
  if (!validate) {
    validate = (typed ? asWritten : fromText).compile({ type: 'object', properties: { value: spec.schema } });
    validators.set(key, validate);
  }
  return validate;
}

function checked(spec: OptionSpec, given: Given): unknown {
  if (given.value === undefined) return undefined;
  const validate = validatorOf(spec, given.typed === true);
  const holder = { value: spec.list && !Array.isArray(given.value) ? [given.value] : given.value };
  if (validate(holder)) return holder.value;
  throw wrong(spec, given, describe(validate.errors?.[0]));
}

function describe(error: ErrorObject | undefined): string {
  if (error?.keyword === 'enum') return `must be one of ${(error.params.allowedValues as string[]).join(', ')}`;
  if (error?.keyword === 'pattern') return 'has the wrong form';
  return error?.message ?? 'is wrong';
}

function wrong(spec: OptionSpec, { value, source }: Given, what: string): ConfigError {
  return new ConfigError(
    `${spec.key} ${what}: ${source} says ${spec.isSecret ? '[secret]' : JSON.stringify(value)}; write for example ${spec.example}`,
  );
}

function readConfigFile(file: string): Map<string, Given> {
  const values = new Map<string, Given>();
  // An empty file says nothing, and that is fine.
  collect(YamlSource.read(file, 'check --config or DOUBLETRACK_CONFIG').value ?? {}, '', file, values);
  return values;
}

const KEYS = new Set(SERVER_OPTIONS.map((spec) => spec.key));
const SECTIONS = new Set([...KEYS].filter((key) => key.includes('.')).map((key) => key.split('.', 1)[0]!));

function collect(node: unknown, prefix: string, file: string, into: Map<string, Given>): void {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) {
    throw new ConfigError(`${prefix.slice(0, -1) || file} must hold keys with values, such as "lanes: 2"`);
  }
  for (const [name, value] of Object.entries(node)) {
    const key = `${prefix}${name}`;
    if (!SECTIONS.has(key) && !KEYS.has(key)) {
      throw new ConfigError(`${key} in ${file} is no option: known are ${[...KEYS].join(', ')}`);
    }
    if (value === null) continue; // a key without a value says nothing
    if (SECTIONS.has(key)) collect(value, `${key}.`, file, into);
    else into.set(key, { value, source: `${key} in ${file}`, typed: true });
  }
}

/** From values that fit the schema to what the server takes, and the rules that tie values together. */
function assemble(given: Map<string, Given>): ServerConfig {
  const get = <T>(key: string) => given.get(key)?.value as T;
  const fail = (key: string, what: string) =>
    wrong(SERVER_OPTIONS.find((spec) => spec.key === key)!, given.get(key)!, what);
  const tooHigh = (key: string) => () => fail(key, 'has a port above 65535');
  const sip = get<string[]>('sip').map((text) => orFail(parseSipAddress(text), tooHigh('sip')));
  const lanes = get<number | undefined>('lanes') ?? Math.max(1, availableParallelism() - 1);
  return {
    data: path.resolve(get<string>('data')),
    sip,
    secure: get('secure'),
    srtpSuites: get('srtpSuites'),
    tls: tlsConfig(get, sip, fail),
    dnsServers: get<string[]>('dnsServers').map((text) => dnsServer(text, fail)),
    http: orFail(parseHostAndPort(get<string>('http')), tooHigh('http')),
    mediaAddress: mediaAddress(get<string | undefined>('mediaAddress'), sip, fail),
    mediaPorts: parsePorts(get<string>('mediaPorts'), lanes, fail),
    streamsPerPort: get('streamsPerPort'),
    mediaSockets: get('mediaSockets'),
    dscp: get('dscp'),
    lanes,
    limits: { maxSessions: get('limits.maxSessions'), minFreeBytes: get('limits.minFreeBytes') },
    mediaTimeoutSec: get('mediaTimeoutSec'),
    learnSource: get('learnSource'),
    liveDelayMs: get('liveDelayMs'),
    sessionExpiresSec: get('sessionExpiresSec'),
    keepPackets: get('keepPackets'),
    cti: ctiConfig(get, fail),
    logLevel: get('logLevel'),
  };
}

type Fail = (key: string, what: string) => ConfigError;

function orFail<T>(value: T | null, fail: () => ConfigError): T {
  if (value === null) throw fail();
  return value;
}

/** What belongs together is checked here; whether the files can be used shows when they are read. */
function tlsConfig(get: <T>(key: string) => T, sip: readonly SipListenAddress[], fail: Fail): TlsConfig {
  const file = (key: string) => {
    const name = get<string | undefined>(key);
    return name === undefined ? null : path.resolve(name);
  };
  const tls: TlsConfig = {
    cert: file('tls.cert'),
    key: file('tls.key'),
    ca: file('tls.ca'),
    clientCertificate: get('tls.clientCertificate'),
    host: get<string | undefined>('tls.host') ?? null,
  };
  const listens = sip.some(({ transport }) => transport === 'tls');
  if (listens && (tls.cert === null || tls.key === null)) {
    throw new ConfigError(
      'SIP over TLS needs a certificate and its private key: give --tls-cert and --tls-key (tls.cert, tls.key); ' +
        'for a trial, "npx doubletrack certificate --name HOST --out tls" makes them',
    );
  }
  if ((tls.cert === null) !== (tls.key === null)) throw fail('tls.cert', 'and tls.key belong together');
  if (tls.clientCertificate !== 'none' && tls.ca === null) {
    throw fail(
      'tls.clientCertificate',
      'needs tls.ca, the certificates of the authorities that clients have theirs from',
    );
  }
  if (get('secure') === 'required' && !listens)
    throw new ConfigError(
      'secure: required needs a TLS listener: add --sip tls:0.0.0.0:5061, with --tls-cert and --tls-key',
    );
  return tls;
}

function ctiConfig(get: <T>(key: string) => T, fail: Fail): ServerCtiConfig | null {
  const file = (key: string) => {
    const name = get<string | undefined>(key);
    return name === undefined ? null : path.resolve(name);
  };
  const url = get<string | undefined>('cti.url');
  const token = get<string | undefined>('cti.token');
  const [ca, cert, key] = [file('cti.ca'), file('cti.cert'), file('cti.key')];
  const [followPause, askPause] = [get<boolean>('cti.followPause'), get<boolean>('cti.askPause')];
  if (url === undefined) {
    if (token === undefined && !ca && !cert && !key && !followPause && !askPause) return null;
    throw new ConfigError('the cti options need cti.url, such as wss://switch.example.com:5090/cti');
  }
  if ((cert === null) !== (key === null)) throw fail('cti.cert', 'and cti.key belong together');
  if (token === undefined && cert === null) {
    throw new ConfigError('the CTI link needs cti.token, or cti.cert and cti.key: it lets in nobody without');
  }
  // A token in the clear is everybody's (RFC 6750 section 5.3).
  if (token !== undefined && !/^(wss:|ws:\/\/(127\.|\[::1\]|localhost[:/]))/.test(url)) {
    throw fail('cti.url', 'must begin with wss: unless it names this machine, for the token must not go in the clear');
  }
  if (cert !== null && !url.startsWith('wss:'))
    throw fail('cti.url', 'must begin with wss: for a certificate to be shown');
  const secret = token === undefined ? null : new Secret(Buffer.from(token, 'latin1'));
  return { url, token: secret, ca, cert, key, followPause, askPause };
}

function dnsServer(text: string, fail: Fail): string {
  const [host = '', port = '53'] = isIP(text) > 0 ? [text] : text.replace(/^\[|\](?=:|$)/g, '').split(/:(?=\d+$)/);
  if (isIP(host) === 0) throw fail('dnsServers', 'must be IP addresses');
  if (Number(port) < 1 || Number(port) > 65_535) throw fail('dnsServers', 'has a port that can not be');
  return text;
}

function parsePorts(text: string, lanes: number, fail: Fail): { lo: number; hi: number } {
  const ports = orFail(parsePortRange(text), () => fail('mediaPorts', 'must lie between 1 and 65535'));
  const least = MIN_PORTS_PER_LANE * lanes;
  if (ports.hi - ports.lo + 1 < least) throw fail('mediaPorts', `must be at least ${least} ports for ${lanes} lane(s)`);
  return ports;
}

function mediaAddress(said: string | undefined, sip: SipListenAddress[], fail: Fail): string {
  if (said !== undefined) {
    const bare = said.replace(/^\[(.*)\]$/, '$1');
    if (isIP(bare) === 0) throw fail('mediaAddress', 'must be an IP address');
    // SDP answers name it: nobody can send to "any".
    if (isWildcard(bare)) throw fail('mediaAddress', 'must be one address, not all of them');
    return bare;
  }
  return usualMediaAddress(sip);
}
