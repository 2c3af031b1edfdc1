/**
 * `doubletrack demo` (npm start): the recording server with its defaults, and two conversations that our own recording client
 * sends it. Shows the whole way, from INVITE to certificate, on the machine where it runs.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import pino from 'pino';
import { issue, makeAuthority } from '../certificates/certificate.ts';
import { placeCalls } from '../client/caller/index.ts';
import { addServerOptions, loadServerConfig, type ServerConfig } from '../server/config.ts';
import { RecordingServer } from '../server/recording-server.ts';
import { TlsFiles } from '../settings/index.ts';
import type { Recording } from '../store/recording.ts';
import { untilSignal } from './signals.ts';

const CALL_MS = 6_000;
const FINALISED_WITHIN_MS = 60_000;
const CONVERSATIONS = [
  { transport: 'udp', scheme: 'sip', srtp: null, what: 'SIPREC over UDP, RTP' },
  { transport: 'tls', scheme: 'sips', srtp: 'AES_CM_128_HMAC_SHA1_80', what: 'SIPREC over TLS, SRTP' },
] as const;
/** Names under which the demonstration's server can be called on this machine. */
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'];

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Waits for the recording of the call, however it ends. */
async function recordingOf(server: RecordingServer, callId: string): Promise<Recording | null> {
  const deadline = Date.now() + FINALISED_WITHIN_MS;
  while (Date.now() < deadline) {
    const found = server.catalogue.search({ callId, limit: 1 }).items[0];
    if (found && ['complete', 'failed'].includes(found.state)) return found;
    await delay(100);
  }
  return null;
}

function describe(server: RecordingServer, recording: Recording): void {
  say(`  ${recording.id}  ${recording.state}, ${((recording.durationMs ?? 0) / 1000).toFixed(1)} s`);
  for (const { label, channel, codec, srtp, packets } of recording.streams) {
    const { expected, received, lost, dropped, paused, unauthenticated } = packets;
    const sum = `${expected} expected = ${received} received + ${lost} lost + ${dropped} dropped + ${paused} paused`;
    say(`    channel ${channel} (label ${label}, ${codec}): ${sum}`);
    if (srtp) say(`      ${srtp}, ${unauthenticated} unauthenticated`);
  }
  for (const { aor, name, channel } of recording.participants) say(`    ${name ?? aor} on channel ${channel}`);
  for (const warning of recording.warnings) say(`    warning: ${warning}`);
  say(`    ${server.recordingFolder(recording.id)}/audio.wav`);
  say(`    ${server.recordingFolder(recording.id)}/manifest.json`);
}

function isWhole(recording: Recording | null, suite: string | null): boolean {
  return (
    recording?.state === 'complete' &&
    recording.streams.length === 2 &&
    recording.streams.every(({ packets }) => packets.received > 0 && packets.received === packets.expected) &&
    recording.streams.every(({ srtp, packets }) => srtp === suite && packets.unauthenticated === 0)
  );
}

/** @returns true if both conversations were recorded with nothing missing. */
async function recordConversations(server: RecordingServer, config: ServerConfig): Promise<boolean> {
  const tls = new TlsFiles({ ...config.tls, cert: null, key: null }).read();
  let whole = true;
  for (const [i, { transport, scheme, srtp, what }] of CONVERSATIONS.entries()) {
    const at = server.sipAddresses.find((address) => address.transport === transport);
    if (!at) throw new Error(`the demonstration needs SIP over ${transport}: add --sip ${transport}:127.0.0.1:5062`);
    const name = transport === 'tls' ? config.tls.host : null;
    const host = name ?? (at.host === '0.0.0.0' || at.host === '::' ? '127.0.0.1' : at.host);
    say(`\n${what}: a conversation of ${CALL_MS / 1000} s`);
    const to = `${scheme}:${host.includes(':') ? `[${host}]` : host}:${at.port}`;
    const options = { to, transport, tls, durationMs: CALL_MS, seed: i + 1, ...(srtp === null ? {} : { srtp }) };
    const { calls } = await placeCalls(options);
    const call = calls[0]!;
    const recording = call.status === 200 ? await recordingOf(server, call.callId) : null;
    if (recording) describe(server, recording);
    else say(`  not recorded: ${call.error ?? `answered ${call.status}`}`);
    whole &&= isWhole(recording, srtp);
  }
  return whole;
}

/** Whoever brings no certificate gets one for this run, by an authority that only this run knows. */
function withDefaults(options: Record<string, unknown>, certificates: string): ServerConfig {
  const authority = makeAuthority('doubletrack demonstration');
  const file = (name: string, text: string) => {
    const to = path.join(certificates, name);
    writeFileSync(to, text, { mode: 0o600 });
    return to;
  };
  const names = [...LOOPBACK_NAMES, ...[options.mediaAddress ?? [], options.tlsHost ?? []].flat().map(String)];
  const { cert, key } = issue(authority, { names });
  const own = { tlsCert: file('cert.pem', cert), tlsKey: file('key.pem', key), tlsCa: file('ca.pem', authority.cert) };
  const sip = ['udp:127.0.0.1:5060', 'tcp:127.0.0.1:5060', 'tls:127.0.0.1:5061'];
  return loadServerConfig({ sip, logLevel: 'warn', ...(options.tlsCert === undefined ? own : {}), ...options });
}

async function demo(options: Record<string, unknown>): Promise<void> {
  const certificates = mkdtempSync(path.join(tmpdir(), 'doubletrack-demo-'));
  process.once('exit', () => rmSync(certificates, { recursive: true, force: true }));
  const config = withDefaults(options, certificates);
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  const server = await RecordingServer.start(config, log);
  for (const { transport, host, port } of server.sipAddresses) say(`SIP   ${transport}:${host}:${port}`);
  say(`HTTP  ${server.httpUrl}/`);
  const whole = await recordConversations(server, config);
  say(whole ? '\nBoth recordings are complete.' : '\nNot everything was recorded: see above.');
  if (process.env.DOUBLETRACK_DEMO_EXIT !== '1') {
    say(`Serving until Ctrl-C; the recordings: ${server.httpUrl}/`);
    await untilSignal(() => process.exit(1));
  }
  await server.drain(0);
  process.exitCode = whole || process.env.DOUBLETRACK_DEMO_EXIT !== '1' ? 0 : 1;
}

export function register(program: Command): void {
  const command = program.command('demo').description('Run the recording server and record two conversations with it');
  addServerOptions(command);
  command.action(demo);
}
