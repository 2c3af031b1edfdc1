/**
 * Every option of the recording server, once: its key in the configuration file, its flag, its environment variable, its
 * default and what values it takes. Files, help texts, parsing and error messages are made from this table.
 */

import { CRYPTO_SUITES, NULL_SUITES } from '../sdp/index.ts';
import { HOST_AND_PORT_PATTERN, PORT_RANGE_PATTERN, SIP_ADDRESS_PATTERN } from '../settings/index.ts';

/** A place where SIP is listened for; port 0 lets the system choose. */
export interface SipListenAddress {
  transport: 'udp' | 'tcp' | 'tls';
  host: string;
  port: number;
}

/** Values as they are written; {@link OptionSpec.parse} turns them into what the server takes. */
export interface OptionSpec {
  /** Path in the configuration file. */
  key: string;
  /** Flag and its placeholder, as the help shows it; a switch has no placeholder. */
  flag: string;
  description: string;
  /** JSON Schema of the value as written in the file; text from flags and variables is turned into its type. */
  schema: Record<string, unknown>;
  /** As it would be written; undefined where it follows from other options. */
  default: unknown;
  /** May be given several times; in an environment variable, separated by commas. */
  list?: boolean;
  /** What a right value looks like, for error messages. */
  example: string;
  /** Never shown, not even when it is wrong. */
  isSecret?: boolean;
}

const DNS_SERVER = String.raw`^(\[[0-9a-fA-F:.]+\](:\d{1,5})?|[0-9.]+(:\d{1,5})?|[0-9a-fA-F:.]+)$`;
/** Credentials have no place in it: it is logged. */
const WEBSOCKET_URL = String.raw`^wss?://[^\s/?#@]{1,255}(/[^\s?#@]{0,255})?$`;
const file = (key: string, flag: string, description: string, example: string): OptionSpec => {
  return { key, flag, description, schema: { type: 'string', minLength: 1 }, default: undefined, example };
};
const count = (minimum: number, maximum: number) => ({ type: 'integer', minimum, maximum });
const toggle = { type: 'boolean' };

/**
 * What a recording session must be: `required` takes those over TLS with SRTP only, `preferred` plain ones as well but keys for
 * SRTP only over TLS, `allowed` anything.
 */
export const SECURE_POLICIES = ['required', 'preferred', 'allowed'] as const;
export type SecurePolicy = (typeof SECURE_POLICIES)[number];

