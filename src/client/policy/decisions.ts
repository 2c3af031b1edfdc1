/**
 * Who is recorded, decided when a call is set up: full-time recording, then selective rules, then the HTTP hook. Nothing is looked up
 * and nothing waits unless there is a hook to ask.
 */
import type { ClientConfig, RecordChoice, RecordingPolicyConfig } from '../config/types.ts';
import type { CallFacts, Decision } from './facts.ts';
import { FullTime } from './full-time.ts';
import { askHook, type HookAnswer, HookFailed } from './hook.ts';
import { matchingRule } from './rules.ts';

export interface PolicyLog {
  warn(fields: object, message: string): void;
}

export interface DecisionsNeed {
  fetch: typeof fetch;
  /** From 0 to below 1. */
  random(): number;
  now(): Date;
  log: PolicyLog;
}

/** Questions that wait for the hook at a time; more are answered by its default at once. */
const MAX_WAITING = 1000;

interface Outcome extends Partial<Omit<HookAnswer, 'record'>> {
  record: RecordChoice;
  group?: string | null;
}

export class RecordingDecisions {
  readonly #policy: RecordingPolicyConfig;
  readonly #fullTime: FullTime;
  readonly #need: DecisionsNeed;
  #waiting = 0;

  constructor(config: Pick<ClientConfig, 'extensions' | 'trunks' | 'recording'>, need: DecisionsNeed) {
    this.#policy = config.recording;
    this.#fullTime = new FullTime(config);
    this.#need = need;
  }

  /** Never rejects, and takes no longer than the hook may. */
  async decide(facts: CallFacts): Promise<Decision> {
    return this.decideAtOnce(facts) ?? this.#decideByHook(facts);
  }

  /** Null when the hook has to be asked. */
  decideAtOnce(facts: CallFacts): Decision | null {
    const side = this.#fullTime.sideOf(facts);
    if (side === 'source') return this.#decision('full-time', { record: side });
    const { rules, hook } = this.#policy;
    const rule = matchingRule(rules, facts, this.#need.now, this.#need.random);
    if (side === 'destination') {
      if (rule?.record === 'disable_destination') return this.#decision('rule', rule);
      return hook?.askFullTime ? null : this.#decision('full-time', { record: side });
    }
    if (rule) return this.#decision('rule', rule);
    return hook ? null : this.#decision('none', { record: 'none' });
  }

  async #decideByHook(facts: CallFacts): Promise<Decision> {
    const hook = this.#policy.hook!;
    const isFullTime = this.#fullTime.sideOf(facts) === 'destination';
    try {
      const answer = await this.#ask(facts);
      // Of a call that is recorded full-time the hook may take that back; and say where to and under what name it is recorded.
      if (!isFullTime || answer.record === 'disable_destination') return this.#decision('hook', answer);
      return this.#decision('full-time', { ...answer, record: 'destination' });
    } catch (error) {
      const why = error instanceof HookFailed ? error.message : String(error);
      this.#need.log.warn({ callUuid: facts.callUuid, why }, 'the recording hook gave no good answer');
      if (isFullTime) return this.#decision('full-time', { record: 'destination' });
      return this.#decision('hook-default', { record: hook.default });
    }
  }

  async #ask(facts: CallFacts): Promise<HookAnswer> {
    if (this.#waiting >= MAX_WAITING) throw new HookFailed(`${MAX_WAITING} questions wait for an answer already`);
    this.#waiting++;
    try {
      return await askHook(this.#policy.hook!, facts, this.#need.fetch);
    } finally {
      this.#waiting--;
    }
  }

  #decision(reason: Decision['reason'], { record, group, id, dest, params }: Outcome): Decision {
    const isRecorded = record === 'source' || record === 'destination';
    const { mandatory, preRecord, group: usual } = this.#policy;
    return {
      record: isRecorded ? record : 'none',
      reason,
      group: isRecorded ? (group ?? usual) : null,
      id: isRecorded ? (id ?? null) : null,
      dest: isRecorded ? (dest ?? null) : null,
      params: isRecorded ? (params ?? {}) : {},
      mandatory: isRecorded && mandatory,
      preRecord: !isRecorded && preRecord !== null,
    };
  }
}
