/**
 * The recording server, put together: SIP in front, lanes for the media, the finaliser behind, catalogue and HTTP on top.
 * The only place where signalling and media meet; both know nothing of each other.
 */
import path from 'node:path';
import type { Logger } from 'pino';
import { createHttpServer, createMetrics, listenHttp, type Metrics, type SessionControl } from '../http/index.ts';
import { type LaneEvent, MediaEngine } from '../media/index.ts';
import { type IncomingInvite, SipEndpoint, type SipSession } from '../sip/index.ts';
import { type InviteInterpretation, interpretInvite } from '../siprec/index.ts';
import { FolderObjects } from '../store/objects.ts';
import type { Recording } from '../store/recording.ts';
import { SqliteCatalogue } from '../store/sqlite-catalogue.ts';
import { Admission } from './admission.ts';
import type { ServerConfig } from './config.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { Finaliser } from './finaliser.ts';
import { LiveRecording } from './live-recording.ts';
import { LiveRecordings } from './live-recordings.ts';
import { RecordingSession, refusal, sdpBody } from './recording-session.ts';
import { recover } from './recovery.ts';

const FINALISER_THREADS = 1;

export class RecordingServer {
  readonly #config: ServerConfig;
  readonly #log: Logger;
  readonly #folder: DataFolder;
  readonly #catalogue: SqliteCatalogue;
  readonly #finaliser: Finaliser;
  readonly #live = new LiveRecordings();
  readonly #dialogs = new Map<SipSession, RecordingSession>();
  readonly #admission: Admission;
  readonly #metrics: Metrics;
  readonly #sip: SipEndpoint;
  readonly #closing = new Set<Promise<void>>();
  #engine!: MediaEngine;
  #http!: Awaited<ReturnType<typeof createHttpServer>>;
  #ready = false;

