/** A recording client in this process, recorders behind it, and parties that register with it and call each other over real sockets. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import pino from 'pino';
import { parseClientConfig } from '../../../src/client/config/index.ts';
import { RecordingClient } from '../../../src/client/recording-client.ts';
import type { CallView } from '../../../src/client/switch/call-control.ts';
import type { Recording } from '../../../src/store/recording.ts';
import { type Server, startServer, stopServer, undoing, until } from '../../server/rig.ts';
import { LOOPBACK, Party } from './party.ts';

const PASSWORD = 'secret-of-parties';

export interface RigOptions {
  /** Of the client; each recorder takes the hundred ports behind the last ones. */
  firstPort: number;
  recorders?: number;
  /** Of extensions, by DN. */
  extensions: Record<string, Record<string, unknown>>;
  /** More of client.yaml. */
  config?: Record<string, unknown>;
}

export class SwitchRig {
  readonly recorders: Server[];
  readonly client: RecordingClient;
  readonly parties = new Map<string, Party>();

  private constructor(recorders: Server[], client: RecordingClient) {
    this.recorders = recorders;
    this.client = client;
  }

  static async start(
    t: TestContext,
    { firstPort, recorders: count = 1, extensions, config = {} }: RigOptions,
  ): Promise<SwitchRig> {
    const undo = undoing(t);
    const recorders: Server[] = [];
    for (let n = 0; n < count; n++) {
      const lo = firstPort + 400 + 100 * n;
      const recorder = await startServer(`${lo}-${lo + 99}`);
      recorders.push(recorder);
      undo(() => stopServer(recorder));
    }
    const text = JSON.stringify({
      ...{ sip: ['udp:127.0.0.1:0'], http: '127.0.0.1:0', logLevel: 'silent' },
      media: { address: LOOPBACK, ports: `${firstPort}-${firstPort + 399}`, lanes: 1 },
      extensions: Object.entries(extensions).map(([dn, more]) => ({
        dn,
        name: `Party ${dn}`,
        password: PASSWORD,
        ...more,
      })),
      recorders: recorders.map(({ udpPort }, n) => ({ id: `recorder-${n + 1}`, uri: `sip:${LOOPBACK}:${udpPort}` })),
      groups:
        count > 0 ? [{ name: 'main', recorders: recorders.map((_, n) => `recorder-${n + 1}`), heartbeatSec: 1 }] : [],
      ...config,
      recording: { ...(count > 0 ? { group: 'main' } : {}), ...(config.recording as object | undefined) },
    });
    const client = await RecordingClient.start(parseClientConfig(text, 'client.yaml'), pino({ level: 'silent' }));
    undo(() => client.drain(0));
    const rig = new SwitchRig(recorders, client);
    if (count > 0) await rig.#recordersUp();
    for (const dn of Object.keys(extensions)) {
      const party = await Party.open(dn);
      undo(() => party.close());
      rig.parties.set(dn, party);
      await rig.register(dn);
    }
    return rig;
  }

  /** Until then the one that has answered first is preferred, whatever the order. */
  async #recordersUp(): Promise<void> {
    await until('the recorders to be up', async () => {
      const items = await itemsOf<{ state: string }>(`${this.client.httpUrl}/api/v1/recorders`);
      return items.every(({ state }) => state === 'up');
    });
  }

  get port(): number {
    return this.client.sipAddresses[0]!.port;
  }

  party(dn: string): Party {
    return this.parties.get(dn)!;
  }

  uri(number: string): string {
    return `sip:${number}@${LOOPBACK}:${this.port}`;
  }

  async register(dn: string): Promise<void> {
    const party = this.party(dn);
    const response = await party.endpoint.request({
      ...{ method: 'REGISTER', uri: `sip:${LOOPBACK}:${this.port}`, to: this.uri(dn), from: this.uri(dn) },
      headers: [
        ['Contact', `<sip:${dn}@${LOOPBACK}:${party.port}>`],
        ['Expires', '600'],
      ],
      credentials: { username: dn, password: PASSWORD },
    });
    assert.equal(response.status, 200);
  }

  /** From one to another; established when this resolves. */
  async call(from: string, to: string, options: Parameters<Party['call']>[1] = {}): Promise<void> {
    const credentials = { username: from, password: PASSWORD };
    await this.party(from).call(this.uri(to), { from: `<${this.uri(from)}>`, credentials, ...options });
  }

  /** Each says so many packets, numbered from `first`, and the other hears all of them. */
  async talk(one: string, other: string, count: number, first: number): Promise<void> {
    const [a, b] = [this.party(one), this.party(other)];
    const [before, beforeOther] = [a.heard.length, b.heard.length];
    for (let n = 0; n < count; n++) {
      a.send(first + n);
      b.send(10_000 + first + n);
    }
    await until(`${other} to hear ${one}`, () => b.heard.length >= beforeOther + count);
    await until(`${one} to hear ${other}`, () => a.heard.length >= before + count);
  }

  async calls(): Promise<CallView[]> {
    return await itemsOf<CallView>(`${this.client.httpUrl}/api/v1/calls`);
  }

  /** Contacts by DN. */
  async registrations(): Promise<Map<string, string[]>> {
    const url = `${this.client.httpUrl}/api/v1/registrations`;
    const items = await itemsOf<{ dn: string; contacts: { uri: string }[] }>(url);
    return new Map(items.map(({ dn, contacts }) => [dn, contacts.map(({ uri }) => uri)]));
  }

  /** The call that is there, as soon as it is as wanted. */
  async callWith(what: string, is: (call: CallView) => boolean): Promise<CallView> {
    return await until(`a call ${what}`, async () => (await this.calls()).find(is));
  }

  async post(path: string, body: object): Promise<Response> {
    return await fetch(`${this.client.httpUrl}${path}`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
    });
  }

  /** Of one recorder, when so many are complete. */
  async recordings(count: number, recorder = 0): Promise<Recording[]> {
    const { http } = this.recorders[recorder]!;
    return await until(`${count} recordings`, async () => {
      const items = await itemsOf<Recording>(`${http}/api/v1/recordings`);
      return items.length >= count && items.every(({ state }) => state === 'complete') ? items : null;
    });
  }
}

async function itemsOf<T>(url: string): Promise<T[]> {
  return ((await (await fetch(url)).json()) as { items: T[] }).items;
}

/** What of a recording's streams was received, by channel. */
export function received(recording: Recording): number[] {
  return recording.streams.toSorted((a, b) => a.channel - b.channel).map(({ packets }) => packets.received);
}
