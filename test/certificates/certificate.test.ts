/** RFC 5280: what the certificate maker writes, as OpenSSL reads and verifies it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { integer, objectIdentifier, time } from '../../src/certificates/der.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('X.690 8.3, 8.19: integers and object identifiers', () => {
  assert.equal(hex(integer(Buffer.from([0, 0, 5]))), '020105');
  assert.equal(hex(integer(Buffer.from([0]))), '020100');
  assert.equal(hex(integer(Buffer.from([0x80]))), '02020080');
  assert.equal(hex(objectIdentifier('1.2.840.113549')), '06062a864886f70d');
});

test('RFC 5280 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050', () => {
  assert.equal(time(new Date('2049-12-31T23:59:59.9Z')).toString('latin1', 2), '491231235959Z');
  assert.equal(time(new Date('2050-01-01T00:00:00Z')).toString('latin1', 2), '20500101000000Z');
});

test('names, dates and signatures are what was asked for', () => {
  const authority = makeAuthority('authority of a test');
  const names = ['example.com', 'sip:example.com', '192.0.2.1', '::1', '2001:db8::5:0:1'];
  const notAfter = new Date('2090-01-02T03:04:05Z');
  const certificate = new X509Certificate(issue(authority, { names, notAfter, commonName: 'Täst' }).cert);
  const trusted = new X509Certificate(authority.cert);
  assert.ok(certificate.verify(trusted.publicKey) && certificate.checkIssued(trusted) && trusted.ca && !certificate.ca);
  assert.equal(
    certificate.subjectAltName,
    'DNS:example.com, URI:sip:example.com, IP Address:192.0.2.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:5:0:1',
  );
  assert.equal(Date.parse(certificate.validTo), notAfter.getTime());
  assert.match(certificate.subject, /Täst/);
});

test('OpenSSL finds nothing wrong, strictly', (context) => {
  if (spawnSync('openssl', ['version']).status !== 0) return context.skip('openssl is not installed');
  const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-certificate-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const authority = makeAuthority();
  writeFileSync(path.join(folder, 'ca.pem'), authority.cert);
  writeFileSync(path.join(folder, 'cert.pem'), issue(authority, { names: ['example.com'] }).cert);
  for (const purpose of ['sslserver', 'sslclient']) {
    const args = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'ca.pem', 'cert.pem'];
    const { stdout, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
    assert.equal(stdout, 'cert.pem: OK\n', stderr);
  }
});
