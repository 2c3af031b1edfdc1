/** In which order recorders that can be used are tried. Pure; chance comes from outside. */
import type { GroupStrategy } from '../config/types.ts';

export interface Candidate {
  id: string;
  /** Which recorder of the configuration it is a target of. */
  configured: string;
  /** Its place in the group. */
  place: number;
  /** It is where the call wants it, or the call does not care. */
  isNear: boolean;
  /** An OPTIONS was answered well: before those of which nothing is known yet. */
  isKnown: boolean;
  /** It should have no room left, by its own word of a while ago. */
  seemsFull: boolean;
  /** Sessions, by what it says and what has happened since. */
  used: number;
  /** Sessions that it can have; null: not known. */
  capacity: number | null;
  /** Share of the configured recorder. */
  weight: number;
  /** Of its SRV record (RFC 2782); 0 when it has none. */
  srvPriority: number;
  srvWeight: number;
  /** When it was offered in this group before; grows. */
  lastOffered: number;
}

/** Best first. */
export function inOrderOfChoice(
  candidates: readonly Candidate[],
  strategy: GroupStrategy,
  random: () => number,
): Candidate[] {
  const rank = srvRanks(candidates);
  const last = LAST_KEYS[strategy](candidates, rank, random);
  const keyed = candidates.map((candidate) => ({
    candidate,
    keys: [+!candidate.isNear, +!candidate.isKnown, +candidate.seemsFull, ...last(candidate)],
  }));
  return keyed.sort((a, b) => compare(a.keys, b.keys)).map(({ candidate }) => candidate);
}

type Keys = (candidate: Candidate) => number[];
type Ranks = ReadonlyMap<string, number>;
type Strategy = (candidates: readonly Candidate[], ranks: Ranks, random: () => number) => Keys;

const LAST_KEYS: Record<GroupStrategy, Strategy> = {
  hunt: (_, ranks, random) => (one) => [one.place, ranks.get(one.id)!, draw(one.srvWeight, random)],
  'round-robin': (_, ranks) => (one) => [ranks.get(one.id)!, one.lastOffered, one.place],
  // Shares of what they can have say more than numbers, but only where all of them tell.
  'least-used': (candidates, ranks) => {
    const byShare = candidates.every(({ capacity }) => capacity !== null);
    const used = (one: Candidate) => (byShare ? one.used / Math.max(1, one.capacity!) : one.used);
    return (one) => [ranks.get(one.id)!, used(one), one.lastOffered, one.place];
  },
  weighted: (candidates, ranks, random) => {
    const shares = srvShares(candidates, ranks);
    return (one) => [ranks.get(one.id)!, draw(one.weight * shares.get(one.id)!, random), one.place];
  },
};

/**
 * A key to sort by: the first of the order is each with the probability of its share in the weights, the second so among the
 * others, and so on (Efraimidis and Spirakis, weighted sampling without replacement). Weight 0 comes last.
 */
function draw(weight: number, random: () => number): number {
  return weight > 0 ? -Math.log(1 - random()) / weight : Infinity;
}

/** RFC 2782: targets of a lower priority number first; here among those of one recorder that can be used. */
function srvRanks(candidates: readonly Candidate[]): Ranks {
  const priorities = new Map<string, Set<number>>();
  for (const { configured, srvPriority } of candidates) {
    const known = priorities.get(configured) ?? new Set();
    priorities.set(configured, known.add(srvPriority));
  }
  const ordered = new Map([...priorities].map(([id, all]) => [id, [...all].sort((a, b) => a - b)]));
  return new Map(candidates.map((one) => [one.id, ordered.get(one.configured)!.indexOf(one.srvPriority)]));
}

/** What part of the configured recorder's weight each of its targets has: that of its SRV weight among those of its rank. */
function srvShares(candidates: readonly Candidate[], ranks: Ranks): Map<string, number> {
  const sums = new Map<string, { weight: number; targets: number }>();
  const keyOf = (one: Candidate) => `${ranks.get(one.id)!} ${one.configured}`;
  for (const one of candidates) {
    const { weight, targets } = sums.get(keyOf(one)) ?? { weight: 0, targets: 0 };
    sums.set(keyOf(one), { weight: weight + one.srvWeight, targets: targets + 1 });
  }
  return new Map(
    candidates.map((one) => {
      const { weight, targets } = sums.get(keyOf(one))!;
      return [one.id, weight > 0 ? one.srvWeight / weight : 1 / targets];
    }),
  );
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, key] of a.entries()) {
    if (key !== b[i]) return key < b[i]! ? -1 : 1;
  }
  return 0;
}
