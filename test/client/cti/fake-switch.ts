/** A switch for the CTI link's protocol: calls that exist on paper, with the interface of the real one. */
import { randomUUID } from 'node:crypto';
import {
  type CallControl,
  CallNotFound,
  type CallState,
  type CallView,
  type ControlRequest,
  NoRecorder,
  type RecorderView,
  type RecordingSessionView,
  type RegistrationView,
  type StartRequest,
  type SwitchEvent,
  WrongState,
} from '../../../src/client/switch/call-control.ts';

export interface FakeCall {
  from: string;
  to: string;
  id?: string;
  connId?: string;
  agents?: Record<string, string>;
  /** Numbers that are behind a trunk. */
  outside?: string[];
  sipCallIds?: string[];
}

type Details = Partial<Pick<SwitchEvent, 'thirdDn' | 'previousConnId' | 'cause' | 'recording' | 'changed' | 'otherDn'>>;

export const START_MS = Date.UTC(2026, 0, 31, 9, 30, 0, 250);

export class FakeSwitch implements CallControl {
  readonly #calls = new Map<string, CallView>();
  readonly #listeners = new Set<(event: SwitchEvent) => void>();
  /** What was asked of it. */
  readonly done: { what: string; call: string; request: StartRequest | ControlRequest | null }[] = [];
  hasRecorder = true;
  /** Answers to requests wait for it. */
  gate: Promise<void> = Promise.resolve();
  nowMs = START_MS;
  #nextConnId = 1;

