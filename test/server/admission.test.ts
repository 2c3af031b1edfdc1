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
  const told = () => admission.optionsAnswer().headers[0]![1].replace(/;start=[0-9]{13}$/, '');
  assert.equal(told(), 'sessions=0;max=10;cpu=0.40;state=taking');
  assert.equal(admission.optionsAnswer().status, 200);
  media = { load: 0.97, overload: 'processor' };
  assert.deepEqual(admission.refusal(), { retryAfterSec: 5 });
  assert.equal(told(), 'sessions=0;max=10;cpu=0.97;state=overloaded');
  const { status, headers } = admission.optionsAnswer();
  assert.equal(status, 503);
  assert.deepEqual(headers[1], ['Retry-After', '5']);
  media = { load: 0.5, overload: null };
  assert.equal(admission.refusal(), null, 'it takes calls again');
  admission.close();
});
