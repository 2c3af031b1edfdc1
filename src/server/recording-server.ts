/**
 * The recording server, put together: SIP in front, lanes for the media, the finaliser behind, catalogue and HTTP on top.
 * The only place where signalling and media meet; both know nothing of each other.
 */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createHttpServer, createMetrics, listenHttp, type Metrics } from '../http/index.ts';
import { type LaneEvent, MediaEngine } from '../media/index.ts';
import { isLoopback, TlsFiles } from '../settings/index.ts';
import { SipEndpoint } from '../sip/index.ts';
import { FolderObjects } from '../store/objects.ts';
import type { Recording } from '../store/recording.ts';
import { SqliteCatalogue } from '../store/sqlite-catalogue.ts';
import { Admission } from './admission.ts';
import { Calls } from './calls.ts';
import type { ServerConfig } from './config.ts';
import { CtiFollower } from './cti-follower.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { Finaliser } from './finaliser.ts';
import { recover } from './recovery.ts';

const FINALISER_THREADS = 1;
const DRAIN_LOOK_MS = 50;
const CERTIFICATE_LOOK_MS = 5_000;

export class RecordingServer {
  readonly #config: ServerConfig;
  readonly #log: Logger;
  readonly #folder: DataFolder;
  readonly #catalogue: SqliteCatalogue;
  readonly #finaliser: Finaliser;
  readonly #admission: Admission;
  readonly #metrics: Metrics;
  readonly #tlsFiles: TlsFiles;
  readonly #sip: SipEndpoint;
  readonly #cti: CtiFollower | null;
  #engine!: MediaEngine;
  #calls!: Calls;
  #http!: Awaited<ReturnType<typeof createHttpServer>>;
  #certificateTimer: NodeJS.Timeout | null = null;
  #ready = false;
  #endCallsAtMs = Infinity;
  #drained: Promise<void> | null = null;

