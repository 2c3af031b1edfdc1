/**
 * Everything that a recorded call takes, as real processes: phones, the recording client between them, recorders, and a capture of
 * what goes over the loopback. One for a file of tests; scenarios run side by side in it, each with DNs of its own.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Recording } from '../../../src/store/recording.ts';
import { undoing, until } from '../../server/rig.ts';
import { Capture, type Captured, type CapturedRtp, type PortRange, withoutDumpcap } from '../phones/capture.ts';
import { Phone, type PhoneOptions, PORTS_PER_PHONE, withoutBaresip } from '../phones/phone.ts';
import { PortBlock } from '../phones/ports.ts';
import { writeNoise } from '../phones/sound.ts';
import { getJson, newDataFolder, type Recorder, removeFolder, startRecorder, stopRecorder } from '../recorder.ts';
import { channelsOf, wavOf } from '../secure-recorder.ts';
import { ClientProcess } from './client-process.ts';
import { type Heard, heardIn } from './heard.ts';

export const skipWorld = withoutBaresip || withoutDumpcap;

const PORTS_OF_WORLD = 1_400;
const RECORDER_PORTS = 160;
const CLIENT_PORTS = 400;
/** Longer than any call here. */
const SOUND_SECONDS = 60;
const PASSWORD = 'secret-of-phones';

export interface Extension {
  dn: string;
  [option: string]: unknown;
}

/** Where recordings are. */
export type Archive = Pick<Recorder, 'data' | 'http'>;

export interface WorldOptions {
  extensions: Extension[];
  /** So many of ours: `recorder-1` and so on. */
  recorders: number;
  /** Options of `serve`. */
  recorderOptions?: string[];
  /** The rest of client.yaml. */
  config: (world: World) => Record<string, unknown> | Promise<Record<string, unknown>>;
}

export class World {
  readonly folder = newDataFolder();
  readonly ports: PortBlock;
  readonly recorders: Recorder[] = [];
  client!: ClientProcess;
  capture!: Capture;
  readonly #recorderMedia: PortRange[] = [];
  #failed = false;
  #sounds = 0;

  private constructor(firstPort: number) {
    this.ports = new PortBlock(firstPort, PORTS_OF_WORLD);
  }

