/** What the process of the load does when it is asked: generator and sinks in one loop. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { cpuUs, type ThreadUse, threadUse, usedBetween } from '../process-use.ts';
import { Generator, type LoadSetup } from './generator.ts';
import { type Latency, type Route, type SinkCounts, Sinks } from './sinks.ts';
import { realTimeUs, sleepUs } from './udp.ts';

export interface SinkSetup {
  address: string;
  ports: number[];
  isTimed: boolean;
}

export interface RunSetup {
  warmUpMs: number;
  measureMs: number;
  /** Whose CPU time is taken. */
  pid: number;
}

export interface RunResult {
  /** In the measured time. */
  packets: number;
  cpuUs: number;
  wallUs: number;
  threads: ThreadUse[];
  /** Of the whole run, as what follows. */
  sent: number;
  /** Not taken by our own kernel. */
  refused: number;
  maxLateUs: number;
  sinks: SinkCounts | null;
  latency: Latency | null;
}

const MAX_SLEEP_US = 200;
const MIN_SLEEP_US = 20;
/** For what is still on its way when the last packet has been sent. */
const SETTLE_MS = 500;

let generator: Generator | null = null;
let sinks: Sinks | null = null;

function nowUs(): number {
  return performance.now() * 1000;
}

/** Until the generator has sent so many packets. */
async function sendUntil(lastPacket: number): Promise<void> {
  while (generator!.sent < lastPacket) {
    const dueUs = generator!.step(nowUs(), lastPacket);
    sinks?.drain();
    const restUs = Math.min(dueUs - nowUs(), MAX_SLEEP_US);
    if (restUs > MIN_SLEEP_US) sleepUs(restUs);
    await nextTurn();
  }
}

async function settle(): Promise<void> {
  const endUs = nowUs() + SETTLE_MS * 1000;
  while (nowUs() < endUs) {
    sinks?.drain();
    sleepUs(MAX_SLEEP_US);
    await nextTurn();
  }
}

async function run({ warmUpMs, measureMs, pid }: RunSetup): Promise<RunResult> {
  generator!.begin(nowUs());
  await sendUntil(generator!.packetsIn(warmUpMs));
  if (sinks) sinks.timedFromUs = realTimeUs();
  const threadsBefore = threadUse(pid);
  const [cpuBefore, wallBefore, first] = [cpuUs(pid), nowUs(), generator!.sent];
  generator!.maxLateUs = 0;
  await sendUntil(first + generator!.packetsIn(measureMs));
  const [cpuAfter, wallAfter, last] = [cpuUs(pid), nowUs(), generator!.sent];
  const threads = usedBetween(threadsBefore, threadUse(pid));
  const { maxLateUs } = generator!;
  await settle();
  return {
    packets: last - first,
    cpuUs: cpuAfter - cpuBefore,
    wallUs: wallAfter - wallBefore,
    threads,
    sent: last,
    refused: generator!.refused,
    maxLateUs,
    sinks: sinks?.counts ?? null,
    latency: sinks?.latency() ?? null,
  };
}

export const LOAD_HANDLERS = {
  openSinks: ({ address, ports, isTimed }: SinkSetup) => {
    sinks = new Sinks(address, ports, isTimed);
  },
  expect: (routes: Route[]) => sinks!.expect(routes),
  openGenerator: (setup: LoadSetup) => {
    generator = new Generator(setup);
  },
  /** One to each port. */
  addStreams: (ports: number[]) => generator!.add(ports),
  run,
};