  private constructor(config: ServerConfig, log: Logger, folder: DataFolder) {
    this.#config = config;
    this.#log = log;
    this.#folder = folder;
    this.#catalogue = new SqliteCatalogue(this.#folder.catalogue, {
      onWriteError: (error) => log.error({ err: error }, 'the catalogue cannot be written: rows wait in memory'),
    });
    this.#finaliser = this.#createFinaliser();
    this.#admission = new Admission(config, this.#folder.journal);
    this.#metrics = createMetrics({
      lanes: () => this.#engine.stats().lanes,
      sessionsActive: () => this.#calls?.recordings ?? 0,
      finaliserQueue: () => this.#finaliser.queueLength,
      ...(config.cti ? { cti: () => this.#cti!.state } : {}),
    });
    this.#cti = config.cti && new CtiFollower(config.cti, this.#catalogue, log);
    this.#tlsFiles = new TlsFiles(config.tls);
    this.#sip = this.#createEndpoint();
  }

  /** Takes up what a predecessor left, then takes calls. Rejects with a message that says what to do about it. */
  static async start(config: ServerConfig, log: Logger): Promise<RecordingServer> {
    const folder = openDataFolder(config.data);
    let server: RecordingServer;
    try {
      server = new RecordingServer(config, log, folder);
    } catch (error) {
      folder.release();
      throw error;
    }
    try {
      await server.#start();
      return server;
    } catch (error) {
      await server.#release();
      throw error;
    }
  }

  get sipAddresses(): SipEndpoint['addresses'] {
    return this.#sip.addresses;
  }

  get httpUrl(): string {
    const address = this.#http.server.address();
    if (address === null || typeof address === 'string') throw new Error('HTTP is not listening');
    return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  }

  get catalogue(): SqliteCatalogue {
    return this.#catalogue;
  }

  recordingFolder(id: string): string {
    return path.join(this.#folder.recordings, id);
  }

  /**
   * Reads the certificates again: new connections get the new ones, calls that run go on. Those that can't be used are left
   * where they are, and the old ones stay.
   */
  reloadCertificates(): void {
    try {
      this.#sip.renewTls(this.#tlsFiles.read());
      this.#log.info('certificates read again');
    } catch (error) {
      const reason = (error as Error).message;
      this.#log.error({ reason }, 'the new certificates cannot be used: the old ones stay in use');
    }
  }

  /**
   * No new calls; waits for those that run (at most `timeoutMs`, then ends them), finalises everything, closes.
   * Asked again, it can only become shorter.
   */
  drain(timeoutMs: number): Promise<void> {
    this.#endCallsAtMs = Math.min(this.#endCallsAtMs, Date.now() + timeoutMs);
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    this.#ready = false;
    this.#admission.drain();
    while (!this.#calls.idle && Date.now() < this.#endCallsAtMs) await delay(DRAIN_LOOK_MS);
    await this.#calls.endAll('the server is being stopped');
    await this.#sip.close();
    const left = await this.#finaliser.drain();
    if (left > 0) this.#log.error({ left }, 'not everything could be finalised: the next start goes on with it');
    await this.#release();
  }

  async #start(): Promise<void> {
    const recovered = await recover(this.#folder, this.#finaliser, this.#catalogue, Date.now());
    if (recovered.recordings.length + recovered.lost.length > 0) this.#log.warn(recovered, 'recovered after a crash');
    const { lanes, mediaAddress: address, mediaPorts: ports, mediaSockets: sockets } = this.#config;
    const { streamsPerPort, dscp, learnSource } = this.#config;
    this.#engine = await MediaEngine.start({
      lanes,
      address,
      ports,
      streamsPerPort,
      sockets,
      dscp,
      learnSource,
      journalDir: this.#folder.journal,
      onEvent: (event) => this.#onLaneEvent(event),
    });
    this.#log.info(this.#engine.sockets, 'media sockets');
    this.#admission.watchMedia(() => ({ load: this.#engine.load(), overload: this.#engine.overload() }));
    this.#calls = new Calls({
      ...{ mediaAddress: address, mediaTimeoutSec: this.#config.mediaTimeoutSec, security: this.#config },
      ...{ engine: this.#engine, catalogue: this.#catalogue, finaliser: this.#finaliser },
      ...{ admission: this.#admission, metrics: this.#metrics, cti: this.#cti, log: this.#log },
    });
    await this.#sip.start();
    this.#http = await createHttpServer({
      catalogue: this.#catalogue,
      objects: new FolderObjects(this.#folder.recordings),
      sessions: this.#calls.control(),
      cti: this.#cti,
      health: { ready: () => this.#ready && this.#admission.refusal() === null },
      metrics: this.#metrics.registry,
      log: this.#log,
    });
    await listenHttp(this.#http, this.#config.http);
    this.#cti?.start();
    this.#certificateTimer = setInterval(() => {
      if (this.#tlsFiles.changed()) this.reloadCertificates();
    }, CERTIFICATE_LOOK_MS);
    this.#certificateTimer.unref();
    this.#ready = true;
  }

  async #release(): Promise<void> {
    if (this.#certificateTimer) clearInterval(this.#certificateTimer);
    this.#admission.close();
    this.#cti?.close();
    await this.#http?.close();
    await this.#sip.close();
    await this.#engine?.close();
    await this.#finaliser.close();
    this.#catalogue.close();
    this.#folder.release();
  }

  #createFinaliser(): Finaliser {
    return new Finaliser({
      packetsDir: this.#folder.packets,
      recordingsDir: this.#folder.recordings,
      threads: FINALISER_THREADS,
      keepPackets: this.#config.keepPackets,
      seal: (lane) => this.#engine.seal(lane),
      onComplete: (recording) => this.#onFinalised(recording),
      onAttempt: (result, sec) => this.#metrics.finaliseSeconds.observe({ result }, sec),
      onFailed: (id, error) => this.#onFinaliseFailed(id, error),
      onSegmentFailed: (segment, error) => this.#log.error({ segment, err: error }, 'segment left where it is'),
    });
  }

  #createEndpoint(): SipEndpoint {
    const { sip: listenOn, mediaAddress, sessionExpiresSec, tls } = this.#config;
    // Who listens on loopback alone cannot be reached at another address.
    const isOnLoopback = listenOn.every(({ host }) => isLoopback(host));
    const endpoint = new SipEndpoint({
      listen: listenOn,
      userAgent: 'doubletrack',
      contactUser: 'recorder',
      contactParams: ['+sip.srs'],
      supported: ['siprec', 'timer', 'replaces'],
      accept: ['application/sdp', 'application/rs-metadata+xml', 'application/rs-metadata', 'multipart/mixed'],
      ...(isOnLoopback ? {} : { advertisedHost: mediaAddress }),
      dnsServers: this.#config.dnsServers,
      tls: this.#tlsFiles.read(),
      ...(tls.host === null ? {} : { tlsHost: tls.host }),
      sessionExpiresSec,
      log: this.#log,
    });
    endpoint.onInvite = (invite) => this.#calls.onInvite(invite);
    endpoint.onOptions = () => this.#admission.optionsAnswer();
    endpoint.admit = () => this.#admission.refusal();
    return endpoint;
  }

  #onLaneEvent(event: LaneEvent): void {
    if (event.type === 'journal-sealed') return this.#finaliser.sealed(event.lane, event.path);
    if (event.type === 'disk-full' || event.type === 'disk-ok') {
      this.#admission.disk(event.lane, event.type === 'disk-full');
    }
    if (event.type === 'silent') return this.#calls.onSilent(event.recordingId, event.forMs);
    this.#log[event.type === 'disk-full' || event.type === 'lane-restarted' ? 'error' : 'debug'](event, event.type);
  }

  #onFinalised(recording: Recording): void {
    this.#catalogue.put(withNewerCti(recording, this.#catalogue.get(recording.id)));
    // Not committed: the packets stay, and the next start makes the row again.
    if (this.#catalogue.flush()) this.#finaliser.release(recording.id);
    this.#log.info({ recording: recording.id, durationMs: recording.durationMs }, 'recording complete');
  }

  #onFinaliseFailed(id: string, error: Error): void {
    this.#log.error({ recording: id, err: error }, 'finalising failed: the packets are kept, see doubletrack replay');
    const row = this.#catalogue.get(id);
    if (row)
      this.#catalogue.put({
        ...row,
        state: 'failed',
        warnings: [...row.warnings, `finalising failed: ${error.message}`],
      });
  }
}

/** What a CTI link has told after the end stands in the row alone; what was told just before a crash may stand in the journal alone. */
function withNewerCti(made: Recording, row: Recording | null): Recording {
  return row?.cti && (!made.cti || row.cti.updatedAt > made.cti.updatedAt) ? { ...made, cti: row.cti } : made;
}
