/** Prometheus metrics of the recording client. What is shown is read when somebody scrapes: calls cost nothing here. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { laneMetrics, type MetricSources } from '../../http/metrics.ts';
import type { CallControl, RecorderView } from '../switch/call-control.ts';

const CALL_STATES = ['ringing', 'established', 'held', 'ended'] as const;
const RECORDING_STATES = ['recording', 'paused'] as const;
const RECORDER_STATES = ['up', 'down', 'draining', 'resting', 'unknown'] as const;

export type ClientMetricSources = Pick<MetricSources, 'lanes'> & {
  control: Pick<CallControl, 'calls' | 'registrations' | 'recorders'>;
};

/** In a registry of their own. */
export function createClientMetrics({ control, lanes }: ClientMetricSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  if (lanes) laneMetrics(registry, lanes);
  byState(registry, 'doubletrack_client_calls', 'Calls by state', CALL_STATES, () =>
    control.calls().map(({ state }) => state),
  );
  byState(registry, 'doubletrack_client_recordings', 'Recording sessions by state', RECORDING_STATES, () =>
    control.calls().flatMap(({ recordings }) => recordings.map(({ state }) => state)),
  );
  new Gauge({
    name: 'doubletrack_client_registered_phones',
    help: 'Phones that are registered',
    registers: [registry],
    collect() {
      this.set(control.registrations().reduce((sum, { contacts }) => sum + contacts.length, 0));
    },
  });
  recorderMetrics(registry, () => control.recorders());
  return registry;
}

/** How many there are of each state; states that are not listed do not count. */
function byState(registry: Registry, name: string, help: string, states: readonly string[], now: () => string[]): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    labelNames: ['state'],
    collect() {
      for (const state of states) this.set({ state }, 0);
      for (const state of now()) if (states.includes(state)) this.inc({ state });
    },
  });
}

function recorderMetrics(registry: Registry, recorders: () => RecorderView[]): void {
  const registers = [registry];
  new Gauge({
    name: 'doubletrack_client_recorder_state',
    help: '1 for the state that the recorder is in',
    registers,
    labelNames: ['recorder', 'state'],
    collect() {
      this.reset();
      for (const { id, state: current } of recorders()) {
        for (const state of RECORDER_STATES) this.set({ recorder: id, state }, state === current ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: 'doubletrack_client_recorder_sessions',
    help: 'Recording sessions of this client on the recorder',
    registers,
    labelNames: ['recorder'],
    collect() {
      this.reset();
      for (const { id, sessions } of recorders()) this.set({ recorder: id }, sessions);
    },
  });
}
