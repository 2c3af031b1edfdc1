/**
 * What CTI knows of a conversation, as extension elements of recording metadata (RFC 7865 section 5: elements of a namespace of their
 * own, which a recorder that does not know it leaves alone):
 *
 *     <session ...>…<call xmlns="urn:doubletrack:params:xml:ns:cti:1">
 *       <calluuid/> <connid/> <ani/> <dnis/> <recorded-dn/> <recording-id/> <purpose/> <call-id/>*   of SIP
 *       <param name="…">…</param>*  <userdata key="…">…</userdata>*                    T-Lib's UserData
 *     </call></session>
 *     <participant …>…<party xmlns="urn:doubletrack:params:xml:ns:cti:1"><dn/> <trunk/> <agent-id/></party></participant>
 */
import { escapeXml, readXml, textOf, type XmlElement } from './xml.ts';

export const CTI_NAMESPACE = 'urn:doubletrack:params:xml:ns:cti:1';

export interface CallFacts {
  callUuid: string;
  connId: string;
  ani: string;
  dnis: string;
  recordedDn: string | null;
  recordingId: string;
  purpose: string;
  sipCallIds: readonly string[];
  params: ReadonlyMap<string, string>;
  userData: ReadonlyMap<string, string>;
}

export interface PartyFacts {
  dn: string | null;
  trunk: string | null;
  agentId: string | null;
}

const MAX_CALL_IDS = 16;
const MAX_PAIRS = 64;
const MAX_NAME = 128;
const MAX_VALUE = 1_024;
/** Of all names and values together: metadata has to fit into messages. */
const MAX_PAIRS_TEXT = 16_384;

/** The extension of a session element. Of names and values without end, those that fit are kept, whole. */
export function callExtension(facts: CallFacts): string {
  const inner = [
    leaf('calluuid', facts.callUuid),
    leaf('connid', facts.connId),
    leaf('ani', facts.ani),
    leaf('dnis', facts.dnis),
    leaf('recorded-dn', facts.recordedDn),
    leaf('recording-id', facts.recordingId),
    leaf('purpose', facts.purpose),
    ...facts.sipCallIds.slice(0, MAX_CALL_IDS).map((id) => leaf('call-id', id)),
    ...pairs('param', 'name', facts.params),
    ...pairs('userdata', 'key', facts.userData),
  ];
  return `<call xmlns="${CTI_NAMESPACE}">${inner.join('')}</call>`;
}

/** The extension of a participant element. */
export function partyExtension({ dn, trunk, agentId }: PartyFacts): string {
  const inner = leaf('dn', dn) + leaf('trunk', trunk) + leaf('agent-id', agentId);
  return `<party xmlns="${CTI_NAMESPACE}">${inner}</party>`;
}

/** Reads what `callExtension` writes, among other extensions; null when it is not there. */
export function readCallExtension(extensions: string): CallFacts | null {
  const call = elementOf(extensions, 'call');
  if (call === null) return null;
  const text = (name: string) => textIn(call, name);
  return {
    callUuid: text('calluuid') ?? '',
    connId: text('connid') ?? '',
    ani: text('ani') ?? '',
    dnis: text('dnis') ?? '',
    recordedDn: text('recorded-dn'),
    recordingId: text('recording-id') ?? '',
    purpose: text('purpose') ?? '',
    sipCallIds: childrenOf(call, 'call-id').slice(0, MAX_CALL_IDS).map(contentOf),
    params: readPairs(call, 'param', 'name'),
    userData: readPairs(call, 'userdata', 'key'),
  };
}

/** Reads what `partyExtension` writes, among other extensions; null when it is not there. */
export function readPartyExtension(extensions: string): PartyFacts | null {
  const party = elementOf(extensions, 'party');
  if (party === null) return null;
  return { dn: textIn(party, 'dn'), trunk: textIn(party, 'trunk'), agentId: textIn(party, 'agent-id') };
}

function pairs(element: string, attribute: string, from: ReadonlyMap<string, string>): string[] {
  const out: string[] = [];
  let room = MAX_PAIRS_TEXT;
  for (const [name, value] of from) {
    if (name === '' || name.length > MAX_NAME || value.length > MAX_VALUE || name.length + value.length > room)
      continue;
    if (out.length === MAX_PAIRS) break;
    room -= name.length + value.length;
    out.push(`<${element} ${attribute}="${escapeXml(name)}">${escapeXml(value)}</${element}>`);
  }
  return out;
}

function leaf(name: string, value: string | null): string {
  return value === null || value === '' ? '' : `<${name}>${escapeXml(value)}</${name}>`;
}

function elementOf(extensions: string, local: string): XmlElement | null {
  if (extensions === '') return null;
  const root = readXml(`<x>${extensions}</x>`).roots[0];
  return root?.children.find((child) => child.local === local && child.uri === CTI_NAMESPACE) ?? null;
}

function childrenOf(element: XmlElement, local: string): XmlElement[] {
  return element.children.filter((child) => child.local === local && child.uri === CTI_NAMESPACE);
}

/** With its white space, unlike what the format's own elements hold. */
function contentOf(element: XmlElement): string {
  return element.content.filter((item) => typeof item === 'string').join('');
}

function textIn(element: XmlElement, local: string): string | null {
  const [first] = childrenOf(element, local);
  return first === undefined ? null : textOf(first) || null;
}

function readPairs(element: XmlElement, local: string, attribute: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const child of childrenOf(element, local).slice(0, MAX_PAIRS)) {
    const name = child.attributes.find((one) => one.local === attribute)?.value ?? '';
    if (name !== '' && !out.has(name)) out.set(name, contentOf(child).slice(0, MAX_VALUE));
  }
  return out;
}
