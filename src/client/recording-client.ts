/**
 * The recording client, put together: the switch in front, the media server behind it, recorders found by the resource manager, HTTP and the CTI
 * link on top.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type LaneEvent, MediaEngine } from '../media/index.ts';
import { SipEndpoint } from '../sip/index.ts';
import { type ClientConfig, reloadOf } from './config/index.ts';
import { CtiServer } from './cti/index.ts';
import { createClientHttp, createClientMetrics, listenHttp } from './http/index.ts';
import { Anchor } from './media-server/anchor.ts';
import { RecordingDecisions } from './policy/index.ts';
import { optionsProbe, ResourceManager, srvResolver } from './resource-manager/index.ts';
import { Controls } from './switch/controls.ts';
import { Guests } from './switch/guests.ts';
import { Registrar } from './switch/registrar.ts';
import { Switch } from './switch/switch.ts';

const DRAIN_LOOK_MS = 100;
const EXPIRY_LOOK_MS = 5_000;
/** Descriptions, requests of recorders for snapshots (RFC 7866 8.2.2; under either name, RFC 9806), and how a transfer goes. */
const ACCEPT = [
  ...['application/sdp', 'multipart/mixed', 'application/rs-metadata+xml', 'application/rs-metadata'],
  'message/sipfrag',
];
const ALLOW = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK', 'REGISTER', 'REFER', 'NOTIFY'];

export class RecordingClient {
  readonly #log: Logger;
  readonly #journalDir = mkdtempSync(path.join(tmpdir(), 'doubletrack-client-'));
  #config: ClientConfig;
  #engine!: MediaEngine;
  #sip!: SipEndpoint;
  #registrar!: Registrar;
  #recorders!: ResourceManager;
  #switch!: Switch;
  #http: ReturnType<typeof createClientHttp> | null = null;
  #httpUrl = '';
  #expiry: NodeJS.Timeout | null = null;
  #cti: CtiServer | null = null;
  #isReady = false;
  #endCallsAtMs = Infinity;
  #drained: Promise<void> | null = null;

  private constructor(config: ClientConfig, log: Logger) {
    this.#config = config;
    this.#log = log;
  }

  /** Rejects with a message that says what to do about it; nothing runs then. */
  static async start(config: ClientConfig, log: Logger): Promise<RecordingClient> {
    const client = new RecordingClient(config, log);
    try {
      await client.#start();
      return client;
    } catch (error) {
      await client.#release();
      throw error;
    }
  }

  get sipAddresses(): SipEndpoint['addresses'] {
    return this.#sip.addresses;
  }

  get httpUrl(): string {
    return this.#httpUrl;
  }

  /** Null: there is no CTI link. */
  get ctiUrl(): string | null {
    return this.#cti?.url ?? null;
  }

