/** What benchmarks tell, and how it is shown. */

export interface Contender {
  name: string;
  opsPerSec: number;
}

/** Operations of a kernel beside its contenders; the first contender is ours. `unit` says what one operation is. */
export interface BenchResult {
  name: string;
  unit?: string;
  contenders: Contender[];
}

export interface Row {
  name: string;
  /** Null: it did not do the work. */
  value: number | null;
  /** Why there is no value, or what else is to be known. */
  remark?: string;
}

/** One quantity of several contenders under the same load; the first row is ours, and less is better. */
export interface Figure {
  name: string;
  unit: string;
  /** Left out: contenders. Else the first row is the whole, the others are its parts. */
  isBreakdown?: boolean;
  rows: Row[];
}

/** What we want to reach, and where we are. */
export interface Goal {
  name: string;
  unit: string;
  better: 'less' | 'more';
  goal: number;
  stretch: number;
  seen: number | null;
  /** Why nothing was seen, or what limits it. */
  remark?: string;
}

/** A benchmark that cannot run on this machine, and why. */
export class NotAvailable extends Error {
  override readonly name = 'NotAvailable';
}

export interface Outcome {
  results?: BenchResult[];
  figures?: Figure[];
  goals?: Goal[];
  /** What a reader must know. */
  notes?: string[];
  /** Of other software. */
  versions?: Record<string, string>;
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  kernel: string;
  node: string;
  versions: Record<string, string>;
}

export interface BenchReport extends Required<Omit<Outcome, 'versions'>> {
  machine: Machine;
}

export function isReached({ better, goal, seen }: Goal): boolean {
  return seen !== null && (better === 'less' ? seen <= goal : seen >= goal);
}

export function table({ machine, results, figures, goals, notes }: BenchReport): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `, ${name} ${version}`);
  const head = `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}${versions.join('')}`;
  return `${[head, ...results.flatMap(resultLines), ...figures.flatMap(figureLines), ...goalLines(goals), ...noteLines(notes)].join('\n')}\n`;
}

/** What one operation takes, where that is short. */
function timeOfOne(opsPerSec: number): string {
  const ns = 1e9 / opsPerSec;
  return (ns < 1e6 ? `${Math.round(ns).toLocaleString('en')} ns` : '').padStart(12);
}

function resultLines({ name, unit, contenders }: BenchResult): string[] {
  const ours = contenders[0]?.opsPerSec ?? 0;
  const lines = contenders.map((contender) => {
    const ratio =
      contender === contenders[0] ? '' : `  ours is ${(ours / contender.opsPerSec).toFixed(2)} times as fast`;
    const perSecond = Math.round(contender.opsPerSec).toLocaleString('en').padStart(14);
    return `  ${contender.name.padEnd(42)} ${perSecond} /s ${timeOfOne(contender.opsPerSec)}${ratio}`;
  });
  return ['', `${name}${unit ? ` (${unit})` : ''}`, ...lines];
}

function noteLines(notes: string[]): string[] {
  return notes.length === 0 ? [] : ['', ...notes.map((note) => `Note: ${note}`)];
}

function figureLines({ name, unit, isBreakdown, rows }: Figure): string[] {
  const ours = rows[0]?.value ?? null;
  const lines = rows.map((row) => {
    const value = row.value === null ? 'failed' : shown(row.value);
    const isPeer = row !== rows[0] && row.value !== null && ours !== null;
    const times = isPeer ? row.value! / ours : 0;
    const ratio = !isPeer ? '' : isBreakdown ? `  ${Math.round(times * 100)} %` : `  ${times.toFixed(2)} times ours`;
    return `  ${row.name.padEnd(52)} ${value.padStart(10)} ${ratio.padEnd(20)}${row.remark ? ` ${row.remark}` : ''}`.trimEnd();
  });
  return ['', `${name} (${unit})`, ...lines];
}

function goalLines(goals: Goal[]): string[] {
  if (goals.length === 0) return [];
  const lines = goals.map((goal) => {
    const seen = goal.seen === null ? 'not seen' : shown(goal.seen);
    const columns = [shown(goal.goal), shown(goal.stretch), seen].map((text) => text.padStart(10)).join('');
    return `  ${`${goal.name}, ${goal.unit}`.padEnd(64)}${columns}  ${verdict(goal)}${goal.remark ? `; ${goal.remark}` : ''}`;
  });
  return ['', `${'Goals'.padEnd(66)}${'goal'.padStart(10)}${'stretch'.padStart(10)}${'seen'.padStart(10)}`, ...lines];
}

function verdict(goal: Goal): string {
  const { seen, stretch } = goal;
  if (seen === null) return 'not measured';
  if (isReached({ ...goal, goal: stretch })) return 'beyond the stretch';
  return isReached(goal) ? 'reached' : `falls short: goal ${shown(goal.goal)}, seen ${shown(seen)}`;
}

function shown(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
