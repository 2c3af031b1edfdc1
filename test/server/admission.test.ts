/** Who is let in: what media cannot bear is refused before its quality falls. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { Admission } from '../../src/server/admission.ts';

test('while media is overloaded, calls get a 503 with Retry-After, and OPTIONS tells why and how much', () => {
  const admission = new Admission({ limits: { maxSessions: 10, minFreeBytes: 0 } }, tmpdir());
  let media: { load: number; overload: string | null } = { load: 0.4, overload: null };
  admission.watchMedia(() => media);
  assert.equal(admission.refusal(), null);
  assert.deepEqual(admission.optionsAnswer().headers, [['X-Doubletrack-Load', '40;state=ready']]);
  media = { load: 0.97, overload: 'processor' };
  assert.deepEqual(admission.refusal(), { retryAfterSec: 5 });
  assert.deepEqual(admission.optionsAnswer(), {
    status: 503,
    headers: [
      ['X-Doubletrack-Load', '97;state=overloaded'],
      ['Retry-After', '5'],
    ],
  });
  media = { load: 0.5, overload: null };
  assert.equal(admission.refusal(), null, 'it takes calls again');
  admission.close();
});