export const CLIENT_CERTIFICATES = ['none', 'request', 'require'] as const;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export const SERVER_OPTIONS: readonly OptionSpec[] = [
  {
    key: 'data',
    flag: '--data <dir>',
    description: 'folder for journal, recordings and catalogue; made if missing',
    schema: { type: 'string', minLength: 1 },
    default: 'doubletrack-data',
    example: '/var/lib/doubletrack',
  },
  {
    key: 'sip',
    flag: '--sip <transport:host:port>',
    description: 'where to listen for SIP; may be given several times',
    schema: { type: 'array', minItems: 1, maxItems: 16, items: { type: 'string', pattern: SIP_ADDRESS_PATTERN } },
    default: ['udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060'],
    list: true,
    example: 'udp:0.0.0.0:5060 or tls:[::1]:5061',
  },
  {
    key: 'secure',
    flag: '--secure <policy>',
    description: `required (TLS and SRTP only), preferred (plain ones too), allowed (also SRTP keys without TLS)`,
    schema: { type: 'string', enum: [...SECURE_POLICIES] },
    default: 'allowed',
    example: 'required',
  },
  {
    key: 'srtpSuites',
    flag: '--srtp-suites <suite>',
    description: 'SRTP crypto suites that may be used; may be given several times',
    schema: { type: 'array', uniqueItems: true, items: { type: 'string', enum: [...CRYPTO_SUITES, ...NULL_SUITES] } },
    default: [...CRYPTO_SUITES],
    list: true,
    example: 'AES_CM_128_HMAC_SHA1_80',
  },
  {
    key: 'tls.cert',
    flag: '--tls-cert <file>',
    description: 'certificate chain of this server, PEM; read again when it changes',
    schema: { type: 'string', minLength: 1 },
    default: undefined,
    example: '/etc/doubletrack/cert.pem',
  },
  {
    key: 'tls.key',
    flag: '--tls-key <file>',
    description: 'private key of that certificate, PEM',
    schema: { type: 'string', minLength: 1 },
    default: undefined,
    example: '/etc/doubletrack/key.pem',
  },
  {
    key: 'tls.ca',
    flag: '--tls-ca <file>',
    description: 'certificates of the authorities that vouch for peers, PEM (default: those that Node brings)',
    schema: { type: 'string', minLength: 1 },
    default: undefined,
    example: '/etc/doubletrack/ca.pem',
  },
  {
    key: 'tls.clientCertificate',
    flag: '--tls-client-certificate <need>',
    description: `whether clients must show a certificate: ${CLIENT_CERTIFICATES.join(', ')}`,
    schema: { type: 'string', enum: [...CLIENT_CERTIFICATES] },
    default: 'none',
    example: 'require',
  },
  {
    key: 'tls.host',
    flag: '--tls-host <name>',
    description:
      'name of this server over TLS, for Contact and Via; the certificate has it (default: the media address)',
    schema: { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$' },
    default: undefined,
    example: 'recorder.example.com',
  },
  {
    key: 'dnsServers',
    flag: '--dns-servers <ip[:port]>',
    description: 'DNS servers for requests of this server (default: those of the system); may be given several times',
    schema: { type: 'array', maxItems: 8, items: { type: 'string', pattern: DNS_SERVER } },
    default: [],
    list: true,
    example: '192.0.2.53 or [2001:db8::53]:5353',
  },
  {
    key: 'http',
    flag: '--http <host:port>',
    description: 'where to listen for HTTP; loopback only while there is no access control',
    schema: { type: 'string', pattern: HOST_AND_PORT_PATTERN },
    default: '127.0.0.1:8080',
    example: '127.0.0.1:8080',
  },
  {
    key: 'mediaAddress',
    flag: '--media-address <ip>',
    description: 'address that media is received on and that SDP answers name (default: that of the first SIP address)',
    schema: { type: 'string', minLength: 1 },
    default: undefined,
    example: '192.0.2.10',
  },
  {
    key: 'mediaPorts',
    flag: '--media-ports <lo-hi>',
    description: 'UDP ports for RTP and RTCP, two per stream',
    schema: { type: 'string', pattern: PORT_RANGE_PATTERN },
    default: '20000-39999',
    example: '20000-39999',
  },
  {
    key: 'streamsPerPort',
    flag: '--streams-per-port <n>',
    description: 'so many streams share a pair of ports, told apart by source; sources must use symmetric RTP then',
    schema: count(1, 256),
    default: 1,
    example: '64',
  },
  {
    key: 'mediaSockets',
    flag: '--media-sockets <driver>',
    description: 'how media is received: auto, native (batches; Linux with koffi) or dgram (everywhere)',
    schema: { enum: ['auto', 'native', 'dgram'] },
    default: 'auto',
    example: 'auto',
  },
  {
    key: 'dscp',
    flag: '--dscp <n>',
    description: 'differentiated services code point of what media sockets send (native sockets only)',
    schema: count(0, 63),
    default: 46,
    example: '46',
  },
  {
    key: 'lanes',
    flag: '--lanes <n>',
    description: 'media lanes, each a thread (default: processors less one for signalling)',
    schema: count(1, 256),
    default: undefined,
    example: '2',
  },
  {
    key: 'limits.maxSessions',
    flag: '--max-sessions <n>',
    description: 'recording sessions at a time; more are answered 503 with Retry-After',
    schema: count(1, 1_000_000),
    default: 2000,
    example: '2000',
  },
  {
    key: 'limits.minFreeBytes',
    flag: '--min-free-bytes <n>',
    description: 'free space below which new calls are refused',
    schema: count(0, Number.MAX_SAFE_INTEGER),
    default: 256 * 1024 * 1024,
    example: '268435456',
  },
  {
    key: 'mediaTimeoutSec',
    flag: '--media-timeout-sec <s>',
    description: 'ends a recording session from which no media has come for so long; 0 never',
    schema: count(0, 86_400),
    default: 120,
    example: '120',
  },
  {
    key: 'learnSource',
    flag: '--learn-source',
    description: 'take media from another source than the signalled one (recording clients behind NAT)',
    schema: toggle,
    default: false,
    example: 'true or false',
  },
  {
    key: 'liveDelayMs',
    flag: '--live-delay-ms <ms>',
    description: 'playout delay of live listening; packets that come later count as late',
    schema: count(0, 10_000),
    default: 60,
    example: '60',
  },
  {
    key: 'sessionExpiresSec',
    flag: '--session-expires-sec <s>',
    description: 'session timer (RFC 4028) that is asked for',
    schema: count(90, 86_400),
    default: 1800,
    example: '1800',
  },
  {
    key: 'keepPackets',
    flag: '--keep-packets',
    description: "keep each recording's packets beside its audio, for replay",
    schema: toggle,
    default: true,
    example: 'true or false',
  },
  {
    key: 'cti.url',
    flag: '--cti-url <url>',
    description: 'CTI link to take events of calls from (default: none)',
    schema: { type: 'string', pattern: WEBSOCKET_URL },
    default: undefined,
    example: 'wss://switch.example.com:5090/cti',
  },
  {
    key: 'cti.token',
    flag: '--cti-token <token>',
    description: 'bearer token for the CTI link; better in the file or the environment, where ps does not show it',
    schema: { type: 'string', pattern: '^[!-~]{1,512}$' },
    default: undefined,
    example: 'what "openssl rand -hex 32" prints',
    isSecret: true,
  },
  file(
    'cti.ca',
    '--cti-ca <file>',
    'certificates of the authorities that vouch for the CTI link, PEM',
    '/etc/doubletrack/cti-ca.pem',
  ),
  file('cti.cert', '--cti-cert <file>', 'certificate to show to the CTI link, PEM', '/etc/doubletrack/cti-cert.pem'),
  file('cti.key', '--cti-key <file>', 'private key of that certificate, PEM', '/etc/doubletrack/cti-key.pem'),
  {
    key: 'cti.followPause',
    flag: '--cti-follow-pause',
    description: 'pause and resume recordings when the CTI link says that the switch has (GSIP_RECORD)',
    schema: toggle,
    default: false,
    example: 'true or false',
  },
  {
    key: 'cti.askPause',
    flag: '--cti-ask-pause',
    description: 'ask the switch to pause and resume too when an operator does it here',
    schema: toggle,
    default: false,
    example: 'true or false',
  },
  {
    key: 'logLevel',
    flag: '--log-level <level>',
    description: `least level that is logged: ${LOG_LEVELS.join(', ')}`,
    schema: { type: 'string', enum: [...LOG_LEVELS] },
    default: 'info',
    example: 'info',
  },
];

/** `--media-ports <lo-hi>` to `media-ports`. */
export function flagName(spec: OptionSpec): string {
  return spec.flag.slice(2).split(' ', 1)[0]!;
}

/** The name under which commander hands the option over: `mediaPorts`. */
export function attributeName(spec: OptionSpec): string {
  return flagName(spec).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `DOUBLETRACK_MEDIA_PORTS`. */
export function variableName(spec: OptionSpec): string {
  return `DOUBLETRACK_${flagName(spec).toUpperCase().replaceAll('-', '_')}`;
}
