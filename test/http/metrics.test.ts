/** The metrics of lanes are read at the scrape, and counters never go back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, type LaneSnapshot } from '../../src/http/metrics.ts';

async function scrape(registry: { metrics(): Promise<string> }): Promise<Map<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('doubletrack_'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

test('each scrape shows what the lanes say now', async () => {
  let lanes: LaneSnapshot[] = [];
  const { registry, calls } = createMetrics({ lanes: () => lanes, sessionsActive: () => 4, finaliserQueue: () => 5 });
  const lane = (lost: number, received: number): LaneSnapshot => ({
    lane: 1,
    streams: 2,
    packets: { received, lost, dropped: 1, paused: 2, duplicate: 3 },
    journal: { queuedBytes: 10, writtenBytes: 20, lagMs: 1500 },
    loopLoad: 0.25,
    lookBack: { usedBytes: 30, shortPackets: 4 },
  });
  assert.equal((await scrape(registry)).get('doubletrack_calls_total{outcome="recorded"}'), 0);
  lanes = [lane(7, 100)];
  calls.inc({ outcome: 'recorded' });
  const first = await scrape(registry);
  const shown = {
    'doubletrack_calls_total{outcome="recorded"}': 1,
    doubletrack_sessions_active: 4,
    doubletrack_finaliser_queue: 5,
    'doubletrack_packets_total{lane="1",class="received"}': 100,
    'doubletrack_packets_total{lane="1",class="lost"}': 7,
    'doubletrack_packets_total{lane="1",class="duplicate"}': 3,
    'doubletrack_lane_load_ratio{lane="1"}': 0.25,
    'doubletrack_lane_streams{lane="1"}': 2,
    'doubletrack_journal_queued_bytes{lane="1"}': 10,
    'doubletrack_journal_lag_seconds{lane="1"}': 1.5,
    'doubletrack_journal_written_bytes_total{lane="1"}': 20,
    'doubletrack_look_back_bytes{lane="1"}': 30,
    'doubletrack_look_back_short_packets_total{lane="1"}': 4,
  };
  for (const [name, value] of Object.entries(shown)) assert.equal(first.get(name), value, name);
  lanes = [lane(5, 110)];
  const second = await scrape(registry);
  assert.equal(second.get('doubletrack_packets_total{lane="1",class="received"}'), 110);
  assert.equal(second.get('doubletrack_packets_total{lane="1",class="lost"}'), 7, 'an estimate that fell');
  lanes = [];
  assert.equal((await scrape(registry)).has('doubletrack_lane_streams{lane="1"}'), false);
});

test('registries are independent of each other', async () => {
  const [one, two] = [createMetrics(), createMetrics()];
  one.calls.inc({ outcome: 'failed' });
  assert.equal((await scrape(two.registry)).get('doubletrack_calls_total{outcome="failed"}'), 0);
});
