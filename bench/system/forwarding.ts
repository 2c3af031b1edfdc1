/** One run of a contender that forwards: it is set up, loaded, and held to have done the work. */
import {
  ADDRESS,
  type Cores,
  checkLoad,
  FIRST_SINK_PORT,
  type ForwardContender,
  type ForwardSetup,
  LOAD,
  NotDone,
} from './contender.ts';
import type { LoadSetup } from './load/generator.ts';
import type { RunResult, RunSetup, SinkSetup } from './load/handlers.ts';
import { PACKET_BYTES } from './load/packets.ts';
import type { Latency } from './load/sinks.ts';
import type { ThreadUse } from './process-use.ts';
import { beside, Remote } from './remote.ts';

export interface ForwardingPlan {
  streams: number;
  sinks: number;
  isSrtp: boolean;
  /** Packets are time stamped by the kernel, which costs everybody a little. */
  isTimed: boolean;
  warmUpMs: number;
  measureMs: number;
  cores: Cores;
}

export interface Forwarding {
  /** Of one packet that came in. */
  cpuUsPerPacket: number;
  /** Of the core. */
  share: number;
  threads: ThreadUse[];
  latency: Latency | null;
}

const AUTHENTICATION_TAG_BYTES = 10;

/** @throws NotDone */
function check(plan: ForwardingPlan, { sent, sinks }: RunResult): void {
  const { received, faulty, packetBytes } = sinks!;
  const expectedBytes = PACKET_BYTES + (plan.isSrtp ? AUTHENTICATION_TAG_BYTES : 0);
  const fewest = Math.min(...received);
  if (fewest !== sent) throw new NotDone(`${sent} packets sent, ${fewest} received by a sink`);
  if (faulty > 0) throw new NotDone(`${faulty} packets are not as they were sent or not in order`);
  if (packetBytes !== expectedBytes) throw new NotDone(`packets of ${packetBytes} octets, not ${expectedBytes}`);
}

/** @throws NotDone */
export async function forwarding(contender: ForwardContender, plan: ForwardingPlan): Promise<Forwarding> {
  const { streams, isSrtp, cores, warmUpMs, measureMs, isTimed } = plan;
  const sinkPorts = Array.from({ length: plan.sinks }, (_, n) => FIRST_SINK_PORT + n);
  const setup: ForwardSetup = { streams, sinkPorts, isSrtp, core: cores.tested };
  const process = Remote.start(beside(import.meta.url, './load/process'), cores.load);
  const forwarder = await contender.open(setup).catch(async (error) => {
    await process.close();
    throw error;
  });
  try {
    await process.call('openSinks', { address: ADDRESS, ports: sinkPorts, isTimed } satisfies SinkSetup);
    await process.call('expect', forwarder.routes);
    await process.call('openGenerator', { ...LOAD, isSrtp: false, mostStreams: streams } satisfies LoadSetup);
    await process.call('addStreams', forwarder.ports);
    const run: RunSetup = { warmUpMs, measureMs, pid: forwarder.pid };
    const result = await process.call<RunResult>('run', run);
    checkLoad(result);
    check(plan, result);
    const { cpuUs, packets, wallUs, threads, latency } = result;
    return { cpuUsPerPacket: cpuUs / packets, share: cpuUs / wallUs, threads, latency };
  } finally {
    await forwarder.close();
    await process.close();
  }
}
