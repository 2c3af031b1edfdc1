/**
 * Events of the CTI link, made of what happens at the switch: T-Lib's names and attributes, without the word Attribute. An attribute
 * that an event does not have is left out.
 */
import type { CtiError } from './errors.ts';
import type { CtiCall, CtiHappening, HappeningType } from './happening.ts';
import { callUuidOf, RECORD_STATES, type RecordState } from './record-user-data.ts';

/** Numbers of AttributePrivateMsgID for GSIP_RECORD_START and so on; every site may have its own. */
export interface PrivateMessages {
  start: number;
  stop: number;
  pause: number;
  resume: number;
}

export const CALL_EVENTS = {
  dialing: 'EventDialing',
  ringing: 'EventRinging',
  established: 'EventEstablished',
  held: 'EventHeld',
  retrieved: 'EventRetrieved',
  'party-added': 'EventPartyAdded',
  'party-changed': 'EventPartyChanged',
  'party-deleted': 'EventPartyDeleted',
  released: 'EventReleased',
  abandoned: 'EventAbandoned',
  'data-changed': 'EventAttachedDataChanged',
  recording: 'EventPrivateInfo',
} as const satisfies Record<HappeningType, string>;

/** What every event about a call says of it. */
export interface CallAttributes {
  ConnID: string;
  CallUUID: string;
  CallType: 'Internal' | 'Inbound' | 'Outbound' | 'Unknown';
  CallState: CtiCall['state'];
  ANI: string;
  DNIS: string;
  /** Of the call's dialogs with its parties (RFC 3261 section 8.1.1.4). */
  SIPCallIDs: readonly string[];
  UserData: Readonly<Record<string, string>>;
}

export interface CallEvent extends CallAttributes {
  message: (typeof CALL_EVENTS)[HappeningType];
  /** Rises by one with each event of the link, whoever gets it. */
  EventSequenceNumber: number;
  TimeinSecs: number;
  TimeinuSecs: number;
  ThisDN: string;
  OtherDN?: string;
  ThirdPartyDN?: string;
  PreviousConnID?: string;
  AgentID?: string;
  /** Of EventPrivateInfo. */
  PrivateMsgID?: number;
  Extensions?: { id: string; recorder: string; GSIP_RECORD: RecordState };
  Reasons?: { cause: string };
}

/** A party of a call that runs, told to a client that begins to listen. */
export interface PartyInfo extends CallAttributes {
  message: 'EventPartyInfo';
  ReferenceID: number;
  ThisDN: string;
  AgentID?: string;
}

export interface LinkConnected {
  message: 'EventLinkConnected';
  /** Of this life of the link: sequence numbers of another one mean nothing in it. */
  LinkID: string;
  EventSequenceNumber: number;
  /** The least number after which {@link Resume} can go on. */
  OldestSequenceNumber: number;
  KeepAliveMs: number;
  PrivateMessages: PrivateMessages;
}

/** The answer to a request that was carried out. */
export interface Acknowledgement {
  message: 'EventACK' | 'EventRegistered' | 'EventUnregistered';
  ReferenceID: number;
  ThisDN?: string;
  ConnID?: string;
  /** The events that follow have higher ones. */
  EventSequenceNumber?: number;
  /** Recording sessions that were started. */
  Extensions?: { id: string; recorder: string }[];
}

export interface ErrorEvent {
  message: 'EventError';
  /** Null: the message had none that could be read. */
  ReferenceID: number | null;
  ErrorCode: number;
  Error: CtiError['error'];
  ErrorMessage: string;
}

export type CtiEvent = CallEvent | PartyInfo | LinkConnected | Acknowledgement | ErrorEvent;

/** A call event before it has its number. */
export type UnnumberedEvent = Omit<CallEvent, 'EventSequenceNumber'>;

const MESSAGE_OF_STATE = { on: 'start', paused: 'pause', off: 'stop' } as const;

export function callEvent(happening: CtiHappening, privateMessages: PrivateMessages): UnnumberedEvent {
  const { type, dn, call, recording } = happening;
  const event: UnnumberedEvent = {
    message: CALL_EVENTS[type],
    TimeinSecs: Math.floor(happening.atMs / 1000),
    TimeinuSecs: Math.round((happening.atMs % 1000) * 1000),
    ThisDN: dn,
    ...callAttributes(call),
  };
  if (happening.otherDn !== null) event.OtherDN = happening.otherDn;
  if (happening.thirdDn !== null) event.ThirdPartyDN = happening.thirdDn;
  if (happening.previousConnId !== null) event.PreviousConnID = happening.previousConnId;
  const agentId = agentOf(call, dn);
  if (agentId !== null) event.AgentID = agentId;
  if (recording) {
    const { id, recorder, state } = recording;
    event.PrivateMsgID = privateMessages[MESSAGE_OF_STATE[state]];
    event.Extensions = { id, recorder, GSIP_RECORD: RECORD_STATES[state] };
  }
  if (happening.cause !== null) event.Reasons = { cause: happening.cause };
  return event;
}

export function* partyInfos(call: CtiCall, dns: ReadonlySet<string> | null, referenceId: number): Generator<PartyInfo> {
  for (const { dn, agentId } of call.parties) {
    if (dn === null || (dns !== null && !dns.has(dn))) continue;
    const info: PartyInfo = {
      message: 'EventPartyInfo',
      ReferenceID: referenceId,
      ThisDN: dn,
      ...callAttributes(call),
    };
    yield agentId === null ? info : { ...info, AgentID: agentId };
  }
}

export function errorEvent(error: CtiError, referenceId: number | null = error.referenceId): ErrorEvent {
  const { code, error: name, message } = error;
  return { message: 'EventError', ReferenceID: referenceId, ErrorCode: code, Error: name, ErrorMessage: message };
}

function callAttributes(call: CtiCall): CallAttributes {
  return {
    ConnID: call.connId,
    CallUUID: callUuidOf(call.id),
    CallType: callType(call),
    CallState: call.state,
    ANI: call.ani,
    DNIS: call.dnis,
    SIPCallIDs: call.sipCallIds,
    UserData: call.userData,
  };
}

function callType({ parties }: CtiCall): CallAttributes['CallType'] {
  const [caller, called] = parties;
  if (!caller || !called) return 'Unknown';
  if (caller.dn === null) return called.dn === null ? 'Unknown' : 'Inbound';
  return called.dn === null ? 'Outbound' : 'Internal';
}

const agentOf = (call: CtiCall, dn: string): string | null =>
  call.parties.find((party) => party.dn === dn)?.agentId ?? null;