  private constructor(config: ServerConfig, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#folder = openDataFolder(config.data);
    this.#catalogue = new SqliteCatalogue(this.#folder.catalogue, {
      onWriteError: (error) => log.error({ err: error }, 'the catalogue cannot be written: rows wait in memory'),
    });
    this.#finaliser = this.#createFinaliser();
    this.#admission = new Admission(config, () => this.#live.size, this.#folder.journal);
    this.#metrics = createMetrics({
      lanes: () => this.#engine.stats().lanes,
      sessionsActive: () => this.#live.size,
      finaliserQueue: () => this.#finaliser.queueLength,
    });
    this.#sip = this.#createEndpoint();
  }

  /** Takes up what a predecessor left, then takes calls. Rejects with a message that says what to do about it. */
  static async start(config: ServerConfig, log: Logger): Promise<RecordingServer> {
    const server = new RecordingServer(config, log);
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

  /** No new calls; waits for those that run (at most `timeoutMs`, then ends them), finalises everything, closes. */
  async drain(timeoutMs: number): Promise<void> {
    this.#ready = false;
    this.#admission.drain();
    const deadline = Date.now() + timeoutMs;
    while (this.#live.size > 0 && Date.now() < deadline) await new Promise((done) => setTimeout(done, 50));
    await Promise.allSettled([...this.#dialogs.keys()].map((session) => session.bye()));
    await this.#sip.close();
    await Promise.allSettled(this.#closing);
    await this.#finaliser.idle();
    await this.#release();
  }

  async #start(): Promise<void> {
    const recovered = await recover(this.#folder, this.#finaliser, this.#catalogue, Date.now());
    if (recovered.recordings.length + recovered.lost.length > 0) this.#log.warn(recovered, 'recovered after a crash');
    const { lanes, mediaAddress: address, mediaPorts: ports, learnSource } = this.#config;
    this.#engine = await MediaEngine.start({
      lanes,
      address,
      ports,
      learnSource,
      journalDir: this.#folder.journal,
      onEvent: (event) => this.#onLaneEvent(event),
    });
    await this.#sip.start();
    this.#http = await createHttpServer({
      catalogue: this.#catalogue,
      objects: new FolderObjects(this.#folder.recordings),
      sessions: this.#sessionControl(),
      health: { ready: () => this.#ready && this.#admission.refusal() === null },
      metrics: this.#metrics.registry,
      log: this.#log,
    });
    await listenHttp(this.#http, this.#config.http);
    this.#ready = true;
  }

  async #release(): Promise<void> {
    this.#admission.close();
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
      onFailed: (id, error) => this.#onFinaliseFailed(id, error),
      onSegmentFailed: (segment, error) => this.#log.error({ segment, err: error }, 'segment left where it is'),
    });
  }

  #createEndpoint(): SipEndpoint {
    const { sip: listenOn, mediaAddress, sessionExpiresSec } = this.#config;
    const endpoint = new SipEndpoint({
      listen: listenOn,
      userAgent: 'doubletrack',
      contactUser: 'recorder',
      contactParams: ['+sip.srs'],
      supported: ['siprec', 'timer', 'replaces'],
      accept: ['application/sdp', 'application/rs-metadata+xml', 'application/rs-metadata', 'multipart/mixed'],
      advertisedHost: mediaAddress,
      sessionExpiresSec,
      log: this.#log,
    });
    endpoint.onInvite = (invite) => void this.#onInvite(invite);
    endpoint.onOptions = () => this.#admission.optionsAnswer();
    endpoint.admit = () => this.#admission.refusal();
    return endpoint;
  }

  async #onInvite(invite: IncomingInvite): Promise<void> {
    const reading = readInvite(invite);
    if (reading.refuse) {
      this.#metrics.calls.inc({ outcome: 'refused' });
      return invite.reject(reading.refuse);
    }
    const answered = this.#metrics.callSetupSeconds.startTimer();
    let cancelled = false;
    invite.onCancel = () => {
      cancelled = true;
    };
    let dialog: RecordingSession | null = null;
    try {
      dialog = await this.#join(invite, reading);
      const sdp = reading.offer ? await dialog.answer(reading.offer) : await dialog.offer();
      dialog.place(reading);
      if (cancelled) throw new Cancelled();
      this.#run(dialog, invite.accept({ body: sdpBody(sdp) }), reading.offer === null);
      answered();
      this.#metrics.calls.inc({ outcome: 'recorded' });
    } catch (error) {
      if (dialog) await this.#end(dialog, 'refused', String(error));
      if (error instanceof Cancelled) return void this.#metrics.calls.inc({ outcome: 'cancelled' });
      this.#refuse(invite, error);
    }
  }

  #refuse(invite: IncomingInvite, error: unknown): void {
    try {
      invite.reject(refusal(error));
      this.#metrics.calls.inc({ outcome: 'refused' });
    } catch {
      this.#log.error({ err: error, callId: invite.request.callId }, 'the call cannot be recorded');
      this.#metrics.calls.inc({ outcome: 'failed' });
      invite.reject({ status: 503, headers: [['Retry-After', String(this.#admission.retryAfterSec)]] });
    }
  }

  async #join(invite: IncomingInvite, reading: InviteInterpretation): Promise<RecordingSession> {
    const now = Date.now();
    const recording = await this.#live.join(reading.pairing?.key ?? null, () =>
      this.#openRecording(invite, reading, now),
    );
    for (const warning of reading.warnings) recording.warn(warning);
    const channel = reading.pairing?.side ?? null;
    const accept = invite.request.header('Accept');
    return new RecordingSession({ recording, mediaAddress: this.#config.mediaAddress, now: Date.now, channel, accept });
  }

  async #openRecording(invite: IncomingInvite, reading: InviteInterpretation, now: number): Promise<LiveRecording> {
    const { request, source } = invite;
    const facts = {
      sipCallId: request.callId,
      communicationSessionId: reading.metadata?.sessions[0]?.id ?? reading.genesys?.callUuid ?? null,
      kind: reading.kind,
      source: `${source.transport}:${source.address}:${source.port}`,
      userAgent: request.header('User-Agent') ?? null,
      genesys: reading.genesys,
    };
    const recording = await LiveRecording.open(this.#engine, facts, now);
    this.#catalogue.put(recording.view('recording', null));
    return recording;
  }

  #run(dialog: RecordingSession, session: SipSession, answerIsToCome: boolean): void {
    this.#dialogs.set(session, dialog);
    if (answerIsToCome) session.onAck = (body) => void (body && dialog.onAnswer(body));
    session.onReInvite = (request) => dialog.onReInvite(request, session);
    session.onEnded = (end) => {
      this.#dialogs.delete(session);
      dialog.onBye(end.request);
      void this.#end(dialog, end.by, end.reason);
    };
    this.#catalogue.put(dialog.recording.view('recording', null));
  }

  async #end(dialog: RecordingSession, by: string, reason: string): Promise<void> {
    const { recording } = dialog;
    const work = this.#live.leave(recording) ? this.#closeRecording(recording, by, reason) : dialog.leave();
    this.#closing.add(work);
    await work
      .catch((error) => this.#log.error({ err: error, recording: recording.id }, 'closing the recording failed'))
      .finally(() => this.#closing.delete(work));
  }

  async #closeRecording(recording: LiveRecording, by: string, reason: string): Promise<void> {
    const now = Date.now();
    this.#catalogue.put(recording.view('finalising', now));
    await recording.close(by, reason, now);
    this.#finaliser.ended(recording.id, recording.lane);
  }

  #onLaneEvent(event: LaneEvent): void {
    if (event.type === 'journal-sealed') return this.#finaliser.sealed(event.lane, event.path);
    if (event.type === 'disk-full' || event.type === 'disk-ok') this.#admission.disk(event.type === 'disk-full');
    if (event.type === 'silent') this.#onSilent(event.recordingId, event.forMs);
    this.#log[event.type === 'disk-full' || event.type === 'lane-restarted' ? 'error' : 'debug'](event, event.type);
  }

  /** A recording client that vanished sends neither media nor BYE: its ports and memory must come back. */
  #onSilent(recordingId: string, forMs: number): void {
    const { mediaTimeoutSec } = this.#config;
    if (mediaTimeoutSec === 0 || forMs < mediaTimeoutSec * 1000) return;
    for (const [session, dialog] of this.#dialogs) {
      if (dialog.recording.id !== recordingId || dialog.recording.held) continue;
      dialog.recording.warn(`ended after ${mediaTimeoutSec} s without media`);
      void session.bye().catch(() => {});
    }
  }

  #onFinalised(recording: Recording): void {
    this.#catalogue.put(recording);
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

  #sessionControl(): SessionControl {
    return {
      list: () => [...this.#live].map((recording) => recording.sessionView()),
      control: async (id, action, by) => {
        const recording = this.#live.get(id);
        if (!recording) return 'not-found';
        if (action !== 'pause' && action !== 'resume') return 'conflict';
        if (recording.paused === (action === 'pause')) return 'conflict';
        await recording.pause(action === 'pause', by, Date.now());
        return 'ok';
      },
    };
  }
}

class Cancelled extends Error {}

function readInvite({ request }: IncomingInvite): InviteInterpretation {
  return interpretInvite({
    uri: String(request.uri),
    headers: (name) => request.header(name),
    contactParams: request.contact?.params ?? new Map(),
    contentType: request.contentType,
    body: request.body,
  });
}
