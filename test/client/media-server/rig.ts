/** A conversation whose parties send real RTP into a media engine, and a recording client's endpoint. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { ConversationView, PartyView } from '../../../src/client/conversation.ts';
import type { RecordingSessionOptions } from '../../../src/client/media-server/recording-session.ts';
import { MediaEngine, type MediaSession, type PayloadType, type StreamMedia } from '../../../src/media/index.ts';
import { SipEndpoint } from '../../../src/sip/index.ts';
import { LOOPBACK, Sender, until } from '../../media/loopback.ts';
import { rtp } from '../../media/rig.ts';

export const PCMA: PayloadType = { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1, fmtp: null };
export const EVENTS: PayloadType = {
  ...{ payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, fmtp: '0-15' },
};
export const STARTED_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 600);

export function partyView(number: number, changes: Partial<PartyView> = {}): PartyView {
  return {
    id: randomUUID(),
    aor: `sip:${5000 + number}@example.com`,
    name: `Party ${number}`,
    dn: String(5000 + number),
    trunk: null,
    agentId: number === 1 ? 'agent-7' : null,
    stream: number - 1,
    payloadTypes: [PCMA, EVENTS],
    joinedAtMs: STARTED_MS,
    isHeld: false,
    ...changes,
  };
}

export function conversationView(changes: Partial<ConversationView> = {}): ConversationView {
  return {
    id: randomUUID(),
    connId: '0012023a4b5c6d7e',
    startedAtMs: STARTED_MS,
    sipCallIds: ['one@example.com', 'two@example.com'],
    ani: '5001',
    dnis: '5002',
    parties: [partyView(1), partyView(2)],
    userData: { queue: 'sales & service' },
    recordedDn: '5002',
    ...changes,
  };
}

/** A party's voice: packets whose payloads are all different. */
export class Voice {
  readonly media: StreamMedia;
  /** All payloads so far. */
  readonly sent: Buffer[] = [];
  readonly #sender: Sender;
  readonly #number: number;

  constructor(media: StreamMedia, sender: Sender, number: number) {
    this.media = media;
    this.#sender = sender;
    this.#number = number;
  }

  async say(packets: number): Promise<void> {
    for (let i = 0; i < packets; i++) {
      const seq = this.sent.length;
      const payload = Buffer.alloc(160);
      for (let n = 0; n < 40; n++) payload.writeUInt32BE((seq << 16) | (this.#number << 8) | n, n * 4);
      this.sent.push(payload);
      const packet = rtp({ seq, timestamp: seq * 160, ssrc: 0x1000 + this.#number, payloadType: 8, payload });
      await this.#sender.sent(packet, this.media);
    }
  }

  close(): void {
    this.#sender.close();
  }
}

let nextPort = 50_000;

export class ConversationRig {
  readonly media: MediaSession;
  readonly endpoint: SipEndpoint;
  readonly voices: Voice[] = [];
  view: ConversationView;
  readonly log: { level: string; facts: object; message: string }[] = [];

  private constructor(media: MediaSession, endpoint: SipEndpoint) {
    this.media = media;
    this.endpoint = endpoint;
    this.view = conversationView();
  }

  static async start(t: TestContext, parties = 2): Promise<ConversationRig> {
    const journalDir = mkdtempSync(path.join(tmpdir(), 'doubletrack-src-'));
    const ports = { lo: nextPort, hi: nextPort + 99 };
    nextPort += 100;
    const engine = await MediaEngine.start({ address: LOOPBACK, ports, journalDir, onEvent: () => {} });
    const endpoint = new SipEndpoint({
      listen: [
        { transport: 'udp', host: LOOPBACK, port: 0 },
        { transport: 'tcp', host: LOOPBACK, port: 0 },
      ],
      userAgent: 'doubletrack client',
      supported: ['siprec'],
      accept: ['application/sdp', 'multipart/mixed', 'application/rs-metadata+xml', 'application/rs-metadata'],
    });
    await endpoint.start();
    const rig = new ConversationRig(await engine.openSession(), endpoint);
    t.after(async () => {
      for (const voice of rig.voices) voice.close();
      await endpoint.close();
      await engine.close();
      rmSync(journalDir, { recursive: true, force: true });
    });
    while (rig.voices.length < parties) await rig.join();
    return rig;
  }

  /** One more party's stream. */
  async join(): Promise<Voice> {
    const sender = await Sender.open();
    const number = this.voices.length + 1;
    const media = await this.media.addStream({
      ...{ label: String(number), channel: number - 1, payloadTypes: [PCMA, EVENTS], rtcpMux: false },
      ...{ remote: sender.remote, lookBackSeconds: 10 },
    });
    const voice = new Voice(media, sender, number);
    this.voices.push(voice);
    return voice;
  }

  /** All say something, and the engine has heard it. */
  async talk(packets: number, voices = this.voices): Promise<void> {
    for (const voice of voices) await voice.say(packets);
    await until(
      () => this.media.counters().every(({ index, received }) => received === this.voices[index]!.sent.length),
      'the engine to receive',
    );
  }

  options(
    recorder: Partial<RecordingSessionOptions['recorder']>,
    more: Partial<RecordingSessionOptions> = {},
  ): RecordingSessionOptions {
    const log = (level: string) => (facts: object, message: string) => void this.log.push({ level, facts, message });
    return {
      endpoint: this.endpoint,
      recorder: { id: 'rec', uri: 'sip:127.0.0.1', form: 'siprec', srtp: null, location: null, ...recorder },
      ...{ purpose: 'compliance', id: randomUUID(), conversation: this.view, media: this.media, lookBackSec: 0 },
      ...{ setUpTimeoutMs: 5_000, params: {} },
      log: { info: log('info'), warn: log('warn') },
      ...more,
    };
  }
}
