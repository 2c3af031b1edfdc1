/** How many conversations a core anchors and replicates to one recorder each, with SRTP on every leg and not a packet lost. */
import type { BenchOptions } from '../main.ts';
import { type Figure, NotAvailable, type Outcome } from '../report.ts';
import { pinnedCores } from '../system/cores.ts';
import { search } from '../system/search.ts';
import { whereFigure } from '../system/where.ts';
import { conversations } from './conversation.ts';

const GUESS = 700;
/** Each has four sinks, of which a lane takes 4,096. */
const MOST = 1_000;
const WARM_UP_MS = 1_000;

export default async function run({ durationS, progress }: BenchOptions): Promise<Outcome> {
  const cores = pinnedCores();
  if (cores.tested === cores.load) throw new NotAvailable('needs two cores: one for the client, one for its load');
  const plan = { cores, warmUpMs: WARM_UP_MS, measureMs: durationS * 1_000 };
  const where = new Map<number, Figure>();
  const attempt = async (calls: number): Promise<string> => {
    const seen = await conversations(calls, plan);
    where.set(calls, whereFigure(`${calls} conversations`, seen));
    return `0 packets lost, ${Math.round(seen.share * 100)} % of the core`;
  };
  const { most, limit } = await search({ guess: GUESS, ceiling: MOST, unit: 'conversations', attempt, progress });
  const name = 'conversations anchored and replicated per core, SRTP on all legs, 0 lost';
  const goal = { name, unit: 'conversations', better: 'more', goal: 700, stretch: MOST } as const;
  const figure = where.get(most);
  return { figures: figure ? [figure] : [], goals: [{ ...goal, seen: most > 0 ? most : null, remark: limit }] };
}
