/**
 * How a recorder of Genesys' Media Stream Replication is asked: plain INVITEs, and what is recorded stands in the Request-URI and in
 * X-Genesys headers. `genesysInfo` of src/siprec reads it.
 *
 *     sip:record=<id>@recorder;calluuid=<CallUUID>;dn=<DN1>;recordDN=<DN1>                     one dialog per party, or
 *     sip:record=<id>@recorder;calluuid=<CallUUID>;dn=<DN1>;otherDN=<DN2>;recordDN=<DN>        one dialog for both
 */
import { parseSipUri, unescapeUri } from '../../sip/index.ts';
import type { ConversationView, PartyView } from '../conversation.ts';
import { callUuid } from './conversation-metadata.ts';

/** What a reader of these takes of a value at most, escaped. */
const MAX_VALUE = 1_024;
const MAX_EXTRA_PARAMS = 32;
const MAX_EXTRA_TEXT = 2_048;
const PARAM_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
/** Those that say where a request goes (RFC 3261 19.1.1), and ours. */
const RESERVED = new Set([
  ...['transport', 'user', 'method', 'ttl', 'maddr', 'lr', 'comp', 'sigcomp-id', 'gr', 'ob', 'record'],
  ...['calluuid', 'dn', 'otherdn', 'recorddn'],
]);

export interface ReplicationRequest {
  uri: string;
  headers: [string, string][];
}

export interface ReplicationFacts {
  /** URI of the recorder; who it names is replaced by what is recorded. */
  recorderUri: string;
  recordingId: string;
  location: string | null;
  params: Readonly<Record<string, string>>;
}

/**
 * @param party whose dialog it is
 * @param other the other one, for one dialog for both
 */
export function replicationRequest(
  { recorderUri, recordingId, location, params }: ReplicationFacts,
  conversation: ConversationView,
  party: PartyView,
  other: PartyView | null,
): ReplicationRequest {
  const uuid = callUuid(conversation.id);
  const own: [string, string][] = [
    ['calluuid', uuid],
    ['dn', dnOf(party)],
  ];
  if (other !== null) own.push(['otherDN', dnOf(other)]);
  own.push(['recordDN', recordDn(conversation)]);
  const written = [...own, ...extras(params)].map(([name, value]) => `;${name}=${escaped(value)}`);
  const headers: [string, string][] = [
    ['X-Genesys-CallUUID', uuid],
    ['X-Genesys-GVP-Session-ID', `${conversation.id};gvp.rm.datanodes=1`],
  ];
  if (party.agentId !== null) headers.push(['X-Genesys-AgentID', escaped(party.agentId)]);
  if (location !== null) headers.push(['X-Genesys-geo-location', escaped(location)]);
  return { uri: withUser(recorderUri, `record=${escaped(recordingId)}`, written.join('')), headers };
}

/** The side that is recorded, the first party's when it is nobody's of these. */
function recordDn({ recordedDn, parties }: ConversationView): string {
  const dns = parties.map(dnOf);
  return recordedDn !== null && dns.includes(recordedDn) ? recordedDn : (dns[0] ?? '');
}

/** One from outside has the number that it called from, or was called at. */
export function dnOf({ dn, aor }: PartyView): string {
  if (dn !== null) return dn;
  const { user, host } = parseSipUri(aor);
  return user === '' ? host : unescapeUri(user);
}

function extras(params: Readonly<Record<string, string>>): [string, string][] {
  const out: [string, string][] = [];
  let room = MAX_EXTRA_TEXT;
  for (const [name, value] of Object.entries(params)) {
    const bytes = name.length + escaped(value).length + 2;
    if (!PARAM_NAME.test(name) || RESERVED.has(name.toLowerCase()) || bytes > room || bytes > MAX_VALUE) continue;
    if (out.length === MAX_EXTRA_PARAMS) break;
    room -= bytes;
    out.push([name, value]);
  }
  return out;
}

/** All but what is unreserved in SIP URIs (RFC 3261 25.1). Half of a surrogate pair is no text. */
function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function withUser(uri: string, user: string, params: string): string {
  const colon = uri.indexOf(':');
  const question = uri.indexOf('?');
  const rest = uri.slice(colon + 1, question < 0 ? uri.length : question);
  return `${uri.slice(0, colon + 1)}${user}@${rest.slice(rest.lastIndexOf('@') + 1)}${params}`;
}