  /** Calls go on under the rules that they began with; what needs a restart is told. */
  reload(next: ClientConfig): void {
    const { config, changed, needRestart } = reloadOf(this.#config, next);
    this.#config = config;
    this.#registrar.reload(new Map(config.extensions.map((one) => [one.dn, one])));
    this.#recorders.reload(config.recorders, config.groups);
    this.#switch.reload(config);
    this.#log.info({ changed }, 'configuration read again');
    if (needRestart.length > 0) this.#log.warn({ needRestart }, 'these changes take effect with a restart');
  }

  /** No new calls; waits for those that run, at most `timeoutMs`, then ends them. Asked again, it can only become shorter. */
  drain(timeoutMs: number): Promise<void> {
    this.#endCallsAtMs = Math.min(this.#endCallsAtMs, Date.now() + timeoutMs);
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    this.#isReady = false;
    this.#switch.drain();
    while (this.#switch.size > 0 && Date.now() < this.#endCallsAtMs) await delay(DRAIN_LOOK_MS);
    for (const conversation of [...this.#switch.conversations]) conversation.end('the client is being stopped');
    await this.#switch.recording.close();
    await this.#release();
  }

  async #start(): Promise<void> {
    const config = this.#config;
    const { media } = config;
    this.#engine = await MediaEngine.start({
      ...{ address: media.address, ports: media.ports, lanes: media.lanes, journalDir: this.#journalDir },
      lookBackBytes: media.lookBackMb * 2 ** 20,
      onEvent: (event) => this.#onLaneEvent(event),
    });
    this.#sip = new SipEndpoint({
      ...{ listen: config.sip, userAgent: 'doubletrack', allow: ALLOW, forwards: true, log: this.#log },
      ...{ supported: ['siprec', 'replaces'], accept: ACCEPT },
      sessionExpiresSec: config.sessionExpiresSec,
      ...(config.tls ? { tls: config.tls } : {}),
    });
    const extensions = new Map(config.extensions.map((one) => [one.dn, one]));
    this.#registrar = new Registrar({ realm: config.realm, extensions, log: this.#log });
    this.#recorders = this.#createRecorders();
    this.#switch = this.#createSwitch();
    this.#sip.onInvite = (invite) => this.#switch.onInvite(invite);
    this.#sip.admit = (request, source) =>
      request.method === 'REGISTER' ? this.#registrar.admit(source, Date.now()) : null;
    this.#sip.onRequest = (request, source) => this.#switch.onRequest(request, source);
    await this.#sip.start();
    this.#recorders.start();
    this.#expiry = setInterval(() => this.#registrar.expire(Date.now()), EXPIRY_LOOK_MS);
    this.#expiry.unref();
    await this.#listen();
    this.#isReady = true;
  }

  #createRecorders(): ResourceManager {
    const { recorders, groups, sip } = this.#config;
    const transports = [...new Set(sip.map(({ transport }) => transport))];
    const manager = new ResourceManager({
      ...{ recorders, groups, log: this.#log, now: () => performance.now(), random: Math.random },
      probe: optionsProbe({ endpoint: this.#sip }),
      resolve: srvResolver(transports),
    });
    manager.onDown = (recorder, cause) => this.#switch.recording.onRecorderDown(recorder.id, cause);
    return manager;
  }

  #createSwitch(): Switch {
    return new Switch({
      ...{ config: this.#config, endpoint: this.#sip, registrar: this.#registrar, now: Date.now, log: this.#log },
      openAnchor: () => this.#openAnchor(),
      recording: {
        ...{ recorders: this.#recorders, config: this.#config, log: this.#log },
        decisions: (config) =>
          new RecordingDecisions(config, { fetch, random: Math.random, now: () => new Date(), log: this.#log }),
      },
    });
  }

  /** By the configuration as it is now. */
  #openAnchor(): Promise<Anchor> {
    const { media, recording } = this.#config;
    const lookBackSeconds = Math.max(recording.lookBackSec, recording.preRecord?.seconds ?? 0);
    return Anchor.open({ engine: this.#engine, address: media.address, lookBackSeconds });
  }

  async #listen(): Promise<void> {
    const guests = new Guests(this.#switch.guestsOptions());
    const control = new Controls(this.#switch, guests, () => this.#recorders.view());
    const metrics = createClientMetrics({ control, lanes: () => this.#engine.stats().lanes });
    this.#http = createClientHttp({ control, metrics, health: { ready: () => this.#isReady }, log: this.#log });
    const { host } = this.#config.http;
    const port = await listenHttp(this.#http, this.#config.http);
    this.#httpUrl = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    const { cti } = this.#config;
    if (!cti) return;
    this.#cti = new CtiServer({
      ...{ config: cti, calls: control, log: this.#log },
      knowsDn: (dn) => this.#knows(dn),
      supervises: (dn, target) => this.#switch.maySupervise(dn, target),
    });
    await this.#cti.start();
  }

  #knows(name: string): boolean {
    const { extensions, trunks } = this.#config;
    return extensions.some(({ dn }) => dn === name) || trunks.some((trunk) => trunk.name === name);
  }

  #onLaneEvent(event: LaneEvent): void {
    if (event.type === 'lane-restarted') this.#log.error(event, 'a media lane was started again');
    else if (event.type === 'disk-full') this.#log.error(event, 'no room for the journal');
  }

  async #release(): Promise<void> {
    if (this.#expiry) clearInterval(this.#expiry);
    await this.#cti?.close();
    await this.#http?.close();
    this.#recorders?.close();
    await this.#sip?.close();
    await this.#engine?.close();
    rmSync(this.#journalDir, { recursive: true, force: true });
  }
}
