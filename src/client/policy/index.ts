/** Recording policy: who is recorded. */
export { type DecisionsNeed, type PolicyLog, RecordingDecisions } from './decisions.ts';
export type { CallFacts, Decision } from './facts.ts';
