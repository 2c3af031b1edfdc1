/** client.yaml to {@link ClientConfig}: read, checked by the schema, then by the rules that tie values together. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import {
  faultsOf,
  parseHostAndPort,
  parsePortRange,
  parseSipAddress,
  settingsValidator,
  TlsFiles,
  usualMediaAddress,
  type YamlPath,
  YamlSource,
} from '../../settings/index.ts';
import type { TlsSettings } from '../../sip/index.ts';
import { checkAddresses, checkCti } from './address-checks.ts';
import { checkDialling, checkRecorders, checkRecording } from './name-checks.ts';
import { compilePattern, PatternRefused } from './patterns.ts';
import { ConfigReport } from './report.ts';
import { CLIENT_SCHEMA } from './schema.ts';
import { passwordOf, type SecretPlaces, secretOf, secretsIn } from './secrets.ts';
import type {
  ClientConfig,
  CtiConfig,
  LocalConfig,
  RecorderConfig,
  RecordingPolicyConfig,
  SelectiveRule,
} from './types.ts';
import type { WrittenConfig, WrittenCti, WrittenLocal, WrittenRecording, WrittenRule, WrittenTls } from './written.ts';

const validate = settingsValidator(CLIENT_SCHEMA);
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/**
 * Names of files in it are relative to its folder.
 * @throws ConfigError with a line for each thing that is wrong: file, line, column, what was found and what was expected
 */
export function loadClientConfig(file: string, environment: NodeJS.ProcessEnv = process.env): ClientConfig {
  const source = YamlSource.read(file, 'check --config; examples/client.yaml is one to begin with');
  return configOf(source, path.dirname(path.resolve(file)), environment);
}

/**
 * The same from text.
 * @param file its name, for error texts and for the folder of files that it names
 * @throws ConfigError
 */
export function parseClientConfig(text: string, file: string, environment: NodeJS.ProcessEnv = {}): ClientConfig {
  return configOf(new YamlSource(text, file), path.dirname(path.resolve(file)), environment);
}

function configOf(source: YamlSource, folder: string, environment: NodeJS.ProcessEnv): ClientConfig {
  const report = new ConfigReport(source);
  const written = withoutNulls(source.value ?? {});
  if (!validate(written)) {
    for (const fault of faultsOf(validate.errors ?? [], written)) report.add(fault);
    report.check();
  }
  const config = new Assembly(written as WrittenConfig, { folder, environment, report });
  return config.assemble();
}

/** A key without a value says nothing. Lists keep what they have: an empty entry is a mistake. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutNulls(inner)]));
}

/** From what is written to what the program takes. Where something is wrong it is reported, and stands in for itself somehow. */
class Assembly {
  readonly #written: WrittenConfig;
  readonly #places: SecretPlaces;

  constructor(written: WrittenConfig, places: SecretPlaces) {
    this.#written = written;
    this.#places = places;
  }

  assemble(): ClientConfig {
    const w = this.#written;
    const { report } = this.#places;
    checkAddresses(w, report);
    checkDialling(w, report);
    checkRecorders(w, report);
    checkRecording(w, report);
    const sip = w.sip.map((text) => parseSipAddress(text) ?? { transport: 'udp' as const, host: '', port: 0 });
    const config: ClientConfig = {
      sip,
      tls: this.#tls(w.tls, ['tls']),
      http: parseHostAndPort(w.http) ?? { host: '', port: 0 },
      realm: w.realm,
      sessionExpiresSec: w.sessionExpiresSec,
      media: {
        address: w.media.address?.replace(/^\[(.*)\]$/, '$1') ?? usualMediaAddress(sip),
        ports: parsePortRange(w.media.ports) ?? { lo: 0, hi: 0 },
        lanes: w.media.lanes ?? Math.max(1, availableParallelism() - 1),
        lookBackMb: w.media.lookBackMb,
        anchor: w.media.anchor,
        srtp: w.media.srtp,
      },
      ...this.#dialling(),
      ...this.#recorders(),
      local: w.local ? this.#local(w.local) : null,
      recording: this.#recording(w.recording),
      cti: w.cti ? this.#cti(w.cti) : null,
      logLevel: w.logLevel,
    };
    report.check();
    return config;
  }

