/** The recording client under test, on a core of its own, with a configuration in a folder that goes with it. Everybody calls over its trunk. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MEDIA_PORTS } from '../system/contender.ts';
import { beside, Remote } from '../system/remote.ts';
import type { ClientSetup } from './client-process.ts';
import { ADDRESS, CALLED_PORT, CLIENT_PORT, RECORDER_PORT } from './places.ts';

const TRUNK = 'outside';
const RECORDER = 'recorder-1';

/** What is not as in every other call center: one lane, for there is one core. The rest is what the client does by itself. */
const CONFIG = {
  sip: [`udp:${ADDRESS}:${CLIENT_PORT}`, `tcp:${ADDRESS}:${CLIENT_PORT}`],
  http: `${ADDRESS}:0`,
  media: { address: ADDRESS, ports: `${MEDIA_PORTS.lo}-${MEDIA_PORTS.hi}`, lanes: 1 },
  extensions: [],
  dialPlan: [{ match: '.*', trunk: TRUNK }],
};
const TARGETS = [`sip:${ADDRESS}:${CALLED_PORT}`];

/** Media flows between the parties. */
export const DIRECT = { ...CONFIG, trunks: [{ name: TRUNK, targets: TARGETS }] };

/** Every call is recorded, by one recorder; with SRTP everywhere. */
export function recorded(suite: string): object {
  return {
    ...CONFIG,
    media: { ...CONFIG.media, srtp: 'required' },
    trunks: [{ name: TRUNK, targets: TARGETS, record: true }],
    recorders: [{ id: RECORDER, uri: `sip:${ADDRESS}:${RECORDER_PORT};transport=tcp`, srtp: suite }],
    groups: [{ name: 'main', recorders: [RECORDER] }],
    recording: { group: 'main' },
  };
}

export class TestedClient {
  readonly #remote: Remote;
  readonly #folder: string;

  private constructor(remote: Remote, folder: string) {
    this.#remote = remote;
    this.#folder = folder;
  }

  /** @param config as client.yaml has it */
  static async start(core: string, config: object): Promise<TestedClient> {
    const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-bench-'));
    const setup: ClientSetup = { file: path.join(folder, 'client.yaml'), logFile: path.join(folder, 'client.log') };
    writeFileSync(setup.file, JSON.stringify(config, null, 2));
    const remote = Remote.start(beside(import.meta.url, './client-process'), core, { environment: { TMPDIR: folder } });
    const client = new TestedClient(remote, folder);
    try {
      await remote.call('start', setup);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  get pid(): number {
    return this.#remote.pid;
  }

  async close(): Promise<void> {
    await this.#remote.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
