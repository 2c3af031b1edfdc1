/** The recording client in a process of its own, as `doubletrack client` runs it. */
import pino from 'pino';
import { loadClientConfig } from '../../src/client/config/index.ts';
import { RecordingClient } from '../../src/client/recording-client.ts';
import { serve } from '../system/remote.ts';

export interface ClientSetup {
  /** client.yaml. */
  file: string;
  logFile: string;
}

serve({
  start: async ({ file, logFile }: ClientSetup) => {
    const config = loadClientConfig(file);
    const log = pino({ level: config.logLevel }, pino.destination({ dest: logFile, sync: true }));
    await RecordingClient.start(config, log);
  },
});