  newCall({ from, to, agents = {}, outside = [], ...given }: FakeCall): CallView {
    const id = given.id ?? randomUUID();
    const connId = given.connId ?? (this.#nextConnId++).toString(16).padStart(16, '0');
    const parties = [from, to].map((number, stream) => ({
      id: randomUUID(),
      aor: `sip:${number}@example.com`,
      name: `Phone ${number}`,
      dn: outside.includes(number) ? null : number,
      trunk: outside.includes(number) ? 'carrier' : null,
      agentId: agents[number] ?? null,
      stream,
      payloadTypes: [],
      joinedAtMs: this.nowMs,
      isHeld: false,
    }));
    return this.#put({
      ...{ id, connId, parties, startedAtMs: this.nowMs, state: 'ringing', ani: from, dnis: to },
      sipCallIds: given.sipCallIds ?? [`${connId}-a@example.com`, `${connId}-b@example.com`],
      ...{ userData: {}, recordedDn: null, recordings: [] },
    });
  }

  /** One event for each DN of the call that the type is about. */
  happens(type: SwitchEvent['type'], id: string, dn: string, details: Details = {}): void {
    const call = this.#known(id);
    const other = call.parties.find((party) => party.dn !== dn);
    const event: SwitchEvent = {
      ...{ type, dn, call, atMs: this.nowMs, otherDn: other?.dn ?? other?.aor ?? null },
      ...{ thirdDn: null, previousConnId: null, cause: null },
      ...details,
    };
    for (const listener of this.#listeners) listener(event);
  }

  setState(id: string, state: CallState): void {
    this.#put({ ...this.#known(id), state });
  }

  /** The whole life of a call up to its being established. */
  establish(id: string): void {
    const { ani, dnis } = this.#known(id);
    this.happens('dialing', id, ani);
    this.happens('ringing', id, dnis);
    this.setState(id, 'established');
    for (const dn of this.#dns(id)) this.happens('established', id, dn);
  }

  release(id: string): void {
    const dns = this.#dns(id);
    const recordings = this.#known(id).recordings.map((one) => ({ ...one, state: 'ended' as const }));
    this.#put({ ...this.#known(id), state: 'ended', recordings });
    for (const dn of dns) this.happens('released', id, dn, { cause: 'BYE' });
  }

  forget(id: string): void {
    this.#calls.delete(this.#known(id).id);
  }

  calls(): CallView[] {
    return [...this.#calls.values()];
  }

  call(id: string): CallView | null {
    const is = (call: CallView) => [call.id, call.id.replaceAll('-', ''), call.connId].includes(id);
    return this.calls().find(is) ?? null;
  }

  callsOf(dn: string): CallView[] {
    return this.calls().filter((call) => call.parties.some((party) => party.dn === dn));
  }

  async startRecording(id: string, request: StartRequest): Promise<RecordingSessionView[]> {
    this.done.push({ what: 'start', call: id, request });
    await this.gate;
    if (!this.hasRecorder) throw new NoRecorder('no recorder of the group main is up: see GET /api/v1/recorders');
    const session: RecordingSessionView = {
      ...{ id: request.id ?? randomUUID(), recorder: request.dest ?? 'first', purpose: 'dynamic' },
      ...{ state: 'recording', sinceMs: this.nowMs, packetsSent: 0, packetsLost: null },
    };
    const call = this.#known(id);
    const recordedDn = request.record === 'source' ? call.ani : call.dnis;
    this.#put({ ...call, recordedDn, recordings: [...call.recordings, session] });
    this.#tellRecording(id, session, 'on');
    return [session];
  }

  stopRecording(id: string, request: ControlRequest): Promise<void> {
    return this.#control('stop', id, request, ['recording', 'paused'], 'ended');
  }

  pauseRecording(id: string, request: ControlRequest): Promise<void> {
    return this.#control('pause', id, request, ['recording'], 'paused');
  }

  resumeRecording(id: string, request: ControlRequest): Promise<void> {
    return this.#control('resume', id, request, ['paused'], 'recording');
  }

  attach(id: string, data: Record<string, string | null>): void {
    const call = this.#known(id);
    const userData = new Map(Object.entries(call.userData));
    for (const [key, value] of Object.entries(data)) {
      if (value === null) userData.delete(key);
      else userData.set(key, value);
    }
    this.#put({ ...call, userData: Object.fromEntries(userData) });
    for (const dn of this.#dns(id)) this.happens('data-changed', id, dn, { changed: data });
  }

  async hangUp(id: string): Promise<void> {
    this.release(id);
  }

  registrations(): RegistrationView[] {
    return [];
  }

  recorders(): RecorderView[] {
    return [];
  }

  async addParty(): Promise<string> {
    return randomUUID();
  }

  async supervise(): Promise<string> {
    return randomUUID();
  }

  on(listener: (event: SwitchEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async #control(
    what: string,
    id: string,
    request: ControlRequest,
    from: RecordingSessionView['state'][],
    to: RecordingSessionView['state'],
  ): Promise<void> {
    this.done.push({ what, call: id, request });
    await this.gate;
    const call = this.#known(id);
    const meant = call.recordings.filter(({ id: one }) => request.recording === undefined || one === request.recording);
    const changed = meant.filter(({ state }) => from.includes(state));
    if (changed.length === 0) throw new WrongState(`the call has no recording session that can ${what}`);
    const recordings = call.recordings.map((one) => (changed.includes(one) ? { ...one, state: to } : one));
    this.#put({ ...call, recordings });
    const told = { recording: 'on', paused: 'paused', ended: 'off' } as const;
    for (const one of changed) this.#tellRecording(id, one, told[to]);
  }

  #tellRecording(id: string, { id: recording, recorder }: RecordingSessionView, state: 'on' | 'paused' | 'off'): void {
    const call = this.#known(id);
    this.happens('recording', id, call.recordedDn ?? call.ani, { recording: { id: recording, recorder, state } });
  }

  #dns(id: string): string[] {
    return this.#known(id).parties.flatMap(({ dn }) => (dn === null ? [] : [dn]));
  }

  #known(id: string): CallView {
    const call = this.call(id);
    if (!call) throw new CallNotFound(`there is no call ${id}`);
    return call;
  }

  #put(call: CallView): CallView {
    this.#calls.set(call.id, call);
    return call;
  }
}
