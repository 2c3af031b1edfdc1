/** Measurements as rows: a value, or the reason why there is none. Nothing that one contender does ends the run of the others. */
import type { Row } from '../report.ts';

export interface Runner {
  name: string;
  measure: () => Promise<number>;
}

type Progress = (text: string) => void;

const ROUNDS = 3;

export async function measured(name: string, progress: Progress, measure: () => Promise<number>): Promise<Row> {
  try {
    const value = await measure();
    progress(`  ${name}: ${value.toFixed(2)}`);
    return { name, value };
  } catch (error) {
    const remark = (error as Error).message;
    progress(`  ${name}: ${remark}`);
    return { name, value: null, remark };
  }
}

/** All of them in turn, several times, so that what else the machine does falls on all alike; the medians. */
export async function inRounds(runners: Runner[], progress: Progress): Promise<Row[]> {
  const seen: Row[][] = runners.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [n, { name, measure }] of runners.entries()) {
      const isHopeless = round > 0 && seen[n]!.every(({ value }) => value === null);
      if (!isHopeless) seen[n]!.push(await measured(name, progress, measure));
    }
  }
  return runners.map(({ name }, n) => summary(name, seen[n]!));
}

/** The median of the rounds in which the work was done; what happened in the others is said. */
function summary(name: string, rounds: Row[]): Row {
  const values = rounds.flatMap(({ value }) => value ?? []).toSorted((a, b) => a - b);
  const fault = rounds.find(({ value }) => value === null)?.remark;
  if (values.length === 0) return { name, value: null, remark: fault ?? 'not measured' };
  const value = values[values.length >> 1]!;
  const failed = rounds.length - values.length;
  return { name, value, ...(fault ? { remark: `${failed} of ${rounds.length} rounds failed: ${fault}` } : {}) };
}
