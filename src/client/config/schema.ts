/** What may stand in client.yaml, as JSON Schema: it checks the file, makes the error texts and the reference page. */
import { CRYPTO_SUITES } from '../../sdp/index.ts';
import {
  HOST_AND_PORT_PATTERN,
  PORT_RANGE_PATTERN,
  type SettingSchema,
  SIP_ADDRESS_PATTERN,
} from '../../settings/index.ts';
import { MAX_PATTERN_CHARACTERS } from './patterns.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export const SRTP_POLICIES = ['off', 'allowed', 'required'] as const;
/** Of the look-back of the media engine. */
const MAX_LOOK_BACK_SEC = 3_600;
const MAX_SECRET_CHARACTERS = 512;
const VARIABLE = `\`$\{NAME}\` takes an environment variable`;

type Rest = Omit<Partial<SettingSchema>, 'type' | 'description' | 'properties' | 'items'>;

const text = (description: string, maxLength: number, rest: Rest = {}): SettingSchema => ({
  ...{ type: 'string', description, minLength: 1, maxLength },
  ...rest,
});
const count = (description: string, minimum: number, maximum: number, rest: Rest = {}): SettingSchema => ({
  ...{ type: 'integer', description, minimum, maximum },
  ...rest,
});
const choice = (description: string, values: readonly string[], rest: Rest = {}): SettingSchema => ({
  ...{ type: 'string', description, enum: values },
  ...rest,
});
const toggle = (description: string): SettingSchema => ({ type: 'boolean', description, default: false });
const list = (description: string, items: SettingSchema, maxItems: number, rest: Rest = {}): SettingSchema => ({
  ...{ type: 'array', description, minItems: 0, maxItems, items },
  ...rest,
});
const keys = (
  description: string,
  required: string[],
  properties: Record<string, SettingSchema>,
  rest: Rest = {},
): SettingSchema => ({ type: 'object', description, required, properties, additionalProperties: false, ...rest });

const dn = (description: string, rest: Rest = {}) =>
  text(description, 64, {
    pattern: '^[A-Za-z0-9._+*#-]{1,64}$',
    form: 'a number in quotes: up to 64 digits, letters or . _ + * # -',
    examples: ['1001'],
    ...rest,
  });
const name = (description: string, example: string, rest: Rest = {}) =>
  text(description, 64, {
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
    form: 'a name of up to 64 letters, digits or . _ -',
    examples: [example],
    ...rest,
  });
const pattern = (description: string, example: string): SettingSchema => ({
  ...{ type: 'string', description, minLength: 1, form: `a pattern of 1 to ${MAX_PATTERN_CHARACTERS} characters` },
  ...{ maxLength: MAX_PATTERN_CHARACTERS, examples: [example] },
});
const secret = (description: string) => text(description, MAX_SECRET_CHARACTERS, { writeOnly: true });
const file = (description: string, example: string) => text(description, 1024, { examples: [example] });
const hostAndPort = (description: string, example: string, rest: Rest = {}) =>
  text(description, 261, { pattern: HOST_AND_PORT_PATTERN, form: 'host:port', examples: [example], ...rest });
const sipUri = (description: string, example: string) =>
  text(description, 512, {
    pattern: String.raw`^[sS][iI][pP][sS]?:[^\s<>"]+$`,
    form: 'a SIP URI without angle brackets',
    examples: [example],
  });
const srtpPolicy = (of: string) =>
  choice(`SRTP with keys in the SDP (RFC 4568) towards ${of}; by default as \`media.srtp\``, SRTP_POLICIES);
const side = (description: string, more: string[], rest: Rest = {}) =>
  choice(description, ['source', 'destination', ...more, 'none'], { examples: ['source'], ...rest });

const tls = (description: string) =>
  keys(description, [], {
    cert: file('certificate chain, PEM file', '/etc/doubletrack/cert.pem'),
    key: file('private key of that certificate, PEM file', '/etc/doubletrack/key.pem'),
    ca: file('authorities that vouch for peers, PEM file; by default those that Node brings', 'ca.pem'),
    clientCertificate: choice('certificates of who connects', ['none', 'request', 'require'], { default: 'none' }),
  });