  #dialling(): Pick<ClientConfig, 'extensions' | 'trunks' | 'dialPlan'> {
    const { extensions, trunks, dialPlan, media } = this.#written;
    return {
      extensions: extensions.map((e, index) => ({
        dn: e.dn,
        name: e.name ?? e.dn,
        password: passwordOf(e, ['extensions', index], this.#places),
        digest: e.digest,
        record: e.record,
        forward: {
          busy: e.forward.busy ?? null,
          noAnswer: e.forward.noAnswer ?? null,
          afterSec: e.forward.afterSec,
        },
        supervises: e.supervises,
        srtp: e.srtp ?? media.srtp,
        agentId: e.agentId ?? null,
      })),
      trunks: trunks.map((t, index) => ({
        name: t.name,
        targets: t.targets,
        sources: t.sources,
        record: t.record,
        credentials: t.credentials
          ? {
              username: t.credentials.username,
              password: passwordOf(t.credentials, ['trunks', index, 'credentials'], this.#places),
            }
          : null,
        tryNextAfterSec: t.tryNextAfterSec,
        srtp: t.srtp ?? media.srtp,
      })),
      dialPlan: dialPlan.map((rule, index) => ({
        match: this.#pattern(rule.match, ['dialPlan', index, 'match']),
        trunk: rule.trunk ?? null,
        number: rule.number ?? null,
      })),
    };
  }

  #recorders(): Pick<ClientConfig, 'recorders' | 'groups'> {
    const { recorders, groups } = this.#written;
    return {
      recorders: recorders.map((r) => ({
        id: r.id,
        uri: r.uri,
        form: r.form,
        srtp: (r.srtp ?? null) as RecorderConfig['srtp'],
        weight: r.weight,
        location: r.location ?? null,
        maxSessions: r.maxSessions ?? null,
      })),
      groups: groups.map((group) => ({ ...group, location: group.location ?? null })),
    };
  }

  #local(w: WrittenLocal): LocalConfig {
    return {
      dir: path.resolve(this.#places.folder, w.dir),
      http: parseHostAndPort(w.http) ?? { host: '', port: 0 },
      ports: parsePortRange(w.ports) ?? { lo: 0, hi: 0 },
      lanes: w.lanes,
      weight: w.weight,
      location: w.location ?? null,
      maxSessions: w.maxSessions ?? null,
    };
  }

  #recording(w: WrittenRecording): RecordingPolicyConfig {
    return {
      group: w.group ?? null,
      alsoGroups: w.alsoGroups,
      agents: w.agents,
      mandatory: w.mandatory,
      rules: w.rules.map((rule, index) => this.#rule(rule, ['recording', 'rules', index])),
      hook: w.hook ?? null,
      preRecord: w.preRecord ?? null,
      lookBackSec: w.lookBackSec,
      notify: w.notify,
      honourPreference: w.honourPreference,
    };
  }

  #rule(rule: WrittenRule, at: YamlPath): SelectiveRule {
    const { from, to, header, time } = rule;
    return {
      from: from === undefined ? null : this.#pattern(from, [...at, 'from']),
      to: to === undefined ? null : this.#pattern(to, [...at, 'to']),
      trunk: rule.trunk ?? null,
      header: header ? { name: header.name, value: this.#pattern(header.value, [...at, 'header', 'value']) } : null,
      time: time
        ? { fromMin: minutesOf(time.from), toMin: minutesOf(time.to), days: time.days.map((day) => DAYS.indexOf(day)) }
        : null,
      percentage: rule.percentage,
      record: rule.record,
      group: rule.group ?? null,
    };
  }

  #cti(cti: WrittenCti): CtiConfig {
    const at = ['cti', 'tokens'];
    const given = cti.tokens.map((token, index) => secretOf(token, [...at, index], this.#places));
    const fromFile = cti.tokensFile === undefined ? [] : secretsIn(cti.tokensFile, ['cti', 'tokensFile'], this.#places);
    const tokens = [...given, ...fromFile];
    checkCti(cti, tokens, this.#places.report);
    const { host, port } = parseHostAndPort(cti.listen) ?? { host: '', port: 0 };
    return { host, port, tokens, tls: this.#tls(cti.tls, ['cti', 'tls']), privateMessages: cti.privateMessages };
  }

  #tls(tls: WrittenTls | undefined, at: YamlPath): TlsSettings | null {
    if (!tls) return null;
    const fileName = (name: string | undefined) =>
      name === undefined ? null : path.resolve(this.#places.folder, name);
    const { cert, key, ca, clientCertificate } = tls;
    const files = new TlsFiles({ cert: fileName(cert), key: fileName(key), ca: fileName(ca), clientCertificate });
    try {
      return files.read();
    } catch (error) {
      this.#places.report.wrong(at, (error as Error).message, 'PEM files that can be read');
      return null;
    }
  }

  #pattern(source: string, at: YamlPath): RegExp {
    try {
      return compilePattern(source);
    } catch (error) {
      if (!(error instanceof PatternRefused)) throw error;
      this.#places.report.wrong(at, error.message, 'a simple pattern', String.raw`0(\d+)`);
      return /^$/;
    }
  }
}

/** Of hh:mm. */
function minutesOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
}
