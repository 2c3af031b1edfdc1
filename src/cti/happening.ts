/** What happens at the switch, as far as the CTI link tells it. The switch's own events have this shape and more. */

export interface CtiParty {
  /** Null: from outside, over a trunk. */
  dn: string | null;
  /** SIP URI. */
  aor: string;
  name: string;
  agentId: string | null;
}

export interface CtiRecording {
  id: string;
  recorder: string;
  state: 'recording' | 'paused' | 'ended';
  sinceMs: number;
}

export interface CtiCall {
  /** UUID; the CallUUID is it without dashes. */
  id: string;
  /** Sixteen hexadecimal digits. */
  connId: string;
  startedAtMs: number;
  /** Call-IDs of its dialogs with parties. */
  sipCallIds: readonly string[];
  ani: string;
  dnis: string;
  /** The calling side first. */
  parties: readonly CtiParty[];
  userData: Readonly<Record<string, string>>;
  recordedDn: string | null;
  state: 'ringing' | 'established' | 'held' | 'ended';
  recordings: readonly CtiRecording[];
}

export type HappeningType =
  | 'dialing'
  | 'ringing'
  | 'established'
  | 'held'
  | 'retrieved'
  | 'party-added'
  | 'party-changed'
  | 'party-deleted'
  | 'released'
  | 'abandoned'
  | 'data-changed'
  | 'recording';

export interface CtiHappening {
  type: HappeningType;
  dn: string;
  otherDn: string | null;
  thirdDn: string | null;
  atMs: number;
  call: CtiCall;
  previousConnId: string | null;
  cause: string | null;
  recording?: { id: string; state: 'on' | 'paused' | 'off'; recorder: string };
}