const EXTENSION = keys('A directory number (DN) that a phone registers.', ['dn'], {
  dn: dn('the number, and the user name of digest authentication'),
  name: text('shown to other parties and in metadata; by default the DN', 128, { examples: ['Reception'] }),
  password: secret(`of digest authentication; ${VARIABLE}`),
  passwordFile: file('a file that holds the password, instead of `password`', 'secrets/1001'),
  digest: list(
    'algorithms of digest authentication (RFC 8760); `[MD5]` for phones that give up at a name which they do not know',
    choice('', ['SHA-256', 'MD5'], { examples: ['MD5'] }),
    2,
    { default: ['SHA-256', 'MD5'], minItems: 1, uniqueItems: true },
  ),
  record: toggle('full-time recording: every call of this DN'),
  forward: keys(
    'where its calls go instead',
    [],
    {
      busy: dn('when it is busy'),
      noAnswer: dn('when it does not answer in time'),
      afterSec: count('how long it may ring', 1, 180, { default: 20 }),
    },
    { default: {} },
  ),
  supervises: list(
    'DNs that it may listen to; `"*"` for all',
    { type: 'string', maxLength: 64, minLength: 1, examples: ['*'] },
    10_000,
    { default: [], uniqueItems: true },
  ),
  srtp: srtpPolicy('this phone'),
  agentId: text('the agent that is logged in, for CTI and metadata', 64),
});

const TRUNK = keys('A way to and from other SIP servers.', ['name', 'targets'], {
  name: name('for the dial plan and rules', 'outside'),
  targets: list('SIP URIs, tried in order', sipUri('', 'sip:192.0.2.20:5060'), 16, { minItems: 1, uniqueItems: true }),
  sources: list(
    'IP addresses whose INVITEs are taken without digest, beside those of the targets',
    { ...{ type: 'string', minLength: 2, maxLength: 64 }, examples: ['192.0.2.20'] },
    64,
    { default: [], uniqueItems: true },
  ),
  record: toggle('full-time recording: every call over this trunk'),
  credentials: keys('what a challenge of the trunk is answered with', ['username'], {
    username: text('user name', 128),
    password: secret(VARIABLE),
    passwordFile: file('a file that holds the password, instead of `password`', 'secrets/trunk'),
  }),
  tryNextAfterSec: count('how long one target may be silent before the next is tried', 1, 32, { default: 4 }),
  srtp: srtpPolicy('this trunk'),
});

const DIAL_RULE = keys('Where a dialled number leads.', ['match'], {
  match: pattern('of the whole number that was dialled', String.raw`0(\d+)`),
  trunk: name('a trunk; without it, the number is an extension', 'outside'),
  number: text('what is dialled then; `$1` is what the first group matched; by default as it was', 128, {
    pattern: '^[A-Za-z0-9._+*#$-]{1,128}$',
    form: 'digits, letters, . _ + * # - and $1 to $9',
    examples: ['+49$1'],
  }),
});

const RECORDER = keys('A recording server.', ['id', 'uri'], {
  id: name('for groups, HTTP and metrics', 'recorder-1'),
  uri: sipUri('where it is; a host with SRV records is as many recorders as they name', 'sip:recorder.example.com'),
  form: choice(
    '`siprec` (RFC 7866), or Genesys Media Stream Replication in one dialog or two',
    ['siprec', 'one-dialog', 'two-dialogs'],
    { default: 'siprec' },
  ),
  srtp: choice('crypto suite of media sent to it; in the clear without it', CRYPTO_SUITES),
  weight: count('share of the calls with `weighted`', 1, 1000, { default: 1 }),
  location: name('where it stands', 'berlin'),
  maxSessions: count('recording sessions at a time; as many as it takes without it', 1, 1_000_000),
});

const LOCAL = keys(
  'Records in this process too: a recorder with the id `local`, for groups and requests. Without this key there is none.',
  ['dir'],
  {
    dir: file('its data folder: journal, recordings, catalogue', 'recordings'),
    http: hostAndPort('where it offers search and retrieval; loopback only', '127.0.0.1:8083', {
      default: '127.0.0.1:8083',
    }),
    ports: text('UDP ports on which it receives, beside those of `media.ports`', 11, {
      pattern: PORT_RANGE_PATTERN,
      form: 'two ports as lo-hi',
      examples: ['16000-19999'],
      default: '16000-19999',
    }),
    lanes: count('media threads that record', 1, 256, { default: 1 }),
    weight: count('share of the calls with `weighted`', 1, 1000, { default: 1 }),
    location: name('where it stands', 'berlin'),
    maxSessions: count('recording sessions at a time; as many as it takes without it', 1, 1_000_000),
  },
);

