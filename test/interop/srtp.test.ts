/** SRTP from our client to our server, over TLS where nothing else is taken: the certificate equals the sender's own account. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { type CallerOptions, placeCalls } from '../../src/client/caller/index.ts';
import { assertEqualsReport } from './certificate-report.ts';
import {
  completeRecordings,
  newDataFolder,
  type Recorder,
  removeFolder,
  startRecorder,
  stopRecorder,
} from './recorder.ts';

const SUITES = ['AES_CM_128_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_32', 'AEAD_AES_128_GCM', 'AEAD_AES_256_GCM'];
const CALLS = 3;
const files = newDataFolder();
const data = newDataFolder();
const authority = makeAuthority();
let recorder: Recorder;

before(async () => {
  const { cert, key } = issue(authority, { names: ['127.0.0.1'] });
  const [certFile, keyFile] = [path.join(files, 'cert.pem'), path.join(files, 'key.pem')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const tls = ['--sip', 'tls:127.0.0.1:0', '--tls-cert', certFile, '--tls-key', keyFile, '--secure', 'required'];
  recorder = await startRecorder(data, tls);
});
after(async () => {
  await stopRecorder(recorder);
  removeFolder(data);
  removeFolder(files);
});

function overTls(o: Partial<CallerOptions>) {
  const tls = { ca: authority.cert };
  return placeCalls({ to: `sips:127.0.0.1:${recorder.tlsPort}`, tls, durationMs: 2_000, ...o });
}

test('calls in every family of suites, with loss, reordering and duplicates', async () => {
  const impairment = { lossPercent: 5, reorderPercent: 5, duplicatePercent: 5 };
  const reports = await Promise.all(
    SUITES.map((srtp, seed) => overTls({ srtp, calls: CALLS, ...impairment, seed: seed + 1 })),
  );
  const recordings = new Map(
    (await completeRecordings(recorder, SUITES.length * CALLS)).map((one) => [one.sipCallId, one]),
  );
  for (const [i, { calls }] of reports.entries()) {
    for (const call of calls) {
      assert.equal(call.error, null);
      const recording = recordings.get(call.callId)!;
      assertEqualsReport(recording, call);
      assert.deepEqual(
        recording.streams.map(({ srtp }) => srtp),
        [SUITES[i], SUITES[i]],
      );
      assert.deepEqual(recording.warnings, []);
    }
  }
});

test('media in the clear is refused there, and the call says so', async () => {
  const { calls } = await overTls({});
  assert.equal(calls[0]!.status, 488);
  assert.match(calls[0]!.error ?? '', /only SRTP is taken/);
});
