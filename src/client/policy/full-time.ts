/** Full-time recording: by DN, by agent login, by trunk (T-Lib's `record=true`). */
import type { ClientConfig, RecordSide } from '../config/types.ts';
import type { CallFacts } from './facts.ts';

export class FullTime {
  readonly #dns: ReadonlySet<string>;
  readonly #agents: ReadonlySet<string>;
  readonly #trunks: ReadonlySet<string>;

  constructor({ extensions, trunks, recording }: Pick<ClientConfig, 'extensions' | 'trunks' | 'recording'>) {
    this.#dns = new Set(extensions.filter(({ record }) => record).map(({ dn }) => dn));
    this.#agents = new Set(recording.agents);
    this.#trunks = new Set(trunks.filter(({ record }) => record).map(({ name }) => name));
  }

  /** The side that has to be recorded, the calling one first; null: neither. */
  sideOf(facts: CallFacts): RecordSide | null {
    if (this.#includes(facts.fromDn, facts.fromAgent, facts.trunkIn)) return 'source';
    return this.#includes(facts.toDn, facts.toAgent, facts.trunkOut) ? 'destination' : null;
  }

  #includes(dn: string | null, agent: string | null, trunk: string | null): boolean {
    return (
      (dn !== null && this.#dns.has(dn)) ||
      (agent !== null && this.#agents.has(agent)) ||
      (trunk !== null && this.#trunks.has(trunk))
    );
  }
}
