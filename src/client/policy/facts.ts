/** What is known of a call when it is decided whether to record it, and what comes of that. */
import type { RecordSide } from '../config/types.ts';

export interface CallFacts {
  callUuid: string;
  /** Numbers, as dialled: the user parts of the URIs. */
  from: string;
  to: string;
  /** Null: from outside. */
  fromDn: string | null;
  toDn: string | null;
  /** Agents that are logged in there. */
  fromAgent: string | null;
  toAgent: string | null;
  /** Names of trunks. */
  trunkIn: string | null;
  trunkOut: string | null;
  /** First value of a header of the INVITE. */
  header(name: string): string | undefined;
}

export interface Decision {
  record: RecordSide | 'none';
  /** `hook-default`: the hook gave no good answer in time. */
  reason: 'full-time' | 'rule' | 'hook' | 'hook-default' | 'none';
  /** Null when nothing is recorded. */
  group: string | null;
  /** Of the hook: id of the recording, destination, and parameters for the recorder. */
  id: string | null;
  dest: string | null;
  params: Record<string, string>;
  /** A call that is to be recorded and cannot be is refused or ended. */
  mandatory: boolean;
  /** Nothing is recorded yet, but what is said is kept for a request to do so. */
  preRecord: boolean;
}