const GROUP = keys('Recorders that stand in for one another.', ['name', 'recorders'], {
  name: name('for the policy and requests', 'main'),
  strategy: choice('which recorder is asked first', ['hunt', 'round-robin', 'least-used', 'weighted'], {
    default: 'hunt',
  }),
  recorders: list('ids; with `hunt` in order of preference', name('', 'recorder-1'), 64, {
    minItems: 1,
    uniqueItems: true,
  }),
  simultaneous: count('recorders that record one call at the same time', 1, 3, { default: 1 }),
  location: name('recorders of this location first', 'berlin'),
  heartbeatSec: count('time between OPTIONS; 0: none', 0, 3600, { default: 10 }),
});

const RULE = keys('Records a call if all that is given holds.', ['record'], {
  from: pattern('of the whole calling number', String.raw`1\d{3}`),
  to: pattern('of the whole called number', String.raw`0800\d+`),
  trunk: name('the call comes or goes over it', 'outside'),
  header: keys('of the INVITE', ['name', 'value'], {
    name: text('name of the header', 64, {
      pattern: "^[A-Za-z0-9!%*_+`'~.-]{1,64}$",
      form: 'the name of a header',
      examples: ['X-Queue'],
    }),
    value: pattern('of its whole value', 'sales.*'),
  }),
  time: keys('local time of this machine', [], {
    from: text('from this time of day', 5, {
      pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$',
      form: 'hh:mm in quotes',
      examples: ['08:00'],
      default: '00:00',
    }),
    to: text('before this one; a time before `from` is on the next day', 5, {
      pattern: '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$',
      form: 'hh:mm in quotes, at most 24:00',
      examples: ['18:00'],
      default: '24:00',
    }),
    days: list(
      'days on which it begins',
      choice('', ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], { examples: ['mon'] }),
      7,
      { minItems: 1, uniqueItems: true, default: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] },
    ),
  }),
  percentage: {
    ...{ type: 'number', description: 'of the calls for which the rest holds', minimum: 0, maximum: 100 },
    ...{ default: 100, examples: [10] },
  },
  record: side(
    '`source` is the calling side, `destination` the called one; `disable_destination` also takes back full-time recording of the called side',
    ['disable_destination'],
  ),
  group: name('recorders; by default `recording.group`', 'main'),
});

const HOOK = keys('An HTTP server that decides about calls that nothing else has decided.', ['url', 'default'], {
  url: text('gets a POST', 2048, {
    pattern: String.raw`^https?://[^\s]+$`,
    form: 'an http or https URL',
    examples: ['http://127.0.0.1:9000/record'],
  }),
  timeoutMs: count('how long it may take', 10, 10_000, { default: 500 }),
  default: side('what is done if it gives no good answer in time', []),
  askFullTime: toggle('also asked when the called side is recorded full-time, for it may say `disable_destination`'),
});

const RECORDING = keys(
  'Who is recorded, and by whom.',
  [],
  {
    group: name('the usual group of recorders', 'main'),
    alsoGroups: list(
      'groups that record every recorded call as well',
      keys('Recorders for a purpose of their own.', ['group', 'purpose'], {
        group: name('name of the group', 'archive'),
        purpose: name('what for; in views and metrics', 'compliance'),
      }),
      8,
      { default: [] },
    ),
    agents: list(
      'agents whose every call is recorded, whatever the DN',
      text('', 64, { examples: ['agent-7'] }),
      10_000,
      { default: [], uniqueItems: true },
    ),
    mandatory: toggle('a call that is to be recorded and cannot be is refused, or ended'),
    rules: list('tried in order, after full-time recording; the first that matches decides', RULE, 1000, {
      default: [],
    }),
    hook: HOOK,
    preRecord: keys(
      'keeps what is said in calls that are not recorded, for a request to record them all the same',
      [],
      {
        seconds: count(
          'how much of the past of a call is kept, as far as `media.lookBackMb` goes',
          1,
          MAX_LOOK_BACK_SEC,
          {
            default: MAX_LOOK_BACK_SEC,
          },
        ),
        afterEndSec: count('how long it is kept after the end of the call', 0, 3600, { default: 60 }),
      },
    ),
    lookBackSec: count('what the next recorder gets of the past when one fails', 0, MAX_LOOK_BACK_SEC, { default: 10 }),
    notify: choice('how parties are told whose phones are not record-aware', ['none', 'tone'], { default: 'none' }),
    honourPreference: toggle('a=recordpref of a party decides (RFC 7866 section 6.2)'),
  },
  { default: {} },
);

