/** What Prometheus may know of recorders and groups, read when somebody scrapes. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { GroupStatus, RecorderState, RecorderStatus } from './recorder.ts';

export interface RecorderSources {
  view(): RecorderStatus[];
  groups(): GroupStatus[];
}

const STATES: RecorderState[] = ['up', 'down', 'draining', 'resting', 'unknown'];

/** A recorder that is configured no longer is exported no longer. */
export function recorderMetrics(registry: Registry, sources: RecorderSources): void {
  stateMetric(registry, sources);
  const gauge = gaugeOf(registry, 'recorder', () => sources.view().map((one) => [one.id, one]));
  gauge('doubletrack_recorder_sessions', 'Recording sessions of ours at the recorder', (r) => r.sessions);
  gauge('doubletrack_recorder_load_ratio', 'Load as the recorder tells it, 0 to 1', (r) => r.load);
  gauge('doubletrack_recorder_probe_rtt_seconds', 'Round trip of the last OPTIONS answered', (r) =>
    r.probeRttMs === null ? null : r.probeRttMs / 1_000,
  );
  const counter = counterOf(registry, 'recorder', () => sources.view().map((one) => [one.id, one]));
  counter('doubletrack_recorder_missed_probes_total', 'OPTIONS without a good answer', (r) => r.probes.missed);
  counter('doubletrack_recorder_refusals_total', 'INVITEs that the recorder refused', (r) => r.refusals);
  counter('doubletrack_recorder_failures_total', 'How often it went down or was started again', (r) => r.failures);

  const byGroup = () => sources.groups().map((one): [string, GroupStatus] => [one.name, one]);
  const groupGauge = gaugeOf(registry, 'group', byGroup);
  groupGauge('doubletrack_recorder_group_usable', 'Recorders that may get a new session now', (g) => g.usable);
  groupGauge('doubletrack_recorder_group_wanted', 'Recorders that record one call', (g) => g.simultaneous);
  const groupCounter = counterOf(registry, 'group', byGroup);
  const shortages = 'How often fewer recorders than wanted could be used';
  groupCounter('doubletrack_recorder_group_shortages_total', shortages, (g) => g.shortages);
}

function stateMetric(registry: Registry, sources: RecorderSources): void {
  new Gauge({
    name: 'doubletrack_recorder_state',
    help: '1 for the state that the recorder is in',
    registers: [registry],
    labelNames: ['recorder', 'state'],
    collect() {
      this.reset();
      for (const { id, state } of sources.view()) {
        for (const one of STATES) this.set({ recorder: id, state: one }, one === state ? 1 : 0);
      }
    },
  });
}

type Rows<T> = () => [string, T][];

function gaugeOf<T>(registry: Registry, label: string, rows: Rows<T>) {
  return (name: string, help: string, value: (row: T) => number | null) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      labelNames: [label],
      collect() {
        this.reset();
        for (const [key, row] of rows()) {
          const known = value(row);
          if (known !== null) this.set({ [label]: key }, known);
        }
      },
    });
}

function counterOf<T>(registry: Registry, label: string, rows: Rows<T>) {
  return (name: string, help: string, value: (row: T) => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      labelNames: [label],
      collect() {
        this.reset();
        for (const [key, row] of rows()) this.inc({ [label]: key }, value(row));
      },
    });
}
