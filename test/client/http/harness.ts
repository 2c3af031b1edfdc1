/** A real HTTP server on loopback over calls that are data. */
import { createClientHttp, createClientMetrics, listenHttp } from '../../../src/client/http/index.ts';
import {
  type CallControl,
  CallNotFound,
  type CallView,
  type RecorderView,
  type RegistrationView,
} from '../../../src/client/switch/call-control.ts';

export const CALL_ID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8';
export const CALL_UUID = CALL_ID.replaceAll('-', '');
const STARTED_MS = Date.UTC(2026, 0, 5, 12);

export function callView(changes: Partial<CallView> = {}): CallView {
  const codec = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, fmtp: null };
  const party = { trunk: null, payloadTypes: [codec], joinedAtMs: STARTED_MS + 1000, isHeld: false };
  return {
    ...{
      id: CALL_ID,
      connId: '006a0287f4b21234',
      state: 'established',
      startedAtMs: STARTED_MS,
      ani: '1001',
      dnis: '1002',
    },
    ...{ sipCallIds: ['a@b', 'c@d'], userData: { queue: 'sales' }, recordedDn: '1001' },
    parties: [
      { ...party, id: 'p-1', aor: 'sip:1001@127.0.0.1', name: 'Reception', dn: '1001', agentId: 'agent-7', stream: 0 },
      { ...party, id: 'p-2', aor: 'sip:1002@127.0.0.1', name: '', dn: '1002', agentId: null, stream: 1, isHeld: true },
    ],
    recordings: [
      {
        ...{ id: 'rec-1', recorder: 'recorder-1', purpose: 'main', state: 'recording', sinceMs: STARTED_MS + 1500 },
        ...{ packetsSent: 7, packetsLost: null },
      },
    ],
    ...changes,
  };
}

/** Remembers what it was asked to do, and does what the test says. */
export class TestCalls implements CallControl {
  running: CallView[] = [callView()];
  registered: RegistrationView[] = [
    {
      ...{ dn: '1001', name: 'Reception' },
      contacts: [{ uri: 'sip:1001@127.0.0.1:9', expiresAtMs: STARTED_MS, userAgent: 'x' }],
    },
    { dn: '1002', name: 'Sales', contacts: [] },
  ];
  known: RecorderView[] = [
    {
      ...{ id: 'recorder-1', uri: 'sip:127.0.0.1:5060', groups: ['main'], state: 'up', sessions: 3, load: 0.25 },
      ...{ cause: null, lastProbeMs: STARTED_MS },
    },
    {
      ...{ id: 'recorder-2', uri: 'sip:127.0.0.1:5062', groups: ['main'], state: 'down', sessions: 0, load: null },
      ...{ cause: 'no answer to OPTIONS', lastProbeMs: null },
    },
  ];
  failure: Error | null = null;
  readonly asked: unknown[][] = [];

  calls = () => this.running;
  call = (id: string) => this.running.find((call) => [call.id, call.connId, CALL_UUID].includes(id)) ?? null;
  callsOf = (dn: string) => this.running.filter(({ parties }) => parties.some((party) => party.dn === dn));
  registrations = () => this.registered;
  recorders = () => this.known;
  on = () => () => {};

  async #does(name: string, ...with_: unknown[]): Promise<void> {
    this.asked.push([name, ...with_]);
    if (this.failure) throw this.failure;
  }

  async startRecording(call: string, request: unknown) {
    await this.#does('startRecording', call, request);
    return this.running[0]!.recordings;
  }
  stopRecording = (call: string, request: unknown) => this.#does('stopRecording', call, request);
  pauseRecording = (call: string, request: unknown) => this.#does('pauseRecording', call, request);
  resumeRecording = (call: string, request: unknown) => this.#does('resumeRecording', call, request);
  hangUp = (call: string, reason: string) => this.#does('hangUp', call, reason);

  attach(id: string, data: Record<string, string | null>): void {
    this.asked.push(['attach', id, data]);
    const call = this.call(id);
    if (!call) throw new CallNotFound(`no call ${id}: GET /api/v1/calls lists those that run`);
    const userData = { ...call.userData };
    for (const [key, value] of Object.entries(data)) {
      if (value === null) delete userData[key];
      else userData[key] = value;
    }
    this.running = this.running.map((other) => (other === call ? { ...call, userData } : other));
  }

  async addParty(call: string, number: string): Promise<string> {
    await this.#does('addParty', call, number);
    return 'party-1';
  }

  async supervise(options: unknown): Promise<string> {
    await this.#does('supervise', options);
    return 'supervision-1';
  }
}

export interface TestServer {
  calls: TestCalls;
  port: number;
  setReady(ready: boolean): void;
  get(target: string, headers?: Record<string, string>): Promise<Response>;
  post(target: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

export async function startServer(): Promise<TestServer> {
  const calls = new TestCalls();
  let ready = true;
  const metrics = createClientMetrics({ control: calls });
  const app = createClientHttp({ control: calls, metrics, health: { ready: () => ready }, version: '1.2.3' });
  const port = await listenHttp(app, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    calls,
    port,
    setReady: (value) => {
      ready = value;
    },
    get: (target, headers = {}) => fetch(url + target, { headers }),
    post: (target, body, headers = { 'content-type': 'application/json' }) =>
      fetch(url + target, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) }),
    close: () => app.close(),
  };
}