const CTI = keys('The CTI link; without this key there is none.', ['listen'], {
  listen: hostAndPort('where to listen', '127.0.0.1:8082'),
  tokens: list(`bearer tokens; ${VARIABLE}`, secret(''), 64, { default: [] }),
  tokensFile: file('a file with more tokens, one a line', 'secrets/cti-tokens'),
  tls: tls('needed unless it listens on loopback; with `clientCertificate: require` no token is needed'),
  privateMessages: keys(
    'numbers of AttributePrivateMsgID',
    [],
    {
      start: count('GSIP_RECORD_START', 0, 2 ** 31 - 1, { default: 3013 }),
      stop: count('GSIP_RECORD_STOP', 0, 2 ** 31 - 1, { default: 3014 }),
      pause: count('GSIP_RECORD_PAUSE', 0, 2 ** 31 - 1, { default: 3015 }),
      resume: count('GSIP_RECORD_RESUME', 0, 2 ** 31 - 1, { default: 3016 }),
    },
    { default: {} },
  ),
});

export const CLIENT_SCHEMA: SettingSchema = keys('The recording client.', ['extensions'], {
  sip: list(
    'where to listen for SIP',
    text('', 270, { pattern: SIP_ADDRESS_PATTERN, form: 'transport:host:port', examples: ['udp:0.0.0.0:5060'] }),
    16,
    { minItems: 1, uniqueItems: true, default: ['udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060'] },
  ),
  tls: tls('for SIP over TLS'),
  http: hostAndPort('where to listen for HTTP; loopback only, for there is no access control', '127.0.0.1:8081', {
    default: '127.0.0.1:8081',
  }),
  realm: text('of digest authentication (RFC 8760)', 128, {
    pattern: String.raw`^[^"\\\u0000-\u001f\u007f]{1,128}$`,
    form: 'text without quotes, backslashes and control characters',
    examples: ['example.com'],
    default: 'doubletrack',
  }),
  sessionExpiresSec: count('how long a call goes on with a phone that is gone without a word (RFC 4028)', 90, 86_400, {
    default: 1_800,
  }),
  media: keys(
    'Where media is anchored.',
    [],
    {
      address: text('an IP address of this machine; by default that of the first SIP address', 64, {
        examples: ['192.0.2.10'],
      }),
      ports: text('UDP ports for RTP and RTCP, first and last', 11, {
        pattern: PORT_RANGE_PATTERN,
        form: 'two ports as lo-hi',
        examples: ['10000-13999'],
        default: '10000-13999',
      }),
      lanes: count('media threads; by default one less than there are processors', 1, 256),
      lookBackMb: count(
        'memory of each of them for what is kept of calls; the system provides what is used',
        16,
        3_072,
        {
          default: 512,
        },
      ),
      anchor: choice('`recorded`: media is here only while something needs it; `always`', ['recorded', 'always'], {
        default: 'recorded',
      }),
      srtp: choice(
        'SRTP with parties: `allowed` where a party offers it or signals over TLS; `required`: nothing else',
        SRTP_POLICIES,
        { default: 'allowed' },
      ),
    },
    { default: {} },
  ),
  extensions: list('phones', EXTENSION, 100_000),
  trunks: list('ways to other SIP servers', TRUNK, 1000, { default: [] }),
  dialPlan: list(
    'tried in order; the first that matches decides. What matches none is an extension, or 404',
    DIAL_RULE,
    1000,
    { default: [] },
  ),
  recorders: list('recording servers', RECORDER, 1000, { default: [] }),
  groups: list('groups of recorders', GROUP, 100, { default: [] }),
  local: LOCAL,
  recording: RECORDING,
  cti: CTI,
  logLevel: choice('least level that is logged', LOG_LEVELS, { default: 'info' }),
});
