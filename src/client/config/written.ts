/** client.yaml as it is written, once it fits the schema: defaults are filled in, what is optional may be missing. */
import type { GroupStrategy, RecorderForm, RecordSide } from './types.ts';

type Srtp = 'off' | 'allowed' | 'required';

export interface WrittenPassword {
  password?: string;
  passwordFile?: string;
}

export interface WrittenTls {
  cert?: string;
  key?: string;
  ca?: string;
  clientCertificate: 'none' | 'request' | 'require';
}

export interface WrittenExtension extends WrittenPassword {
  dn: string;
  name?: string;
  digest: ('SHA-256' | 'MD5')[];
  record: boolean;
  forward: { busy?: string; noAnswer?: string; afterSec: number };
  supervises: string[];
  srtp?: Srtp;
  agentId?: string;
}

export interface WrittenTrunk {
  name: string;
  targets: string[];
  sources: string[];
  record: boolean;
  credentials?: WrittenPassword & { username: string };
  tryNextAfterSec: number;
  srtp?: Srtp;
}

export interface WrittenRule {
  from?: string;
  to?: string;
  trunk?: string;
  header?: { name: string; value: string };
  time?: { from: string; to: string; days: string[] };
  percentage: number;
  record: RecordSide | 'disable_destination' | 'none';
  group?: string;
}

export interface WrittenRecording {
  group?: string;
  alsoGroups: { group: string; purpose: string }[];
  agents: string[];
  mandatory: boolean;
  rules: WrittenRule[];
  hook?: { url: string; timeoutMs: number; default: RecordSide | 'none'; askFullTime: boolean };
  preRecord?: { seconds: number; afterEndSec: number };
  lookBackSec: number;
  notify: 'none' | 'tone';
  honourPreference: boolean;
}

export interface WrittenCti {
  listen: string;
  tokens: string[];
  tokensFile?: string;
  tls?: WrittenTls;
  privateMessages: { start: number; stop: number; pause: number; resume: number };
}

export interface WrittenLocal {
  dir: string;
  http: string;
  ports: string;
  lanes: number;
  weight: number;
  location?: string;
  maxSessions?: number;
}

export interface WrittenConfig {
  sip: string[];
  tls?: WrittenTls;
  http: string;
  realm: string;
  sessionExpiresSec: number;
  media: {
    address?: string;
    ports: string;
    lanes?: number;
    lookBackMb: number;
    anchor: 'recorded' | 'always';
    srtp: Srtp;
  };
  extensions: WrittenExtension[];
  trunks: WrittenTrunk[];
  dialPlan: { match: string; trunk?: string; number?: string }[];
  recorders: {
    id: string;
    uri: string;
    form: RecorderForm;
    srtp?: string;
    weight: number;
    location?: string;
    maxSessions?: number;
  }[];
  groups: {
    name: string;
    strategy: GroupStrategy;
    recorders: string[];
    simultaneous: number;
    location?: string;
    heartbeatSec: number;
  }[];
  local?: WrittenLocal;
  recording: WrittenRecording;
  cti?: WrittenCti;
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
}
