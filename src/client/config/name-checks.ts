/** Names that stand for something: they must be there, and be only once. */
import { isIP } from 'node:net';
import { nearestName, parseSipAddress, type YamlPath } from '../../settings/index.ts';
import { parseSipUri } from '../../sip/index.ts';
import { compilePattern, groupCount, matches, PatternRefused } from './patterns.ts';
import type { ConfigReport } from './report.ts';
import { LOCAL_RECORDER } from './types.ts';
import type { WrittenConfig, WrittenRule } from './written.ts';

/** Reports each name that is not known. */
function known(report: ConfigReport, what: string, names: ReadonlySet<string>) {
  return (name: string | undefined, path: YamlPath): void => {
    if (name === undefined || names.has(name)) return;
    const near = nearestName(name, names);
    const some = [...names].slice(0, 8).join(', ') + (names.size > 8 ? ', …' : '');
    const expected = names.size === 0 ? `${what}, of which there is none` : `${what}: ${some}`;
    report.wrong(path, JSON.stringify(name), near === null ? expected : `${expected} (${near}, perhaps)`);
  };
}

function unique(report: ConfigReport, values: readonly string[], pathOf: (index: number) => YamlPath): void {
  const first = new Map<string, number>();
  values.forEach((value, index) => {
    const before = first.get(value);
    if (before === undefined) first.set(value, index);
    else
      report.wrong(pathOf(index), `${JSON.stringify(value)} again, as in entry ${before}`, 'one that is not there yet');
  });
}

export function checkDialling(w: WrittenConfig, report: ConfigReport): void {
  unique(
    report,
    w.extensions.map((e) => e.dn),
    (index) => ['extensions', index, 'dn'],
  );
  unique(
    report,
    w.trunks.map((t) => t.name),
    (index) => ['trunks', index, 'name'],
  );
  checkExtensions(w, report);
  checkTrunks(w, report);
  checkDialPlan(w, report);
}

function checkExtensions(w: WrittenConfig, report: ConfigReport): void {
  const dns = new Set(w.extensions.map((e) => e.dn));
  const isDn = known(report, 'a DN of extensions, or "*"', dns);
  const plan = w.dialPlan.flatMap(({ match }) => quietly(match));
  const leadsSomewhere = (number: string) => dns.has(number) || plan.some((pattern) => matches(pattern, number));
  w.extensions.forEach((extension, index) => {
    const at = ['extensions', index];
    extension.supervises.forEach((dn, i) => {
      if (dn !== '*') isDn(dn, [...at, 'supervises', i]);
    });
    for (const kind of ['busy', 'noAnswer'] as const) {
      const number = extension.forward[kind];
      if (number === undefined) continue;
      const path = [...at, 'forward', kind];
      if (number === extension.dn) report.wrong(path, `"${number}", this extension itself`, 'another number');
      else if (!leadsSomewhere(number)) {
        report.wrong(path, `"${number}"`, 'a DN of extensions, or a number that the dial plan knows');
      }
    }
  });
}

/** A pattern that is refused is reported elsewhere. */
function quietly(source: string): RegExp[] {
  try {
    return [compilePattern(source)];
  } catch (error) {
    if (error instanceof PatternRefused) return [];
    throw error;
  }
}

function checkTrunks(w: WrittenConfig, report: ConfigReport): void {
  const sourceOf = new Map<string, string>();
  w.trunks.forEach((trunk, index) => {
    const at = ['trunks', index];
    for (const [i, uri] of trunk.targets.entries()) checkUri(w, uri, [...at, 'targets', i], report);
    trunk.sources.forEach((address, i) => {
      const path = [...at, 'sources', i];
      const other = sourceOf.get(address);
      if (isIP(address) === 0) report.wrong(path, JSON.stringify(address), 'an IP address', '192.0.2.20');
      else if (other !== undefined && other !== trunk.name) {
        report.wrong(path, `${address}, which trunk ${other} has already`, 'an address of one trunk only');
      } else sourceOf.set(address, trunk.name);
    });
  });
}

function checkUri(w: WrittenConfig, text: string, path: YamlPath, report: ConfigReport): void {
  const uri = parseSipUri(text);
  const hasPort = /:\d+$/.test(text.split(/[;?]/, 1)[0]!.replace(/^.*@/, ''));
  if (uri.host === '' || uri.headers.size > 0 || uri.user.includes(':') || (hasPort && uri.port === 0)) {
    return report.wrong(
      path,
      'a URI',
      'one with a host, a possible port, no password and no headers',
      'sip:192.0.2.20:5060',
    );
  }
  const isOurs = w.sip.some((listen) => {
    const own = parseSipAddress(listen);
    return own !== null && own.port !== 0 && own.host === uri.host && own.port === (uri.port || 5060);
  });
  if (isOurs) report.wrong(path, JSON.stringify(text), 'another server: this client itself listens there');
}

function checkDialPlan(w: WrittenConfig, report: ConfigReport): void {
  const isTrunk = known(report, 'the name of a trunk', new Set(w.trunks.map((t) => t.name)));
  w.dialPlan.forEach((rule, index) => {
    const at = ['dialPlan', index];
    isTrunk(rule.trunk, [...at, 'trunk']);
    const [pattern] = quietly(rule.match);
    const used = [...(rule.number ?? '').matchAll(/\$(\d?)/g)].map(([, digit]) => Number(digit || Number.NaN));
    const groups = pattern ? groupCount(pattern) : 9;
    const wrong = used.find((number) => !(number >= 1 && number <= groups));
    if (wrong === undefined) return;
    report.wrong([...at, 'number'], JSON.stringify(rule.number), `$1 to $${groups}: match has ${groups} group(s)`);
  });
}

