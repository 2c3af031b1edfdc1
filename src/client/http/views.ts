/** What HTTP shows of calls, registrations and recorders: times as ISO 8601, no ports and no keys. */
import type { PartyView } from '../conversation.ts';
import type { CallView, RecorderView, RecordingSessionView, RegistrationView } from '../switch/call-control.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

function partyOf({ id, aor, name, dn, trunk, agentId, payloadTypes, joinedAtMs, isHeld }: PartyView) {
  const codecs = payloadTypes.map(({ encoding }) => encoding);
  return { id, aor, name, dn, trunk, agentId, codecs, joinedAt: iso(joinedAtMs), held: isHeld };
}

export function recordingOf(view: RecordingSessionView) {
  const { id, recorder, purpose, state, sinceMs, packetsSent, packetsLost } = view;
  return { id, recorder, purpose, state, since: iso(sinceMs), packetsSent, packetsLost };
}

export function callOf(view: CallView) {
  const { id, connId, state, startedAtMs, ani, dnis, sipCallIds, recordedDn, userData } = view;
  return {
    ...{ id, callUuid: id.replaceAll('-', ''), connId, state, startedAt: iso(startedAtMs), ani, dnis, sipCallIds },
    ...{ recordedDn, userData },
    parties: view.parties.map(partyOf),
    recordings: view.recordings.map(recordingOf),
  };
}

export function registrationOf({ dn, name, contacts }: RegistrationView) {
  return {
    ...{ dn, name },
    contacts: contacts.map(({ uri, expiresAtMs, userAgent }) => ({ uri, expiresAt: iso(expiresAtMs), userAgent })),
  };
}

export function recorderOf({ id, uri, groups, state, sessions, load, cause, lastProbeMs }: RecorderView) {
  return { id, uri, groups, state, sessions, load, cause, lastProbeAt: lastProbeMs === null ? null : iso(lastProbeMs) };
}
