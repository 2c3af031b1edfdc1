/** The CTI link as the recordings know it: its events become their facts and pauses, and operators' pauses become requests. */
import type { Logger } from 'pino';
import type { CtiControl, CtiRefusal, RecordRequest } from '../http/index.ts';
import type { GenesysInfo } from '../siprec/genesys.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { ServerCtiConfig } from './config.ts';
import { CtiCalls } from './cti-calls.ts';
import { CtiClient, type CtiLinkState, CtiRequestFailed } from './cti-client.ts';
import type { LiveRecording } from './live-recording.ts';
import type { RecordingFollower } from './recording-follower.ts';

const ASK_TIMEOUT_MS = 5000;
const REFUSALS = new Map<string, CtiRefusal>([
  ['unknown-call', 'not-found'],
  ['wrong-state', 'conflict'],
  ['not-your-call', 'conflict'],
  ['invalid-attribute', 'conflict'],
]);

export class CtiFollower implements RecordingFollower, CtiControl {
  readonly #config: ServerCtiConfig;
  readonly #log: Logger;
  readonly #calls: CtiCalls;
  readonly #client: CtiClient;

  constructor(config: ServerCtiConfig, catalogue: Catalogue, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#calls = new CtiCalls({
      ...{ catalogue, followPause: config.followPause, now: Date.now },
      onError: (error, recording) => log.error({ err: error, recording }, 'CTI: the recording could not follow'),
    });
    const { url, token, ca, cert, key } = config;
    this.#client = new CtiClient({ url, token, ca, cert, key, log, onEvent: (event) => this.#calls.onEvent(event) });
  }

  get state(): CtiLinkState {
    return this.#client.state;
  }

  start(): void {
    this.#client.start();
  }

  close(): void {
    this.#client.close();
  }

  runs(recording: LiveRecording): void {
    this.#calls.runs(recording);
  }

  ended(recording: LiveRecording): void {
    this.#calls.ended(recording);
  }

  async record({ call, record, id, actor, reason }: RecordRequest): ReturnType<CtiControl['record']> {
    const { privateMessages } = this.#client;
    if (privateMessages === null) return { result: 'unavailable', detail: 'the CTI link is down' };
    const extensions = { ...(record ? { record } : {}), ...(id ? { id } : {}) };
    const request = {
      message: 'RequestPrivateService' as const,
      PrivateMsgID: privateMessages.start,
      ...(call.length === 16 ? { ConnID: call } : { CallUUID: call }),
      Extensions: extensions,
      Reasons: { actor, reason },
    };
    try {
      const answer = await this.#client.request(request);
      return { result: 'ok', sessions: answer.Extensions ?? [] };
    } catch (error) {
      if (!(error instanceof CtiRequestFailed)) throw error;
      return { result: REFUSALS.get(error.error) ?? 'unavailable', detail: error.message };
    }
  }

  /** It is paused here already: nobody waits for the switch. */
  controlled(recording: LiveRecording, action: 'pause' | 'resume', by: { actor: string; reason: string }): void {
    if (!this.#config.askPause) return;
    this.#ask(recording, action, by).catch((error: Error) => {
      this.#log.error({ recording: recording.id, reason: error.message }, `the switch was not told to ${action}`);
      recording.warn(`the switch was not told to ${action}: ${error.message}`);
    });
  }

  async #ask(recording: LiveRecording, action: 'pause' | 'resume', by: { actor: string; reason: string }) {
    const { privateMessages } = this.#client;
    const callUuid = this.#calls.callUuidOf(recording.id);
    if (privateMessages === null) throw new Error('the CTI link is down');
    if (callUuid === null) throw new Error('the CTI link has told of no such call');
    const recordId = (recording.facts.genesys as GenesysInfo | null)?.recordId;
    const request = {
      message: 'RequestPrivateService' as const,
      PrivateMsgID: privateMessages[action],
      CallUUID: callUuid,
      ...(recordId ? { Extensions: { id: recordId } } : {}),
      Reasons: { actor: by.actor, reason: by.reason },
    };
    await this.#client.request(request, ASK_TIMEOUT_MS);
  }
}
