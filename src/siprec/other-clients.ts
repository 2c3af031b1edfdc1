/**
 * Participants and pairing of recordings that come without SIPREC metadata: Genesys Media Stream Replication (URI parameters),
 * Cisco Unified CM phone-based recording (From parameters x-nearend/x-farend, two dialogs) and Cisco network-based recording
 * (X-Cisco-Recording-Participant).
 */
import type { GenesysInfo } from './genesys.ts';
import type { PlacedParticipant } from './participants.ts';

/** Dialogs with the same `key` are one recording; `side` is the channel of this dialog's party, null when nothing says it. */
export interface RecordingPairing {
  key: string;
  side: 0 | 1 | null;
}

type Header = (name: string) => string | undefined;

/** How this dialog joins others to one recording, or null when it is a recording of its own. */
export function pairingOf(kind: string, genesys: GenesysInfo | null, header: Header): RecordingPairing | null {
  if (kind === 'genesys-two-dialogs' && genesys !== null) {
    if (genesys.recordId === null && genesys.callUuid === null) return null;
    const key = `genesys ${genesys.recordId ?? ''} ${genesys.callUuid ?? ''}`;
    if (genesys.dn === null || genesys.recordDn === null) return { key, side: null };
    return { key, side: genesys.dn === genesys.recordDn ? 0 : 1 };
  }
  if (kind !== 'plain') return null;
  const from = fromParams(header);
  const call = from.get('x-refci');
  if (call === undefined || !(from.has('x-nearend') || from.has('x-farend'))) return null;
  return { key: `cisco ${call}`, side: from.has('x-nearend') ? 0 : 1 };
}

/** Who is recorded, as far as the request without metadata says it. `recorded` is the number of recorded m-lines. */
export function otherParticipants(
  kind: string,
  genesys: GenesysInfo | null,
  header: Header,
  recorded: number,
): PlacedParticipant[] {
  if (genesys !== null && (genesys.dn !== null || genesys.otherDn !== null))
    return genesysParticipants(kind, genesys, recorded);
  const cisco = ciscoParticipants(header);
  if (cisco.length > 0) return cisco;
  if (kind !== 'plain') return [];
  const from = header('from') ?? '';
  const near = fromParams(header);
  const address = near.has('x-nearend') ? near.get('x-nearendaddr') : near.get('x-farendaddr');
  const uri = uriOf(from);
  if (uri === '') return [];
  const channel = pairingOf(kind, genesys, header)?.side ?? 0;
  return [{ id: 'from', aor: address ? `sip:${address}` : uri, name: displayName(from), channel }];
}

function genesysParticipants(kind: string, genesys: GenesysInfo, recorded: number): PlacedParticipant[] {
  const out: PlacedParticipant[] = [];
  const oneLine = recorded < 2;
  const side = pairingOf(kind, genesys, () => undefined)?.side ?? 0;
  if (genesys.dn !== null) {
    out.push({ id: genesys.dn, aor: genesys.dn, name: null, channel: kind === 'genesys-two-dialogs' ? side : 0 });
  }
  if (genesys.otherDn !== null) {
    out.push({ id: genesys.otherDn, aor: genesys.otherDn, name: null, channel: oneLine ? 0 : 1 });
  }
  return out;
}

/** `X-Cisco-Recording-Participant: sip:1000@host;media-index="0"`, one value per party, separated by commas or repeated. */
function ciscoParticipants(header: Header): PlacedParticipant[] {
  const out: PlacedParticipant[] = [];
  for (const text of (header('x-cisco-recording-participant') ?? '').split(',', 16)) {
    const uri = uriOf(text);
    if (uri === '') continue;
    const at = text.toLowerCase().indexOf('media-index');
    const digits = at < 0 ? [] : [...text.slice(at, at + 20)].filter((c) => c >= '0' && c <= '9');
    const channel = digits.length === 0 ? out.length : Number(digits.slice(0, 2).join(''));
    out.push({ id: uri, aor: uri, name: displayName(text), channel });
  }
  return out;
}

/** Parameters of From, of the URI as well as of the header. */
function fromParams(header: Header): Map<string, string> {
  const params = new Map<string, string>();
  for (const param of (header('from') ?? '').replaceAll('>', '').split(';', 64).slice(1)) {
    const equals = param.indexOf('=');
    const name = (equals < 0 ? param : param.slice(0, equals)).trim().toLowerCase();
    if (name !== '' && !params.has(name)) params.set(name, equals < 0 ? '' : param.slice(equals + 1).trim());
  }
  return params;
}

/** The URI of a name-addr or addr-spec, without parameters. */
function uriOf(text: string): string {
  const open = text.indexOf('<');
  const inner = open < 0 ? text : text.slice(open + 1);
  return inner.split('>', 1)[0]!.split(';', 1)[0]!.trim();
}

function displayName(text: string): string | null {
  const open = text.indexOf('<');
  if (open <= 0) return null;
  const name = text.slice(0, open).trim();
  const bare = name.startsWith('"') && name.endsWith('"') && name.length > 1 ? name.slice(1, -1) : name;
  return bare === '' ? null : bare;
}