export function checkRecorders(w: WrittenConfig, report: ConfigReport): void {
  unique(
    report,
    w.recorders.map((r) => r.id),
    (index) => ['recorders', index, 'id'],
  );
  unique(
    report,
    w.groups.map((g) => g.name),
    (index) => ['groups', index, 'name'],
  );
  for (const [index, { uri }] of w.recorders.entries()) checkUri(w, uri, ['recorders', index, 'uri'], report);
  const byId = new Map(membersOf(w, report).map((recorder) => [recorder.id, recorder]));
  const isRecorder = known(report, 'the id of a recorder', new Set(byId.keys()));
  w.groups.forEach((group, index) => {
    const at = ['groups', index];
    // A request names either as its destination.
    if (byId.has(group.name)) report.wrong([...at, 'name'], `"${group.name}", the id of a recorder`, 'another name');
    for (const [i, id] of group.recorders.entries()) isRecorder(id, [...at, 'recorders', i]);
    const members = group.recorders.flatMap((id) => byId.get(id) ?? []);
    if (group.simultaneous > members.length && !members.some(({ uri }) => mayBeSeveral(uri))) {
      report.wrong(
        [...at, 'simultaneous'],
        `the number ${group.simultaneous}`,
        `at most ${members.length}, as many recorders as the group has`,
      );
    }
    if (group.location !== undefined && !members.some(({ location }) => location === group.location)) {
      report.wrong([...at, 'location'], JSON.stringify(group.location), 'the location of a recorder of this group');
    }
  });
}

interface Member {
  id: string;
  uri: string;
  location?: string;
}

/** Recorders that groups may name, the local one among them. */
function membersOf({ recorders, local }: WrittenConfig, report: ConfigReport): Member[] {
  if (!local) return recorders;
  const index = recorders.findIndex(({ id }) => id === LOCAL_RECORDER);
  if (index >= 0) {
    report.wrong(['recorders', index, 'id'], `"${LOCAL_RECORDER}", the id of the recorder of local`, 'another id');
  }
  const { location } = local;
  return [...recorders, { id: LOCAL_RECORDER, uri: 'sip:127.0.0.1', ...(location === undefined ? {} : { location }) }];
}

/** A name without a port has SRV records, perhaps (RFC 3263 section 4.2). */
function mayBeSeveral(text: string): boolean {
  const uri = parseSipUri(text);
  return isIP(uri.host) === 0 && uri.port === 0;
}

export function checkRecording(w: WrittenConfig, report: ConfigReport): void {
  const { recording } = w;
  const at = ['recording'];
  const isGroup = known(report, 'the name of a group', new Set(w.groups.map((g) => g.name)));
  isGroup(recording.group, [...at, 'group']);
  recording.alsoGroups.forEach(({ group }, index) => {
    const path = [...at, 'alsoGroups', index, 'group'];
    isGroup(group, path);
    if (group === recording.group) report.wrong(path, `"${group}", the usual group`, 'another group');
  });
  unique(
    report,
    recording.alsoGroups.map((also) => also.purpose),
    (index) => [...at, 'alsoGroups', index, 'purpose'],
  );
  const isTrunk = known(report, 'the name of a trunk', new Set(w.trunks.map((t) => t.name)));
  recording.rules.forEach((rule, index) => {
    isGroup(rule.group, [...at, 'rules', index, 'group']);
    isTrunk(rule.trunk, [...at, 'rules', index, 'trunk']);
  });
  checkHook(w, report);
  if (recording.group === undefined) checkGroupless(w, report);
}

function checkHook({ recording: { hook } }: WrittenConfig, report: ConfigReport): void {
  if (!hook) return;
  const path = ['recording', 'hook', 'url'];
  const url = URL.canParse(hook.url) ? new URL(hook.url) : null;
  if (!url) report.wrong(path, 'no URL', 'an http or https URL', 'http://127.0.0.1:9000/record');
  else if (url.username !== '' || url.password !== '' || url.hash !== '') {
    report.wrong(path, 'a URL with a user, a password or a fragment', 'one without');
  }
}

/** Without the usual group only rules that name their own can record. */
function checkGroupless(w: WrittenConfig, report: ConfigReport): void {
  const expected = 'recording.group, the group of recorders that is to do it';
  const records = ({ record }: WrittenRule) => record === 'source' || record === 'destination';
  const needs: [boolean, YamlPath, string][] = [
    ...w.extensions.map((e, i): [boolean, YamlPath, string] => [e.record, ['extensions', i, 'record'], 'true']),
    ...w.trunks.map((t, i): [boolean, YamlPath, string] => [t.record, ['trunks', i, 'record'], 'true']),
    ...w.recording.rules.map((rule, i): [boolean, YamlPath, string] => [
      records(rule) && rule.group === undefined,
      ['recording', 'rules', i, 'record'],
      `"${rule.record}" without a group`,
    ]),
    [w.recording.agents.length > 0, ['recording', 'agents'], 'agents'],
    [w.recording.hook !== undefined, ['recording', 'hook'], 'a hook'],
    [w.recording.alsoGroups.length > 0, ['recording', 'alsoGroups'], 'groups'],
  ];
  for (const [needed, path, found] of needs) if (needed) report.wrong(path, found, expected);
}
