/**
 * Prometheus metrics in a registry of their own. Counters of the media lanes are read when somebody scrapes, so a packet
 * costs nothing here.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export { Registry } from 'prom-client';

export const PACKET_CLASSES = [
  'received',
  'lost',
  'dropped',
  'paused',
  'duplicate',
  'invalid',
  'unauthorised',
  'unauthenticated',
  'rtcp',
] as const;
export type PacketClass = (typeof PACKET_CLASSES)[number];

/** How an attempt to record a call came out. */
export type CallOutcome = 'recorded' | 'refused' | 'cancelled' | 'failed';

/** What a lane says of itself at one moment; totals since the lane started. A class that it does not count is left out. */
export interface LaneSnapshot {
  lane: number;
  streams: number;
  packets: Partial<Record<PacketClass, number>>;
  journal: { queuedBytes: number; writtenBytes: number; lagMs: number };
  /** 0 to 1: the share of time in which the lane was busy. */
  loopLoad: number;
  lookBack: { usedBytes: number; shortPackets: number };
}

/** Asked at each scrape. */
export interface MetricSources {
  lanes?: () => LaneSnapshot[];
  sessionsActive?: () => number;
  /** Tasks that wait or run in the finaliser's pool. */
  finaliserQueue?: () => number;
  cti?: () => CtiLinkSnapshot;
}

/** What the client of a CTI link says of itself. */
export interface CtiLinkSnapshot {
  isUp: boolean;
  events: number;
  losses: number;
  gaps: number;
}

export interface Metrics {
  registry: Registry;
  calls: Counter<'outcome'>;
  /** Seconds from the INVITE to its final response. */
  callSetupSeconds: Histogram;
  /** Seconds from when a recording could be finalised until its files were there. */
  finaliseSeconds: Histogram<'result'>;
}

/** Of the media lanes, for whoever has some. */
export function laneMetrics(registry: Registry, lanes: () => LaneSnapshot[]): void {
  const registers = [registry];
  const gauge = (name: string, help: string, value: (lane: LaneSnapshot) => number) =>
    new Gauge({
      name,
      help,
      registers,
      labelNames: ['lane'],
      collect() {
        this.reset();
        for (const lane of lanes()) this.set({ lane: lane.lane }, value(lane));
      },
    });
  gauge('doubletrack_lane_streams', 'Media streams in the lane', (l) => l.streams);
  gauge('doubletrack_lane_load_ratio', 'Share of time in which the lane was busy', (l) => l.loopLoad);
  gauge('doubletrack_journal_queued_bytes', 'Journal bytes that wait to be written', (l) => l.journal.queuedBytes);
  gauge(
    'doubletrack_journal_lag_seconds',
    'Age of the oldest journal byte not yet on disk',
    (l) => l.journal.lagMs / 1000,
  );

  gauge('doubletrack_look_back_bytes', 'Memory that look-back takes', (l) => l.lookBack.usedBytes);
  new Counter({
    name: 'doubletrack_look_back_short_packets_total',
    help: 'Packets that look-back has forgotten before their time, for there was no memory left',
    registers,
    labelNames: ['lane'],
    collect() {
      this.reset();
      for (const { lane, lookBack } of lanes()) this.inc({ lane }, lookBack.shortPackets);
    },
  });

  new Counter({
    name: 'doubletrack_journal_written_bytes_total',
    help: 'Journal bytes written',
    registers,
    labelNames: ['lane'],
    collect() {
      this.reset();
      for (const lane of lanes()) this.inc({ lane: lane.lane }, lane.journal.writtenBytes);
    },
  });
  // `lost` is an estimate that a late packet corrects downwards; a counter must not go back.
  const mostLost = new Map<number, number>();
  new Counter({
    name: 'doubletrack_packets_total',
    help: 'Packets by what became of them',
    registers,
    labelNames: ['lane', 'class'],
    collect() {
      this.reset();
      for (const { lane, packets } of lanes()) {
        mostLost.set(lane, Math.max(mostLost.get(lane) ?? 0, packets.lost ?? 0));
        for (const name of PACKET_CLASSES) {
          const total = name === 'lost' ? mostLost.get(lane) : packets[name];
          if (packets[name] !== undefined) this.inc({ lane, class: name }, total);
        }
      }
    },
  });
}

function ctiMetrics(registry: Registry, cti: () => CtiLinkSnapshot): void {
  const registers = [registry];
  new Gauge({
    name: 'doubletrack_cti_up',
    help: '1 while events come over the CTI link',
    registers,
    collect() {
      this.set(cti().isUp ? 1 : 0);
    },
  });
  const total = (name: string, help: string, value: (link: CtiLinkSnapshot) => number) =>
    new Counter({
      name: `doubletrack_cti_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value(cti()));
      },
    });
  total('events', 'Events that came over the CTI link', (link) => link.events);
  total('losses', 'Times that the CTI link was lost', (link) => link.losses);
  total('gaps', 'Times that events of the CTI link were missing after a loss', (link) => link.gaps);
}

/** @param sources what is left out is not exported. Process metrics are always there. */
export function createMetrics(sources: MetricSources = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  if (sources.lanes) laneMetrics(registry, sources.lanes);
  if (sources.cti) ctiMetrics(registry, sources.cti);
  const read = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  if (sources.sessionsActive) {
    read('doubletrack_sessions_active', 'Recording sessions that run now', sources.sessionsActive);
  }
  if (sources.finaliserQueue) {
    read('doubletrack_finaliser_queue', 'Recordings that wait for the finaliser or are in it', sources.finaliserQueue);
  }
  const calls = new Counter({
    name: 'doubletrack_calls_total',
    help: 'Calls that were offered for recording, by outcome',
    registers,
    labelNames: ['outcome'],
  });
  const outcomes: CallOutcome[] = ['recorded', 'refused', 'cancelled', 'failed'];
  for (const outcome of outcomes) calls.inc({ outcome }, 0);
  return {
    registry,
    calls,
    callSetupSeconds: new Histogram({
      name: 'doubletrack_call_setup_seconds',
      help: 'From an INVITE to its final response',
      registers,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    }),
    finaliseSeconds: new Histogram({
      name: 'doubletrack_finalise_seconds',
      help: 'From when a recording could be finalised until its files were there, the wait for a worker included',
      registers,
      labelNames: ['result'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    }),
  };
}
