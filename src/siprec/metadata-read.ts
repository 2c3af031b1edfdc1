/**
 * Recording metadata from XML (RFC 7865 section 9, its drafts, and the vendors' own shapes).
 *
 * Elements are known by their local name alone, without case, `-` and `_`: that covers `recording` and `recording_metadata`,
 * `datamode` and `dataMode`, `session_id` and `id`, prefixes, and namespaces without `:1`. An element that ended up inside
 * another known one, because an end tag was damaged, is found as well. Elements in a foreign namespace are kept as text.
 */
import {
  emptyMetadata,
  idKey,
  type RsMetadata,
  type RsNameId,
  type RsParticipant,
  type RsParticipantStreams,
} from './metadata.ts';
import { readXml, textOf, writeXml, type XmlElement } from './xml.ts';

/** Elements of one kind: more are left out with a warning. */
const MAX_ELEMENTS = 512;
const MAX_WARNINGS = 32;

export interface ParsedMetadata {
  metadata: RsMetadata;
  /** What was missing or odd, for people. */
  warnings: string[];
}

/** Reads metadata. Never throws: what cannot be read is missing from the result and named in `warnings`. */
export function parseMetadata(input: Uint8Array | string): ParsedMetadata {
  const document = readXml(input);
  const reader = new MetadataReader(document.warnings);
  const root = document.roots[0];
  if (!root) reader.warn('recording metadata without a root element');
  else if (!ROOTS.has(canonical(root.local)))
    reader.warn(`recording metadata with the root element ${root.local.slice(0, 64)}`);
  if (root) reader.rootOf(root);
  for (const element of document.roots) reader.collect(element, ROOTS.has(canonical(element.local)));
  if (root && saysNothing(reader.metadata)) reader.warn('recording metadata names no session, participant or stream');
  return { metadata: reader.metadata, warnings: reader.warnings.slice(0, MAX_WARNINGS) };
}

/** An update of associations alone is about what was named before. */
function saysNothing(md: RsMetadata): boolean {
  if (md.participants.length > 0 || md.sessions.length > 0 || md.streams.length > 0) return false;
  const associations = [...md.participantStreams, ...md.participantSessions, ...md.sessionRecordings];
  return md.dataMode === 'complete' || associations.length === 0;
}

/** Root elements, and wrappers that some put around the lists. */
const ROOTS: ReadonlySet<string> = new Set([
  ...['recording', 'recordingmetadata', 'recordingsession', 'rsmetadata', 'metadata'],
  ...['groups', 'sessions', 'participants', 'streams'],
]);

/** Elements that may hold elements of interest. */
const STRUCTURE: ReadonlySet<string> = new Set([
  ...ROOTS,
  'group',
  'session',
  'participant',
  'stream',
  'sessionrecordingassoc',
  'participantsessionassoc',
  'participantstreamassoc',
]);

/** Children that the known elements themselves take in. */
const FIELDS: ReadonlySet<string> = new Set([
  ...['datamode', 'associatetime', 'disassociatetime', 'starttime', 'stoptime', 'endtime', 'groupref', 'sipsessionid'],
  ...['reason', 'nameid', 'aor', 'name', 'send', 'recv', 'label', 'mode', 'param'],
]);

function canonical(local: string): string {
  return local.toLowerCase().replaceAll('-', '').replaceAll('_', '');
}

/** Words of a text that holds ids. */
function idsOf(text: string): string[] {
  return text.split(' ').filter((id) => id !== '');
}

class MetadataReader {
  readonly metadata: RsMetadata = emptyMetadata();
  readonly warnings: string[];
  #rootUri = '';
  #rootPrefix = '';
  readonly #participants = new Map<string, RsParticipant>();
  readonly #associations = new Map<string, RsParticipantStreams>();

  constructor(warnings: string[]) {
    this.warnings = warnings;
  }

  warn(text: string): void {
    if (this.warnings.length < MAX_WARNINGS) this.warnings.push(text);
  }

  rootOf(root: XmlElement): void {
    this.#rootUri = root.uri;
    this.#rootPrefix = root.prefix;
  }

  /** True for an element of the metadata format, as opposed to one of an extension. */
  #ours(element: XmlElement): boolean {
    const { uri, prefix } = element;
    if (uri === this.#rootUri || uri === '') return true;
    if (uri.startsWith('urn:ietf:params:xml:ns:recording') || uri === 'urn:ietf:params:xml:ns:siprec') return true;
    return uri === prefix && prefix === this.#rootPrefix;
  }

