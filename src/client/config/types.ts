/** The configuration of the recording client as the program takes it: checked, with defaults, addresses parsed. */
import type { SrtpSuite } from '../../media/index.ts';
import type { ListenAddress, TlsSettings } from '../../sip/index.ts';

export interface ClientConfig {
  sip: ListenAddress[];
  tls: TlsSettings | null;
  http: { host: string; port: number };
  /** Of digest authentication (RFC 8760). */
  realm: string;
  /** Session interval of RFC 4028. */
  sessionExpiresSec: number;
  media: MediaConfig;
  extensions: ExtensionConfig[];
  trunks: TrunkConfig[];
  /** Tried in order; the first that matches decides. What matches none is an extension's number, or 404. */
  dialPlan: DialRule[];
  recorders: RecorderConfig[];
  groups: GroupConfig[];
  /** Records in this process too; null: does not. */
  local: LocalConfig | null;
  recording: RecordingPolicyConfig;
  cti: CtiConfig | null;
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
}

export interface MediaConfig {
  /** An IP address of this machine. */
  address: string;
  /** Both inclusive. */
  ports: { lo: number; hi: number };
  lanes: number;
  /** Of each lane, for what is kept of calls for recorders that are yet to come; mebibytes. */
  lookBackMb: number;
  /** `recorded`: media flows between the parties until something needs it here; `always`: it is here from the start. */
  anchor: 'recorded' | 'always';
  /** Keys are agreed on with parties (RFC 4568): never, when the party offers or over TLS, or nothing else is taken. */
  srtp: 'off' | 'allowed' | 'required';
}

/** A directory number (DN) that a phone registers. */
export interface ExtensionConfig {
  dn: string;
  name: string;
  /** Of digest authentication; the user name is the DN. */
  password: string;
  /** Algorithms that it is challenged with, best first; both when left out. Phones that know RFC 2617 only take no other than MD5. */
  digest?: readonly ('SHA-256' | 'MD5')[];
  /** Full-time recording of every call of this DN (Genesys' `record=true`). */
  record: boolean;
  /** Where its calls go when it is busy, or does not answer in time; null: nowhere. */
  forward: { busy: string | null; noAnswer: string | null; afterSec: number };
  /** Whom it may listen to: DNs, or all of them with `*`. */
  supervises: string[];
  srtp: 'off' | 'allowed' | 'required';
  /** Agent that is logged in, as CTI and metadata tell it; null: none. */
  agentId: string | null;
}

export interface TrunkConfig {
  name: string;
  /** SIP URIs, tried in order. */
  targets: string[];
  /** Addresses whose INVITEs are taken without digest, beside those of the targets. */
  sources: string[];
  record: boolean;
  /** What we answer a challenge of the trunk with; null: nothing. */
  credentials: { username: string; password: string } | null;
  /** Wait for an answer of one target before the next is tried; seconds. */
  tryNextAfterSec: number;
  srtp: 'off' | 'allowed' | 'required';
}

export interface DialRule {
  /** Of the number that was dialled; anchored at both ends. */
  match: RegExp;
  /** Name of a trunk; null: an extension. */
  trunk: string | null;
  /** What is dialled then, `$1` for what the first group has matched; null: as it was. */
  number: string | null;
}

/** How a recorder wants to be asked (RFC 7866, or Genesys Media Stream Replication in its two forms). */
export type RecorderForm = 'siprec' | 'one-dialog' | 'two-dialogs';

export interface RecorderConfig {
  id: string;
  /** SIP URI; one whose host has SRV records is as many recorders as they name. */
  uri: string;
  form: RecorderForm;
  /** Of media sent to it; null: in the clear. */
  srtp: SrtpSuite | null;
  /** Share of the calls with `weighted`. */
  weight: number;
  location: string | null;
  /** At a time; null: as many as it takes. */
  maxSessions: number | null;
}

/** Of the local recorder in groups, requests and views. */
export const LOCAL_RECORDER = 'local';

/** A recorder that runs in the client's process. */
export interface LocalConfig {
  /** Absolute path of its data. */
  dir: string;
  http: { host: string; port: number };
  /** Both inclusive. */
  ports: { lo: number; hi: number };
  lanes: number;
  weight: number;
  location: string | null;
  maxSessions: number | null;
}

export type GroupStrategy = 'hunt' | 'round-robin' | 'least-used' | 'weighted';

export interface GroupConfig {
  name: string;
  strategy: GroupStrategy;
  /** Ids; with `hunt` in order of preference. */
  recorders: string[];
  /** Recorders that record one call at the same time, 1 to 3. */
  simultaneous: number;
  /** Recorders of this location first. */
  location: string | null;
  heartbeatSec: number;
}

/** What is decided about a call when it is set up. `source` is the calling side, `destination` the called one. */
export type RecordSide = 'source' | 'destination';

/** What a rule or the hook may say. `disable_destination`: `none`, and the called side is not recorded full-time either. */
export type RecordChoice = RecordSide | 'disable_destination' | 'none';

export interface SelectiveRule {
  /** All that are given must hold. Patterns are anchored at both ends. */
  from: RegExp | null;
  to: RegExp | null;
  trunk: string | null;
  header: { name: string; value: RegExp } | null;
  /**
   * Local time of day, minutes from midnight, and days on which it begins, 0 for Sunday; null: always. With `toMin` not above `fromMin`
   * it lasts into the next day.
   */
  time: { fromMin: number; toMin: number; days: number[] } | null;
  /** Of the calls for which the rest holds. */
  percentage: number;
  record: RecordChoice;
  /** Group of recorders; null: the usual one. */
  group: string | null;
}

export interface RecordingPolicyConfig {
  /** The usual group of recorders; null: none, and nothing is recorded. */
  group: string | null;
  /** Groups that record every recorded call as well, each for a purpose of its own. */
  alsoGroups: { group: string; purpose: string }[];
  /** Agents whose every call is recorded, whatever the DN (Genesys' `record=true` of an agent login). */
  agents: string[];
  /** A call that cannot be recorded is refused, or ended. */
  mandatory: boolean;
  /** Tried in order, the first that matches decides; after full-time recording. */
  rules: SelectiveRule[];
  /**
   * Asked about calls that nothing else has decided. With `askFullTime` also about those whose called side is recorded full-time, which
   * only `disable_destination` changes.
   */
  hook: { url: string; timeoutMs: number; default: RecordSide | 'none'; askFullTime: boolean } | null;
  /** Keeps what calls said so far, and so long after their end, for a request to record all of it; null: no pre-recording. */
  preRecord: { seconds: number; afterEndSec: number } | null;
  /** Looked at when a recorder fails: what the next one gets of the past; seconds. */
  lookBackSec: number;
  /** How parties that are not record-aware (RFC 7866 section 6.1.2) are told. */
  notify: 'none' | 'tone';
  /** Whether a=recordpref of a party (RFC 7866 section 6.2) decides. */
  honourPreference: boolean;
}

export interface CtiConfig {
  host: string;
  port: number;
  /** Bearer tokens; with none, a client certificate must be shown. */
  tokens: string[];
  tls: TlsSettings | null;
  /** Numbers of AttributePrivateMsgID. */
  privateMessages: { start: number; stop: number; pause: number; resume: number };
}
