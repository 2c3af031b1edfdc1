/**
 * Joins what the CTI link tells of calls to the recordings of them, whichever is known first: facts go into the journal and the
 * catalogue while the recording runs, and into the catalogue alone when they come after its end (a link that was lost, data that an
 * agent attaches afterwards).
 */
import { type CallEvent, GSIP_RECORD, type PartyInfo, type RecordState } from '../cti/index.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { RecordingCti } from '../store/recording.ts';
import { eventKeys, recordingKeys } from './cti-keys.ts';
import type { LiveRecording } from './live-recording.ts';

export interface CtiCallsOptions {
  catalogue: Pick<Catalogue, 'get' | 'put'>;
  /** Pauses of the switch are pauses here. */
  followPause: boolean;
  now: () => number;
  onError: (error: unknown, recordingId: string) => void;
  /** Calls, and recordings that have ended, that are remembered. */
  maxKept?: number;
}

/** What is asked of a recording that runs. */
export type FollowedRecording = Pick<
  LiveRecording,
  'id' | 'facts' | 'metadata' | 'paused' | 'setCti' | 'pause' | 'view'
>;

interface KnownCall {
  keys: Set<string>;
  facts: RecordingCti;
  recordState: RecordState | null;
  joined: Set<Joinable>;
}

/** A recording that runs, or has ended not long ago. */
interface Joinable {
  id: string;
  keys: Set<string>;
  /** Null: it has ended. */
  live: FollowedRecording | null;
  call: KnownCall | null;
  /** As last stored, but for the time. */
  stored: string;
  /** Which kind of news has paused it: of this one recording, or of the call. */
  pausedBy: 'session' | 'call' | null;
  /** Pauses and their ends, one after another. */
  work: Promise<void>;
}

const MAX_KEPT = 5000;
const MAX_AGENTS = 64;
const MAX_PAIRS = 256;
const MAX_DATA_CHARACTERS = 32 * 1024;
/** Of an agent it says nothing that a phone rings, or that somebody else has hung up. */
const WITHOUT_AGENT = new Set(['EventDialing', 'EventRinging', 'EventAbandoned', 'EventAttachedDataChanged']);

export class CtiCalls {
  readonly #options: CtiCallsOptions;
  readonly #maxKept: number;
  /** By CallUUID; the one of which nothing was heard for longest is the first. */
  readonly #calls = new Map<string, KnownCall>();
  readonly #callByKey = new Map<string, KnownCall>();
  readonly #recordings = new Map<string, Joinable>();
  readonly #recordingByKey = new Map<string, Set<Joinable>>();

  constructor(options: CtiCallsOptions) {
    this.#options = options;
    this.#maxKept = options.maxKept ?? MAX_KEPT;
  }

  onEvent(event: CallEvent | PartyInfo): void {
    const call = this.#update(event);
    for (const key of eventKeys(event)) {
      if (call.keys.has(key)) continue;
      call.keys.add(key);
      this.#callByKey.set(key, call);
      for (const recording of this.#recordingByKey.get(key) ?? []) if (!recording.call) this.#join(recording, call);
    }
    for (const recording of call.joined) this.#store(recording, call.facts);
    this.#followSession(event);
    this.#followCall(call, event);
    this.#forgetCalls();
  }

  /** A recording runs, or something new is known of it. */
  runs(live: FollowedRecording): void {
    let recording = this.#recordings.get(live.id);
    if (!recording) {
      recording = {
        ...{ id: live.id, live, keys: new Set<string>(), call: null, stored: '', pausedBy: null },
        work: Promise.resolve(),
      };
      this.#recordings.set(live.id, recording);
    }
    for (const key of recordingKeys(live.facts, live.metadata)) {
      if (recording.keys.has(key)) continue;
      recording.keys.add(key);
      const sharing = this.#recordingByKey.get(key) ?? new Set();
      this.#recordingByKey.set(key, sharing.add(recording));
      const call = this.#callByKey.get(key);
      if (call && !recording.call) this.#join(recording, call);
    }
  }

  ended({ id }: FollowedRecording): void {
    const recording = this.#recordings.get(id);
    if (!recording) return;
    recording.live = null;
    // Behind those that still run: the first ones are forgotten.
    this.#recordings.delete(id);
    this.#recordings.set(id, recording);
    this.#forgetRecordings();
  }

  /** The CallUUID of a recording's call; null: the link has told of none. */
  callUuidOf(recordingId: string): string | null {
    return this.#recordings.get(recordingId)?.call?.facts.callUuid ?? null;
  }

  #update(event: CallEvent | PartyInfo): KnownCall {
    const uuid = event.CallUUID;
    const known = this.#calls.get(uuid);
    const call = known ?? { keys: new Set(), facts: this.#noFacts(uuid), recordState: null, joined: new Set() };
    this.#calls.delete(uuid);
    this.#calls.set(uuid, call);
    const { facts } = call;
    const atMs =
      event.message === 'EventPartyInfo' ? this.#options.now() : event.TimeinSecs * 1000 + event.TimeinuSecs / 1000;
    call.facts = {
      connId: event.ConnID,
      callUuid: uuid,
      ani: event.ANI,
      dnis: event.DNIS,
      agents: agentsOf(facts.agents, event),
      userData: kept(event.UserData),
      updatedAt: new Date(Math.min(Math.max(0, atMs), 8.64e15)).toISOString(),
    };
    return call;
  }

  #noFacts(callUuid: string): RecordingCti {
    return { connId: '', callUuid, ani: '', dnis: '', agents: [], userData: {}, updatedAt: new Date(0).toISOString() };
  }