  collect(element: XmlElement, isRoot: boolean): void {
    const kind = canonical(element.local);
    if (!isRoot && this.#ours(element)) this.#read(kind, element);
    for (const child of element.children) {
      const name = canonical(child.local);
      if (!this.#ours(child)) {
        if (isRoot) this.metadata.extensions += writeXml(child);
      } else if (STRUCTURE.has(name)) {
        if (isRoot || !isReference(child)) this.collect(child, ROOTS.has(name));
      } else if (name === 'datamode') this.#dataMode(child);
      else if (isRoot && !FIELDS.has(name)) this.metadata.extensions += writeXml(child);
      // Damaged nesting: something of interest may lie inside a field.
      else if (FIELDS.has(name) && child.children.some((c) => STRUCTURE.has(canonical(c.local))))
        this.collect(child, false);
    }
  }

  #read(kind: string, element: XmlElement): void {
    if (kind === 'group') this.#group(element);
    else if (kind === 'session') this.#session(element);
    else if (kind === 'participant') this.#participant(element);
    else if (kind === 'stream') this.#stream(element);
    else if (kind === 'sessionrecordingassoc') this.#sessionRecording(element);
    else if (kind === 'participantsessionassoc') this.#participantSession(element);
    else if (kind === 'participantstreamassoc') this.#participantStream(element);
  }

