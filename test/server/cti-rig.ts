/** A recording server that is a client of a CTI link over a fake switch, and a way between the two that can be cut. */
import { once } from 'node:events';
import { connect, createServer, type Socket, type Server as TcpServer } from 'node:net';
import type { TestContext } from 'node:test';
import type { CallView } from '../../src/client/switch/call-control.ts';
import type { FakeSwitch } from '../client/cti/fake-switch.ts';
import { startRig, TOKEN } from '../client/cti/rig.ts';
import { Client, metric, type Server, startServer, stopServer, undoing, until } from './rig.ts';

/** Passes octets on until it is cut; then it takes no connection before it is mended. */
export class Way {
  readonly #server: TcpServer;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;

  private constructor(target: number) {
    this.#server = createServer((socket) => {
      if (!this.#isOpen) return void socket.destroy();
      const onward = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  static async to(port: number): Promise<Way> {
    const way = new Way(port);
    way.#server.listen(0, '127.0.0.1');
    await once(way.#server, 'listening');
    return way;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as { port: number }).port}/cti`;
  }

  cut(): void {
    this.#isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  mend(): void {
    this.#isOpen = true;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

export interface Linked {
  fake: FakeSwitch;
  server: Server;
  client: Client;
  way: Way;
  /** Waits until the recording server has taken in so many events, and is connected. */
  told(events: number): Promise<void>;
  isUp(): Promise<void>;
}

/** @param options of the recording server; the client calls as Genesys' media server does where `contactParams` are none. */
export async function linked(
  t: TestContext,
  mediaPorts: string,
  options: Record<string, unknown> = {},
  contactParams: string[] = [],
): Promise<Linked> {
  const undo = undoing(t);
  const ends: (() => Promise<unknown> | unknown)[] = [];
  const rig = await startRig({ after: (end: () => unknown) => void ends.push(end) } as unknown as TestContext);
  undo(async () => {
    for (const end of ends) await end();
  });
  const way = await Way.to(Number(new URL(rig.server.url).port));
  undo(() => way.close());
  const server = await startServer(mediaPorts, { ctiUrl: way.url, ctiToken: TOKEN, ...options });
  undo(() => stopServer(server));
  const client = await Client.start(server, contactParams);
  undo(() => client.close());
  const isUp = async () => {
    await until('the CTI link', async () => (await metric(server, 'doubletrack_cti_up')) === 1);
  };
  const told = async (events: number) => {
    await until(`${events} events`, async () => (await metric(server, 'doubletrack_cti_events_total')) >= events);
    await isUp();
  };
  await isUp();
  return { fake: rig.switch, server, client, way, told, isUp };
}

/** Request-URI of Genesys' media server for a call of the switch. */
export function recordUri({ udpPort }: Server, call: CallView, recordId: string): string {
  const uuid = call.id.replaceAll('-', '');
  return `sip:record=${recordId}@127.0.0.1:${udpPort};calluuid=${uuid};dn=${call.ani};otherDN=${call.dnis};recordDN=${call.ani}`;
}
