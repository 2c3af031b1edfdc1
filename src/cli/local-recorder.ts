/**
 * Local recording of the recording client: a recording server of our own in the same process, which the client calls over loopback like
 * any other recorder. Client and server know nothing of each other; here they are put together.
 */
import { isIPv6 } from 'node:net';
import type { Logger } from 'pino';
import { type ClientConfig, LOCAL_RECORDER, type LocalConfig } from '../client/config/index.ts';
import { loadServerConfig } from '../server/config.ts';
import { RecordingServer } from '../server/recording-server.ts';

export class LocalRecorder {
  readonly #server: RecordingServer;
  readonly #uri: string;

  private constructor(server: RecordingServer) {
    this.#server = server;
    const [address] = server.sipAddresses;
    const { transport, host, port } = address!;
    this.#uri = `sip:recorder@${host.includes(':') ? `[${host}]` : host}:${port};transport=${transport}`;
  }

  /** Null when the configuration has none. Rejects with a message that says what to do about it. */
  static async start(config: ClientConfig, log: Logger): Promise<LocalRecorder | null> {
    if (!config.local) return null;
    try {
      const serverConfig = serverConfigOf(config, config.local);
      return new LocalRecorder(await RecordingServer.start(serverConfig, log.child({ recorder: LOCAL_RECORDER })));
    } catch (error) {
      const reason = (error as Error).message;
      throw new Error(
        `the local recorder cannot start: ${reason}\nchange local.dir, local.http or local.ports, or take local out of the file and its groups`,
        { cause: error },
      );
    }
  }

  get httpUrl(): string {
    return this.#server.httpUrl;
  }

  /**
   * @param local what it was started with: a file that is read again may say something else
   * @returns the configuration with this recorder among the others
   */
  addTo(config: ClientConfig, local: LocalConfig): ClientConfig {
    if (config.recorders.some(({ id }) => id === LOCAL_RECORDER)) {
      throw new Error(`another recorder cannot be called "${LOCAL_RECORDER}" before a restart of the client`);
    }
    const { weight, location, maxSessions } = local;
    const own = { id: LOCAL_RECORDER, uri: this.#uri, form: 'siprec' as const, srtp: null };
    return { ...config, recorders: [...config.recorders, { ...own, weight, location, maxSessions }] };
  }

  /** When the client has ended its recordings: what is still open ends, everything is finalised. */
  async drain(timeoutMs: number): Promise<void> {
    await this.#server.drain(timeoutMs);
  }
}

/** Nobody else can call it: it listens on loopback, on a port that the system chooses. Over TCP if it can be, for metadata is long. */
function serverConfigOf({ sip, media, logLevel }: ClientConfig, local: LocalConfig) {
  const from = sip.find(({ transport }) => transport === 'tcp') ?? sip.find(({ transport }) => transport === 'udp')!;
  const loopback = isIPv6(from.host.replace(/^\[(.*)\]$/, '$1')) ? '[::1]' : '127.0.0.1';
  const { host, port } = local.http;
  const options = {
    data: local.dir,
    sip: [`${from.transport}:${loopback}:0`],
    http: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    mediaAddress: media.address,
    mediaPorts: `${local.ports.lo}-${local.ports.hi}`,
    lanes: local.lanes,
    logLevel,
  };
  return loadServerConfig(options, {});
}