  #dataMode(element: XmlElement): void {
    const mode = textOf(element).toLowerCase();
    if (mode === 'partial' || mode === 'complete') this.metadata.dataMode = mode;
    else this.warn('recording metadata with an unknown data mode, taken as complete');
  }

  #group(element: XmlElement): void {
    if (this.#full(this.metadata.groups, 'group')) return;
    this.metadata.groups.push({
      id: this.#id(element, 'group', this.metadata.groups.length, 'groupid', 'id'),
      associateTime: this.#field(element, 'associatetime'),
      disassociateTime: this.#field(element, 'disassociatetime'),
      extensions: this.#extensions(element),
    });
  }

  #session(element: XmlElement): void {
    if (this.#full(this.metadata.sessions, 'session')) return;
    this.metadata.sessions.push({
      id: this.#id(element, 'session', this.metadata.sessions.length, 'sessionid', 'id'),
      sipSessionIds: this.#fields(element, 'sipsessionid'),
      groupRef: this.#field(element, 'groupref') ?? attribute(element, 'groupid', 'group'),
      reason: this.#field(element, 'reason'),
      startTime: this.#field(element, 'starttime', 'associatetime'),
      stopTime: this.#field(element, 'stoptime', 'endtime', 'disassociatetime'),
      extensions: this.#extensions(element),
    });
  }

  #participant(element: XmlElement): void {
    if (this.#full(this.metadata.participants, 'participant')) return;
    const id = this.#id(element, 'participant', this.metadata.participants.length, 'participantid', 'id');
    const nameIds = this.#nameIds(element, id);
    const participant: RsParticipant = {
      id,
      aor: nameIds[0]?.aor ?? null,
      name: nameIds[0]?.name ?? null,
      nameIds,
      sessions: idsOf(attribute(element, 'sessionid', 'session') ?? this.#field(element, 'session') ?? ''),
      extensions: this.#extensions(element),
    };
    const known = this.#participants.get(idKey(id));
    if (known) {
      this.warn('recording metadata uses one id for two participants, read as one');
      if (known.nameIds.length === 0) Object.assign(known, { aor: participant.aor, name: participant.name, nameIds });
    } else {
      this.#participants.set(idKey(id), participant);
      this.metadata.participants.push(participant);
    }
    // Drafts before RFC 7865 have the association inside the participant.
    const send = this.#references(element, 'send');
    const recv = this.#references(element, 'recv');
    for (const child of this.#children(element, 'stream')) if (isReference(child)) send.push(...idsOf(textOf(child)));
    if (send.length > 0 || recv.length > 0) this.#associate(id, send, recv, element);
  }

  #nameIds(element: XmlElement, id: string): RsNameId[] {
    const out: RsNameId[] = [];
    for (const child of this.#children(element, 'nameid')) {
      const inner = this.#field(child, 'aor', 'uri');
      const text = child.children.length === 0 ? textOf(child) : '';
      const aor = attribute(child, 'aor', 'uri') ?? inner ?? (text === '' ? null : text);
      out.push({ aor: addressOf(aor), name: this.#field(child, 'name') ?? attribute(child, 'name') });
    }
    const name = this.#field(element, 'name') ?? attribute(element, 'name');
    for (const aor of this.#fields(element, 'aor')) out.push({ aor: addressOf(aor), name });
    if (out.length === 0) {
      const aor = attribute(element, 'aor') ?? (looksLikeUri(id) ? id : null);
      if (aor !== null || name !== null) out.push({ aor: addressOf(aor), name });
    }
    return out;
  }

  #stream(element: XmlElement): void {
    if (this.#full(this.metadata.streams, 'stream')) return;
    this.metadata.streams.push({
      id: this.#id(element, 'stream', this.metadata.streams.length, 'streamid', 'id'),
      sessionId: attribute(element, 'sessionid', 'session'),
      label: this.#field(element, 'label') ?? attribute(element, 'label'),
      mode: this.#field(element, 'mode'),
      extensions: this.#extensions(element),
    });
  }

  #sessionRecording(element: XmlElement): void {
    if (this.#full(this.metadata.sessionRecordings, 'sessionrecordingassoc')) return;
    this.metadata.sessionRecordings.push({
      sessionId: attribute(element, 'sessionid', 'session', 'id') ?? '',
      associateTime: this.#field(element, 'associatetime'),
      disassociateTime: this.#field(element, 'disassociatetime'),
    });
  }

  #participantSession(element: XmlElement): void {
    if (this.#full(this.metadata.participantSessions, 'participantsessionassoc')) return;
    const participantId = attribute(element, 'participantid', 'participant', 'id');
    if (participantId === null) {
      this.warn('recording metadata with a participantsessionassoc of nobody');
      return;
    }
    this.metadata.participantSessions.push({
      participantId,
      sessionId: attribute(element, 'sessionid', 'session'),
      associateTime: this.#field(element, 'associatetime'),
      disassociateTime: this.#field(element, 'disassociatetime'),
      params: this.#children(element, 'param').map((p) => ({
        name: attribute(p, 'pname', 'name') ?? '',
        value: attribute(p, 'pval', 'value') ?? textOf(p),
      })),
    });
  }

  #participantStream(element: XmlElement): void {
    const participantId = attribute(element, 'participantid', 'participant', 'id');
    if (participantId === null) {
      this.warn('recording metadata with a participantstreamassoc of nobody');
      return;
    }
    this.#associate(participantId, this.#references(element, 'send'), this.#references(element, 'recv'), element);
  }

  #associate(participantId: string, send: string[], recv: string[], element: XmlElement): void {
    if (this.#full(this.metadata.participantStreams, 'participantstreamassoc')) return;
    const known = this.#associations.get(idKey(participantId));
    const times = {
      associateTime: this.#field(element, 'associatetime'),
      disassociateTime: this.#field(element, 'disassociatetime'),
    };
    if (known && known.disassociateTime === null && times.disassociateTime === null) {
      known.send.push(...send.filter((id) => !known.send.includes(id)).slice(0, MAX_ELEMENTS - known.send.length));
      known.recv.push(...recv.filter((id) => !known.recv.includes(id)).slice(0, MAX_ELEMENTS - known.recv.length));
      return;
    }
    const association = { participantId, send, recv, ...times };
    if (times.disassociateTime === null) this.#associations.set(idKey(participantId), association);
    this.metadata.participantStreams.push(association);
  }

  #full(list: readonly unknown[], kind: string): boolean {
    if (list.length < MAX_ELEMENTS) return false;
    if (list.length === MAX_ELEMENTS) this.warn(`recording metadata with more than ${MAX_ELEMENTS} ${kind} elements`);
    return true;
  }

  #id(element: XmlElement, kind: string, index: number, ...names: string[]): string {
    const id = attribute(element, ...names) ?? this.#field(element, ...names);
    if (id !== null) return id;
    this.warn(`recording metadata with a ${kind} without an id`);
    return `${kind}-${index + 1}`;
  }

  #children(element: XmlElement, name: string): XmlElement[] {
    return element.children.filter((child) => canonical(child.local) === name && this.#ours(child));
  }

  /** The text of the first child with one of the names, in the order of the names; null when absent or blank. */
  #field(element: XmlElement, ...names: string[]): string | null {
    for (const name of names) {
      for (const child of this.#children(element, name)) {
        const text = textOf(child);
        if (text !== '') return text;
      }
    }
    return null;
  }

  #fields(element: XmlElement, name: string): string[] {
    return this.#children(element, name)
      .slice(0, MAX_ELEMENTS)
      .map((child) => textOf(child))
      .filter((text) => text !== '');
  }

  /** Stream ids of send or recv elements: their text, or an attribute that refers to the stream. */
  #references(element: XmlElement, name: string): string[] {
    const out = new Set<string>();
    for (const child of this.#children(element, name).slice(0, MAX_ELEMENTS)) {
      const text = textOf(child);
      const ids = text === '' ? attribute(child, 'streamid', 'stream', 'id', 'ref') : text;
      for (const id of idsOf(ids ?? '')) out.add(id);
    }
    return [...out].slice(0, MAX_ELEMENTS);
  }

  #extensions(element: XmlElement): string {
    let out = '';
    for (const child of element.children) {
      const name = canonical(child.local);
      if (!this.#ours(child) || !(FIELDS.has(name) || STRUCTURE.has(name))) out += writeXml(child);
    }
    return out;
  }
}

/** The first attribute with one of the (canonical) names that has a value. */
function attribute(element: XmlElement, ...names: string[]): string | null {
  for (const name of names) {
    for (const a of element.attributes) {
      if (canonical(a.local) === name && a.value.trim() !== '') return a.value.trim();
    }
  }
  return null;
}

/** `<stream>id</stream>` inside another element names a stream, it does not describe one. */
function isReference(element: XmlElement): boolean {
  return element.attributes.length === 0 && element.children.length === 0;
}

function looksLikeUri(text: string): boolean {
  const lower = text.slice(0, 5).toLowerCase();
  return lower.startsWith('sip:') || lower.startsWith('sips:') || lower.startsWith('tel:');
}

/** `"Name" <sip:a@b>;tag=1` -> `sip:a@b`; anything else as it is. */
function addressOf(aor: string | null): string | null {
  if (aor === null) return null;
  const open = aor.indexOf('<');
  const close = aor.indexOf('>', open + 1);
  const address = open >= 0 && close > open ? aor.slice(open + 1, close) : aor;
  return address.trim() === '' ? null : address.trim();
}