  static async open(firstPort: number, options: WorldOptions): Promise<World> {
    const world = new World(firstPort);
    try {
      await world.#start(options);
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  async #start({ extensions, recorders, recorderOptions = [], config }: WorldOptions): Promise<void> {
    this.capture = await Capture.start(path.join(this.folder, 'lo.pcapng'), this.ports);
    await Promise.all(
      Array.from({ length: recorders }, async (_, index) => {
        this.recorders[index] = await this.startRecorder(newDataFolder(), recorderOptions);
      }),
    );
    const { lo: sipPort, hi: httpPort } = this.ports.take(2);
    const media = this.ports.take(CLIENT_PORTS);
    const { media: mediaOptions, ...own } = await config(this);
    this.client = await ClientProcess.start(this.folder, {
      sip: [`udp:127.0.0.1:${sipPort}`, `tcp:127.0.0.1:${sipPort}`],
      http: `127.0.0.1:${httpPort}`,
      media: { address: '127.0.0.1', ports: `${media.lo}-${media.hi}`, lanes: 1, ...(mediaOptions as object) },
      extensions: extensions.map((extension) => ({ password: PASSWORD, digest: ['MD5'], ...extension })),
      ...own,
    });
    // Which one is first must not decide which one is chosen.
    const uris = this.recorders.map((_, index) => this.recorderUri(index));
    await until('the recorders to be up', async () => {
      const known = await this.client.recorders();
      return known.filter(({ uri }) => uris.includes(uri)).every(({ state }) => state === 'up');
    });
  }

  async startRecorder(data: string, options: string[] = []): Promise<Recorder> {
    const { lo, hi } = this.ports.take(RECORDER_PORTS);
    this.#recorderMedia.push({ lo, hi });
    return await startRecorder(data, ['--media-ports', `${lo}-${hi}`, '--lanes', '1', '--keep-packets', ...options]);
  }

  /** `sip:` URI of one of our recorders. */
  recorderUri(index: number): string {
    return `sip:recorder@127.0.0.1:${this.recorders[index]!.udpPort}`;
  }

  /** Options of the client's own recorder, which has its data in {@link World.local}. */
  localOptions(): Record<string, unknown> {
    const { lo, hi } = this.ports.take(RECORDER_PORTS);
    this.#recorderMedia.push({ lo, hi });
    return { dir: path.join(this.folder, 'local'), http: '127.0.0.1:0', ports: `${lo}-${hi}` };
  }

  get local(): Archive {
    return { data: path.join(this.folder, 'local'), http: this.client.localHttp! };
  }

  /** Registered phones, with what each says different. They end with the test. */
  async phones(t: TestContext, ...all: (Partial<PhoneOptions> & { dn: string })[]): Promise<Phone[]> {
    const undo = undoing(t);
    const phones: Phone[] = [];
    undo(() => {
      if ((t as { passed?: boolean }).passed) return;
      this.#failed = true;
      for (const phone of phones) t.diagnostic(`phone ${phone.dn}:\n${phone.logTail()}`);
      t.diagnostic(`client:\n${this.client.logTail()}`);
    });
    await Promise.all(
      all.map(async (options, index) => {
        const audioFile = path.join(this.folder, `${options.dn}.wav`);
        writeNoise(audioFile, SOUND_SECONDS, ++this.#sounds);
        const { lo: port } = this.ports.take(PORTS_PER_PHONE);
        const registrar = `127.0.0.1:${this.client.sipPort}`;
        const phone = await Phone.start({ password: PASSWORD, registrar, port, audioFile, ...options });
        undo(() => phone.stop());
        phones[index] = phone;
        await phone.register();
      }),
    );
    return phones;
  }

  async captured(): Promise<Captured> {
    return await this.capture.soFar();
  }

  /** Finished recordings that a DN takes part in. */
  async recordings(dn: string, count: number, recorder: number | Archive = 0): Promise<Recording[]> {
    const { http } = this.#archive(recorder);
    return await until(`${count} recordings of ${dn}`, async () => {
      const { items } = await getJson<{ items: Recording[] }>(`${http}/api/v1/recordings?limit=500`);
      const found = items.filter(({ participants }) => participants.some(({ aor }) => isOf(aor, dn)));
      const done = found.filter(({ state }) => state === 'complete' || state === 'failed');
      assert.ok(found.length <= count, `${found.length} recordings of ${dn} where ${count} are expected`);
      return done.length === count ? done : null;
    });
  }

  /** What of a phone's packets is in a recording, on the channel of its DN. */
  heard(
    recording: Recording,
    dn: string,
    sent: readonly CapturedRtp[],
    recorder: number | Archive = 0,
    looseMs = 0,
  ): Heard[] {
    return heardIn(this.channel(recording, dn, recorder), sent, `recording of ${dn}`, looseMs);
  }

  channel(recording: Recording, dn: string, recorder: number | Archive = 0): Int16Array {
    const { channel } = recording.participants.find(({ aor }) => isOf(aor, dn))!;
    assert.ok(channel === 0 || channel === 1, `the channel of ${dn} is ${channel}`);
    return channelsOf(wavOf(this.#archive(recorder), recording.id))[channel]!;
  }

  #archive(recorder: number | Archive): Archive {
    return typeof recorder === 'number' ? this.recorders[recorder]! : recorder;
  }

  /** Whether one of our recorders takes media there. */
  isOfRecorder(port: number): boolean {
    return this.#recorderMedia.some(({ lo, hi }) => port >= lo && port <= hi);
  }

  /** Everything that a recorder has on disk. */
  filesOf(recorder = 0): Buffer[] {
    const { data } = this.recorders[recorder]!;
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return files.map((file) => readFileSync(path.join(file.parentPath, file.name)));
  }

  async close(): Promise<void> {
    const codes = [await this.client?.stop()];
    for (const recorder of this.recorders) codes.push(await stopRecorder(recorder));
    this.capture?.abandon();
    if (this.#failed || process.env.DOUBLETRACK_KEEP) process.stderr.write(`kept: ${this.folder}\n`);
    else for (const folder of [this.folder, ...this.recorders.map(({ data }) => data)]) removeFolder(folder);
    if (!this.#failed)
      assert.ok(
        codes.every((code) => code === 0 || code === undefined || code === null),
        `exit codes ${codes}`,
      );
  }
}

function isOf(aor: string | null, dn: string): boolean {
  return new RegExp(`^(sip:|tel:)${dn}(@|$)`).test(aor ?? '');
}

/** From its dialling to both being connected; the Call-ID on the side of the first. */
export async function talk(from: Phone, to: Phone, number = to.dn): Promise<string> {
  await from.dial(number);
  const [{ id }] = await Promise.all([from.event('CALL_ESTABLISHED'), to.event('CALL_ESTABLISHED')]);
  return id!;
}

export async function hangUp(phone: Phone, ...others: Phone[]): Promise<void> {
  await phone.hangUp();
  await Promise.all(others.map((other) => other.event('CALL_CLOSED')));
}
