/** `doubletrack client`: the recording client, until SIGTERM or SIGINT. */
import type { Command } from 'commander';
import pino from 'pino';
import { type ClientConfig, loadClientConfig } from '../client/config/index.ts';
import { RecordingClient } from '../client/recording-client.ts';
import { LocalRecorder } from './local-recorder.ts';
import { untilSignal } from './signals.ts';

/** How long a drain waits for calls that run; a second signal ends them at once. */
const DRAIN_MS = 3_600_000;
/** The local recorder's wait for ends of recordings that are on their way. */
const LOCAL_DRAIN_MS = 1_000;

async function client({ config: file }: { config: string }): Promise<void> {
  const config = loadClientConfig(file);
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  const local = await LocalRecorder.start(config, log);
  const running = await startClient(local, config, log);
  const sip = running.sipAddresses.map((a) => `${a.transport}:${a.host}:${a.port}`);
  const where = { sip, http: running.httpUrl, ...(local ? { local: local.httpUrl } : {}) };
  log.info({ ...where, extensions: config.extensions.length }, 'taking calls');
  process.on('SIGHUP', () => {
    try {
      const next = loadClientConfig(file);
      running.reload(withLocal(local, next, config));
      log.level = next.logLevel;
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'the configuration cannot be used: the old one stays in use');
    }
  });
  let hurry = () => {};
  const signal = await untilSignal(() => hurry());
  log.info({ signal }, 'draining: no new calls; a second signal ends the calls that run');
  await Promise.race([running.drain(DRAIN_MS), new Promise<void>((end) => (hurry = end)).then(() => running.drain(0))]);
  await local?.drain(LOCAL_DRAIN_MS);
  log.info('done');
}

async function startClient(local: LocalRecorder | null, config: ClientConfig, log: pino.Logger) {
  try {
    return await RecordingClient.start(withLocal(local, config, config), log);
  } catch (error) {
    await local?.drain(0);
    throw error;
  }
}

/** @param first what the local recorder was started with */
function withLocal(local: LocalRecorder | null, config: ClientConfig, first: ClientConfig): ClientConfig {
  if (local) return local.addTo(config, first.local!);
  if (config.local) throw new Error('the section local is new: a local recorder begins with a restart of the client');
  return config;
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
