/**
 * A conversation (communication session) as recorders, CTI and HTTP are told about it: data only. The switch makes a new view with
 * every change; whoever has the one before sees by comparing what has changed.
 */
import type { PayloadType } from '../media/index.ts';

export interface PartyView {
  /** UUID, for as long as this party is in the conversation. */
  id: string;
  /** `sip:` URI. */
  aor: string;
  name: string;
  /** Null: from outside, over a trunk. */
  dn: string | null;
  trunk: string | null;
  agentId: string | null;
  /** The stream of the media session that this party sends, by index. One that takes the place of another has the same. */
  stream: number;
  /** That are agreed on with it: what its stream carries. */
  payloadTypes: PayloadType[];
  joinedAtMs: number;
  /** On hold: sends and hears nothing. */
  isHeld: boolean;
}

export interface ConversationView {
  /** UUID; Genesys' CallUUID is it without dashes. */
  id: string;
  /** Sixteen hexadecimal digits. */
  connId: string;
  startedAtMs: number;
  /** Call-IDs of its dialogs with parties. */
  sipCallIds: string[];
  ani: string;
  dnis: string;
  /** Those that talk now: the calling side first. Who listens in is not among them. */
  parties: PartyView[];
  /** Attached data (T-Lib's UserData). */
  userData: Record<string, string>;
  /** The side that is recorded: a transfer of the other one leaves the recording running. */
  recordedDn: string | null;
}
