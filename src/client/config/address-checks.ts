/** Listen addresses, ports, TLS and access to the CTI link: what must fit together beyond the form of each value. */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import {
  isLoopback,
  isWildcard,
  MIN_PORTS_PER_LANE,
  parseHostAndPort,
  parsePortRange,
  parseSipAddress,
  type YamlPath,
} from '../../settings/index.ts';
import type { ConfigReport } from './report.ts';
import type { WrittenConfig, WrittenCti, WrittenTls } from './written.ts';

const PORTS = 'a port from 0 to 65535 (0 lets the system choose)';
const MIN_TOKEN_CHARACTERS = 16;

interface Listener {
  path: YamlPath;
  /** TLS and HTTP are TCP. */
  protocol: 'udp' | 'tcp';
  host: string;
  port: number;
}

export function checkAddresses(w: WrittenConfig, report: ConfigReport): void {
  const listeners = listenersOf(w, report);
  checkCollisions(listeners, report);
  checkMedia(w, listeners, report);
  checkLocal(w, listeners, report);
  checkTls(w.tls, ['tls'], report);
  if (w.sip.some((text) => text.startsWith('tls:')) && (w.tls?.cert === undefined || w.tls.key === undefined)) {
    const trial = 'npx doubletrack certificate --name HOST --out tls';
    report.wrong(['sip'], 'SIP over TLS without a certificate', `tls.cert and tls.key (for a trial: ${trial})`);
  }
}

function listenersOf(w: WrittenConfig, report: ConfigReport): Listener[] {
  const listeners: Listener[] = [];
  for (const [index, text] of w.sip.entries()) {
    const address = parseSipAddress(text);
    const protocol = address?.transport === 'udp' ? 'udp' : 'tcp';
    if (address) listeners.push({ path: ['sip', index], protocol, host: address.host, port: address.port });
    else report.wrong(['sip', index], `"${text}"`, PORTS);
  }
  const others: [YamlPath, string | undefined][] = [
    [['http'], w.http],
    [['cti', 'listen'], w.cti?.listen],
    [['local', 'http'], w.local?.http],
  ];
  for (const [path, text] of others) {
    if (text === undefined) continue;
    const address = parseHostAndPort(text);
    if (address) listeners.push({ path, protocol: 'tcp', ...address });
    else report.wrong(path, `"${text}"`, PORTS);
  }
  return listeners;
}

function checkCollisions(listeners: readonly Listener[], report: ConfigReport): void {
  listeners.forEach((listener, index) => {
    const other = listeners.slice(0, index).find((earlier) => collide(earlier, listener));
    if (!other) return;
    const port = `${listener.protocol} port ${listener.port}`;
    report.wrong(listener.path, `${port}, which ${String(other.path[0])} has already`, 'a port of its own');
  });
}

function collide(a: Listener, b: Listener): boolean {
  const sameHost = a.host === b.host || isWildcard(a.host) || isWildcard(b.host);
  return a.protocol === b.protocol && a.port === b.port && a.port !== 0 && sameHost;
}

function checkMedia({ media }: WrittenConfig, listeners: readonly Listener[], report: ConfigReport): void {
  if (media.address !== undefined) {
    const bare = media.address.replace(/^\[(.*)\]$/, '$1');
    // SDP names it: nobody can send to "any".
    if (isIP(bare) === 0 || isWildcard(bare)) {
      report.wrong(['media', 'address'], `"${bare}"`, 'one IP address of this machine', '192.0.2.10');
    }
  }
  const lanes = media.lanes ?? Math.max(1, availableParallelism() - 1);
  checkPorts({ section: 'media', written: media.ports, lanes, example: '10000-13999' }, listeners, report);
}

/** It is reached over UDP or TCP on loopback, and has ports of its own. */
function checkLocal({ local, sip, media }: WrittenConfig, listeners: readonly Listener[], report: ConfigReport): void {
  if (!local) return;
  const example = '16000-19999';
  checkPorts({ section: 'local', written: local.ports, lanes: local.lanes, example }, listeners, report);
  const [own, others] = [parsePortRange(local.ports), parsePortRange(media.ports)];
  if (own && others && own.lo <= others.hi && others.lo <= own.hi) {
    const found = `"${local.ports}", of which media.ports (${media.ports}) has some already`;
    report.wrong(['local', 'ports'], found, 'ports of its own', example);
  }
  if (sip.every((text) => text.startsWith('tls:'))) {
    const expected = 'a TCP or UDP address in sip as well, from which the local recorder is called';
    report.wrong(['local'], 'SIP over TLS only', `${expected}: tcp:127.0.0.1:5060 will do`);
  }
}

interface Ports {
  section: 'media' | 'local';
  written: string;
  lanes: number;
  example: string;
}

function checkPorts(
  { section, written, lanes, example }: Ports,
  listeners: readonly Listener[],
  report: ConfigReport,
): void {
  const at = [section, 'ports'];
  const ports = parsePortRange(written);
  const least = MIN_PORTS_PER_LANE * lanes;
  if (!ports) return report.wrong(at, `"${written}"`, 'ports from 1 to 65535', example);
  if (ports.hi - ports.lo + 1 < least) {
    report.wrong(at, `"${written}"`, `at least ${least} ports for ${lanes} lane(s), the lower one first`, example);
  }
  const inside = listeners.find(({ protocol, port }) => protocol === 'udp' && port >= ports.lo && port <= ports.hi);
  if (inside)
    report.wrong(inside.path, `UDP port ${inside.port}, which is one of ${section}.ports`, 'a port outside of them');
}

function checkTls(tls: WrittenTls | undefined, at: YamlPath, report: ConfigReport): void {
  if (!tls) return;
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    report.wrong(at, `only ${tls.cert === undefined ? 'key' : 'cert'}`, 'cert and key, which belong together');
  }
  if (tls.clientCertificate !== 'none' && tls.ca === undefined) {
    report.wrong(
      [...at, 'clientCertificate'],
      `"${tls.clientCertificate}" without ca`,
      'ca, the authorities that clients have their certificates from',
    );
  }
}

/** @param tokens those of the file too */
export function checkCti(cti: WrittenCti, tokens: readonly string[], report: ConfigReport): void {
  const { tls, privateMessages } = cti;
  checkTls(tls, ['cti', 'tls'], report);
  if (tls && tls.cert === undefined && tls.key === undefined) {
    report.wrong(['cti', 'tls'], 'no certificate', 'cert and key');
  }
  if (tokens.length === 0 && tls?.clientCertificate !== 'require') {
    report.wrong(
      ['cti'],
      'neither tokens nor client certificates',
      'tokens, tokensFile, or tls with clientCertificate: require',
    );
  }
  const short = tokens.findIndex((token) => token.length < MIN_TOKEN_CHARACTERS && token !== '');
  if (short >= 0) {
    const at = short < cti.tokens.length ? ['cti', 'tokens', short] : ['cti', 'tokensFile'];
    report.wrong(
      at,
      `a token of ${tokens[short]!.length} characters`,
      `at least ${MIN_TOKEN_CHARACTERS}, not to be guessed`,
    );
  }
  const host = parseHostAndPort(cti.listen)?.host ?? '';
  if (!tls && !isLoopback(host)) {
    report.wrong(
      ['cti', 'listen'],
      `"${cti.listen}" without tls`,
      'a loopback address, or cti.tls: tokens must not go in the clear',
    );
  }
  const numbers = Object.values(privateMessages);
  if (new Set(numbers).size < numbers.length) {
    report.wrong(['cti', 'privateMessages'], 'the same number twice', 'four different numbers');
  }
}
