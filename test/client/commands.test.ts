// The two commands as a script uses them: exit codes and what stands on stdout.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command, CommanderError } from 'commander';
import { register as registerCall } from '../../src/cli/call.ts';
import { register as registerExtract } from '../../src/cli/extract.ts';

async function refused(...args: string[]): Promise<{ exitCode: number; message: string }> {
  const program = new Command().exitOverride().configureOutput({ writeErr() {}, writeOut() {} });
  registerCall(program);
  registerExtract(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr() {}, writeOut() {} });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return { exitCode: error.exitCode, message: error.message };
    throw error;
  }
  throw new Error('accepted');
}

const to = ['call', '--to', 'sip:127.0.0.1:5060'];
const wrong: [args: string[], message: RegExp][] = [
  [[...to, '--srtp', 'AES'], /crypto suite AES is not one the caller can offer: AES_CM_128_HMAC_SHA1_80, /],
  [[...to, '--srtp', 'NULL_NULL'], /is not one the caller can offer/],
  [[...to, '--transport', 'sctp'], /udp, tcp or tls/],
  [['call', '--to', 'sips:127.0.0.1', '--transport', 'udp'], /over TLS only/],
  [[...to, '--tls-cert', 'cert.pem'], /--tls-cert and --tls-key belong together/],
  [[...to, '--tls-ca', 'nowhere.pem'], /tls.ca can't be read: .*nowhere.pem/],
  [['call', '--to', 'here'], /must be a SIP URI/],
  [[...to, '--calls', '0'], /--calls must be a whole number/],
  [[...to, '--calls', '1.5'], /--calls must be a whole number/],
  [[...to, '--rate', 'fast'], /--rate must be a number/],
  [[...to, '--loss', '101'], /--loss must be a number from 0 to 100/],
  [[...to, '--duration', ''], /--duration must be a number/],
  [[...to, '--media-ports', '9-10'], /--media-ports must be LO-HI/],
  [[...to, '--codec', 'MP3'], /codec MP3/],
  [[...to, '--audio', 'a', 'b', 'c'], /at most two files/],
  [[...to, '--audio', 'a', '--pcap', 'b'], /exclude each other/],
  [
    ['extract', 'x.pcap', '--srtp', '*=AES_CM_128_HMAC_SHA1_80:AAAA'],
    /--srtp: AES_CM_128_HMAC_SHA1_80 takes 30 octets/,
  ],
  [['extract', 'x.pcap', '--srtp', '*=X:a', '*=X:a'], /--srtp takes one key/],
];

for (const [args, message] of wrong) {
  test(`wrong use is exit code 2: ${args.join(' ')}`, async () => {
    const refusal = await refused(...args);
    assert.equal(refusal.exitCode, 2);
    assert.match(refusal.message, message);
  });
}