  #join(recording: Joinable, call: KnownCall): void {
    recording.call = call;
    call.joined.add(recording);
    this.#store(recording, call.facts);
    if (call.recordState === 'PAUSED') this.#follow(recording, 'PAUSED', 'call');
  }

  #store(recording: Joinable, facts: RecordingCti): void {
    const { updatedAt: _, ...rest } = facts;
    const content = JSON.stringify(rest);
    if (content === recording.stored) return;
    recording.stored = content;
    const { catalogue, onError } = this.#options;
    try {
      if (recording.live) {
        recording.live.setCti(facts);
        return catalogue.put(recording.live.view('recording', null));
      }
      const row = catalogue.get(recording.id);
      if (row && row.state !== 'discarded') catalogue.put({ ...row, cti: facts });
    } catch (error) {
      onError(error, recording.id);
    }
  }

  /** EventPrivateInfo is about one recording session, which may be one of ours. */
  #followSession(event: CallEvent | PartyInfo): void {
    if (event.message !== 'EventPrivateInfo' || !event.Extensions) return;
    const { id, GSIP_RECORD: state } = event.Extensions;
    for (const key of eventKeys({ ...event, CallUUID: id, SIPCallIDs: [] })) {
      for (const recording of this.#recordingByKey.get(key) ?? []) this.#follow(recording, state, 'session');
    }
  }

  #followCall(call: KnownCall, { UserData }: CallEvent | PartyInfo): void {
    const said = Object.hasOwn(UserData, GSIP_RECORD) ? UserData[GSIP_RECORD] : 'OFF';
    const state = said === 'ON' || said === 'PAUSED' ? said : 'OFF';
    if (state === call.recordState) return;
    call.recordState = state;
    for (const recording of call.joined) this.#follow(recording, state, 'call');
  }

  /** What the switch has paused it may resume; what an operator has paused here stays so. */
  #follow(recording: Joinable, state: RecordState, by: 'session' | 'call'): void {
    const { followPause, now, onError } = this.#options;
    if (!followPause || state === 'OFF') return;
    const isPause = state === 'PAUSED';
    const why = { actor: 'CTI link', reason: by === 'call' ? `${GSIP_RECORD}=${state}` : `EventPrivateInfo ${state}` };
    recording.work = recording.work
      .then(async () => {
        const { live } = recording;
        if (!live || live.paused === isPause || (!isPause && recording.pausedBy !== by)) return;
        recording.pausedBy = isPause ? by : null;
        await live.pause(isPause, why, now());
      })
      .catch((error: unknown) => onError(error, recording.id));
  }

  /** A call of which a recording runs is not forgotten, however long nothing was heard of it. */
  #forgetCalls(): void {
    let looks = 0;
    for (const [uuid, call] of this.#calls) {
      if (this.#calls.size <= this.#maxKept || looks++ > 16) return;
      this.#calls.delete(uuid);
      if ([...call.joined].some(({ live }) => live !== null)) {
        this.#calls.set(uuid, call);
        continue;
      }
      for (const key of call.keys) if (this.#callByKey.get(key) === call) this.#callByKey.delete(key);
      for (const recording of call.joined) recording.call = null;
    }
  }

  #forgetRecordings(): void {
    for (const [id, recording] of this.#recordings) {
      if (this.#recordings.size <= this.#maxKept) return;
      if (recording.live) continue;
      this.#recordings.delete(id);
      recording.call?.joined.delete(recording);
      for (const key of recording.keys) {
        const sharing = this.#recordingByKey.get(key);
        sharing?.delete(recording);
        if (sharing?.size === 0) this.#recordingByKey.delete(key);
      }
    }
  }
}

function agentsOf(known: RecordingCti['agents'], event: CallEvent | PartyInfo): RecordingCti['agents'] {
  const { AgentID: agentId, ThisDN: dn, message } = event;
  if (!agentId || WITHOUT_AGENT.has(message) || known.length >= MAX_AGENTS) return known;
  if (known.some((agent) => agent.agentId === agentId && agent.dn === dn)) return known;
  return [...known, { agentId, dn }];
}

/** What is too much is left out: it would make every page of a search long. */
function kept(userData: Readonly<Record<string, string>>): Record<string, string> {
  let room = MAX_DATA_CHARACTERS;
  const pairs = Object.entries(userData).slice(0, MAX_PAIRS);
  const fitting = pairs.filter(([key, value]) => {
    const isFitting = key.length + value.length <= room;
    if (isFitting) room -= key.length + value.length;
    return isFitting;
  });
  return Object.fromEntries(fitting);
}
