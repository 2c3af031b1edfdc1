/** `doubletrack serve`: the recording server, until SIGTERM or SIGINT. */
import type { Command } from 'commander';
import pino from 'pino';
import { addServerOptions, loadServerConfig } from '../server/config.ts';
import { RecordingServer } from '../server/recording-server.ts';
import { untilSignal } from './signals.ts';

/** How long a drain waits for calls that run; a second signal ends them at once. */
const DRAIN_MS = 3_600_000;

async function serve(options: Record<string, unknown>): Promise<void> {
  const config = loadServerConfig(options);
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  const server = await RecordingServer.start(config, log);
  const sip = server.sipAddresses.map((a) => `${a.transport}:${a.host}:${a.port}`);
  log.info({ sip, http: server.httpUrl, data: config.data }, 'taking calls');
  process.on('SIGHUP', () => server.reloadCertificates());
  let hurry = () => {};
  const signal = await untilSignal(() => hurry());
  log.info({ signal }, 'draining: no new calls; a second signal ends the calls that run');
  await Promise.race([server.drain(DRAIN_MS), new Promise<void>((end) => (hurry = end)).then(() => server.drain(0))]);
  log.info('done');
}

export function register(program: Command): void {
  const command = program.command('serve').description('Run the recording server until SIGTERM, which drains it');
  addServerOptions(command);
  command.action(serve);
}
