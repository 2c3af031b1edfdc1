/** RFC 3261 11.1: what the answer to a heartbeat says of a recorder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { probeResult, retryAfterOf } from '../../../src/client/resource-manager/options-probe.ts';
import type { ProbeResult } from '../../../src/client/resource-manager/recorder.ts';
import { parseMessage, type SipResponse } from '../../../src/sip/index.ts';

function response(status: number, headers: string[] = [], reason = 'Reason'): SipResponse {
  const head = [
    `SIP/2.0 ${status} ${reason}`,
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
    'From: <sip:a@192.0.2.1>;tag=1',
    'To: <sip:192.0.2.2>;tag=2',
    'Call-ID: 1@192.0.2.1',
    'CSeq: 1 OPTIONS',
    ...headers,
    'Content-Length: 0',
  ];
  const parsed = parseMessage(Buffer.from(`${head.join('\r\n')}\r\n\r\n`));
  assert.ok(parsed.kind === 'response');
  return parsed.message;
}

const load = (state: string, sessions = 12) =>
  `X-Doubletrack-Load: sessions=${sessions};max=20;cpu=0.31;state=${state};start=1764134400123`;
const alive = (result: ProbeResult): ProbeResult & { alive: true } => {
  assert.ok(result.alive);
  return result;
};

test('RFC 3261 11.2: any answer but that of a server in between is a sign of life, 405 of one that knows no OPTIONS, too', () => {
  for (const status of [200, 302, 401, 403, 404, 405, 481, 486, 488, 501, 503, 603]) {
    assert.ok(probeResult(response(status)).alive, String(status));
  }
  for (const status of [408, 500, 502, 504]) {
    assert.deepEqual(probeResult(response(status)), { alive: false, cause: `OPTIONS: ${status} Reason` });
  }
});

test('a recorder that tells its load', () => {
  assert.deepEqual(probeResult(response(200, [load('taking')])), {
    ...{ alive: true, draining: false, load: 0.6, capacity: 20, sessions: 12, busy: null, startMs: 1_764_134_400_123 },
  });
  const cpu = alive(probeResult(response(200, [load('taking', 1)])));
  assert.equal(cpu.load, 0.31, 'what is scarcer counts');
});

test('RFC 3261 21.5.4: 503 is not death: draining where it says so, else a rest', () => {
  const draining = alive(probeResult(response(503, [load('draining'), 'Retry-After: 5'])));
  assert.deepEqual([draining.draining, draining.busy], [true, null]);
  const full = alive(probeResult(response(503, [load('full', 20), 'Retry-After: 5'])));
  assert.deepEqual([full.draining, full.busy], [false, { cause: 'it answers OPTIONS: full', retryAfterSec: 5 }]);
  const other = alive(probeResult(response(503, [], 'Licence used up')));
  assert.deepEqual(other.busy, { cause: 'it answers OPTIONS: 503 Licence used up', retryAfterSec: null });
  assert.ok(alive(probeResult(response(200, [load('draining')]))).draining, 'its word counts, whatever the status is');
});

test('a line that cannot be read is as if there were none', () => {
  const told = alive(probeResult(response(200, ['X-Doubletrack-Load: 42;state=ready'])));
  assert.deepEqual([told.load, told.capacity, told.draining, told.busy], [null, null, false, null]);
});

test('RFC 3261 20.33: Retry-After with comment and parameters; garbage is none', () => {
  const of = (value: string) => retryAfterOf(response(503, [`Retry-After: ${value}`]));
  assert.deepEqual(['5', '120 (I am in a meeting)', '18000;duration=3600', '0'].map(of), [5, 120, 18_000, 0]);
  assert.deepEqual(['', 'soon', '-1', '9'.repeat(30)].map(of), [null, null, null, null]);
  assert.equal(retryAfterOf(response(503)), null);
});

test('whatever the headers hold, the result is within bounds', () => {
  const text = fc.string({ unit: 'grapheme-ascii', maxLength: 300 });
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 699 }), text, text, (status, told, retryAfter) => {
      const headers = [`X-Doubletrack-Load: ${told}`, `Retry-After: ${retryAfter}`];
      const result = probeResult(response(status, headers));
      if (!result.alive) return;
      assert.ok(result.load === null || (result.load >= 0 && result.load <= 1));
      assert.ok(result.capacity === null || result.capacity > 0);
      const retryAfterSec = result.busy?.retryAfterSec ?? null;
      assert.ok(retryAfterSec === null || (retryAfterSec >= 0 && retryAfterSec < 1e9));
    }),
    { numRuns: 1_000 },
  );
});
