/** Calls and policies for the tests. */
import { RecordingDecisions } from '../../../src/client/policy/decisions.ts';
import type { CallFacts } from '../../../src/client/policy/facts.ts';
import { changed, parsed, smallest, type Tree } from '../config/files.ts';

export function call(facts: Partial<CallFacts> = {}, headers: Record<string, string> = {}): CallFacts {
  return {
    ...{ callUuid: 'C0FFEE', from: '1001', to: '1002', fromDn: '1001', toDn: '1002', fromAgent: null, toAgent: null },
    ...{ trunkIn: null, trunkOut: null },
    header: (name) => headers[name.toLowerCase()],
    ...facts,
  };
}

export interface Setting {
  random?: () => number;
  now?: () => Date;
  fetch?: typeof fetch;
  warnings?: object[];
}

const noFetch = () => Promise.reject(new Error('nobody is to be asked'));

export function decisions(recording: Tree, setting: Setting = {}, tree: Tree = smallest()): RecordingDecisions {
  return new RecordingDecisions(parsed(changed('recording', { group: 'main', ...recording }, tree)), {
    random: setting.random ?? (() => 0),
    now: setting.now ?? (() => new Date(2026, 0, 5, 12, 0)),
    fetch: setting.fetch ?? noFetch,
    log: { warn: (fields, message) => setting.warnings?.push({ ...fields, message }) },
  });
}
