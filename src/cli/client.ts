/** `doubletrack client`: the recording client, until SIGTERM or SIGINT. */
import type { Command } from 'commander';
import pino from 'pino';
import { loadClientConfig } from '../client/config/index.ts';
import { RecordingClient } from '../client/recording-client.ts';
import { untilSignal } from './signals.ts';

/** How long a drain waits for calls that run; a second signal ends them at once. */
const DRAIN_MS = 3_600_000;

async function client({ config: file }: { config: string }): Promise<void> {
  const config = loadClientConfig(file);
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  const running = await RecordingClient.start(config, log);
  const sip = running.sipAddresses.map((a) => `${a.transport}:${a.host}:${a.port}`);
  log.info({ sip, http: running.httpUrl, extensions: config.extensions.length }, 'taking calls');
  process.on('SIGHUP', () => {
    try {
      running.reload(loadClientConfig(file));
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'the configuration cannot be used: the old one stays in use');
    }
  });
  let hurry = () => {};
  const signal = await untilSignal(() => hurry());
  log.info({ signal }, 'draining: no new calls; a second signal ends the calls that run');
  await Promise.race([running.drain(DRAIN_MS), new Promise<void>((end) => (hurry = end)).then(() => running.drain(0))]);
  log.info('done');
}

export function register(program: Command): void {
  program
    .command('client')
    .description(
      'Run the recording client: switch, media server and resource manager; SIGHUP reads the file again, SIGTERM drains',
    )
    .requiredOption('--config <file>', 'YAML file; examples/client.yaml is one to begin with')
    .action(client);
}
