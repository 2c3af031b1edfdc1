/**
 * Genesys Media Stream Replication towards a third-party recorder: a plain INVITE whose Request-URI says what is recorded,
 *
 *     sip:record=<id>@recorder;calluuid=<CallUUID>;dn=<DN1>;recordDN=<DN1>                     one dialog per party, or
 *     sip:record=<id>@recorder;calluuid=<CallUUID>;dn=<DN1>;otherDN=<DN2>;recordDN=<DN>        one dialog for both,
 *
 * with X-Genesys-* headers. Ids contain colons, and the parameters may stand before or after the host.
 */

export interface GenesysInfo {
  recordId: string | null;
  callUuid: string | null;
  dn: string | null;
  otherDn: string | null;
  recordDn: string | null;
  /** All URI parameters, names in lower case. */
  params: Record<string, string>;
  /** X-Genesys-* headers, names in lower case. */
  headers: Record<string, string>;
}

/** Headers to look for when the caller cannot list the names that a request has. */
const HEADERS = [
  'x-genesys-gvp-session-id',
  'x-genesys-gvp-session-data',
  'x-genesys-gvp-call-id',
  'x-genesys-rm-application-dbid',
  'x-genesys-calluuid',
  'x-genesys-callinfo',
  'x-genesys-geo-location',
  'x-genesys-partyinfo',
  'x-genesys-strict-location',
  'x-genesys-agentid',
  'x-genesys-conversationid',
  'x-genesysagentid',
  'x-genesysconversationid',
];

const MAX_PARAMS = 64;
const MAX_VALUE = 1_024;

/** Reads the Request-URI (or any SIP URI) and the headers; null when neither shows a Genesys recording. */
export function genesysInfo(
  uris: readonly string[],
  header: (name: string) => string | undefined,
  headerNames?: Iterable<string>,
): GenesysInfo | null {
  const headers = genesysHeaders(header, headerNames);
  let uri = { recordId: null as string | null, params: record() };
  for (const text of uris) {
    uri = recordUri(text);
    if (uri.recordId !== null) break;
  }
  if (uri.recordId === null && Object.keys(headers).length === 0) return null;
  const { params } = uri;
  return {
    recordId: uri.recordId,
    callUuid: params.calluuid || headers['x-genesys-calluuid'] || null,
    dn: params.dn || null,
    otherDn: params.otherdn || null,
    recordDn: params.recorddn || null,
    params,
    headers,
  };
}

/** No prototype: parameter names come from the network. */
function record(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}

function genesysHeaders(
  header: (name: string) => string | undefined,
  headerNames?: Iterable<string>,
): Record<string, string> {
  const names = new Set(HEADERS);
  for (const name of headerNames ?? []) if (name.toLowerCase().startsWith('x-genesys')) names.add(name.toLowerCase());
  const out = record();
  for (const name of names) {
    const value = header(name);
    if (value !== undefined && value !== '') out[name] = value.slice(0, MAX_VALUE);
  }
  return out;
}

/** `sip:record=ID;a=b@host:port;c=d?header` -> ID and {a: b, c: d}. */
function recordUri(text: string): { recordId: string | null; params: Record<string, string> } {
  const params = record();
  const scheme = text.indexOf(':');
  const question = text.lastIndexOf('?');
  const rest = text.slice(scheme + 1, question > text.indexOf('@') ? question : text.length);
  // The first one: DNs may be addresses and have one of their own.
  const at = rest.indexOf('@');
  const user = (at < 0 ? rest : rest.slice(0, at)).split(';', MAX_PARAMS);
  const host =
    at < 0
      ? []
      : rest
          .slice(at + 1)
          .split(';', MAX_PARAMS)
          .slice(1);
  const first = user[0] ?? '';
  if (!first.toLowerCase().startsWith('record=')) return { recordId: null, params };
  for (const param of [...user.slice(1), ...host]) {
    const equals = param.indexOf('=');
    const name = (equals < 0 ? param : param.slice(0, equals)).trim().toLowerCase();
    if (name !== '' && !(name in params)) params[name] = equals < 0 ? '' : decode(param.slice(equals + 1).trim());
  }
  const id = at < 0 ? withoutPort(first.slice(7)) : first.slice(7);
  return { recordId: id === '' ? null : decode(id), params };
}

/** Without a host part a port may follow the id directly. */
function withoutPort(id: string): string {
  const colon = id.lastIndexOf(':');
  const port = id.slice(colon + 1);
  const digits = [...port].every((c) => c >= '0' && c <= '9');
  return colon > 0 && digits && port.length >= 4 && port.length <= 5 ? id.slice(0, colon) : id;
}

function decode(text: string): string {
  const short = text.slice(0, MAX_VALUE);
  try {
    return decodeURIComponent(short);
  } catch {
    return short;
  }
}
