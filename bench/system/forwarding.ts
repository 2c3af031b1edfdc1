/** One run of a contender that forwards: it is set up, loaded, and held to have done the work. */
import { ADDRESS, FIRST_SINK_PORT, type ForwardContender, type ForwardSetup, SOURCE_PORT } from './contender.ts';
import type { LoadSetup, RunResult, RunSetup, SinkSetup } from './load/process.ts';
import type { Latency } from './load/sinks.ts';
import { beside, Remote } from './remote.ts';

export interface ForwardingPlan {
  streams: number;
  sinks: number;
  isSrtp: boolean;
  /** Packets are time stamped by the kernel, which costs everybody a little. */
  isTimed: boolean;
  warmUpMs: number;
  measureMs: number;
  cores: { tested: string; load: string };
}

export interface Forwarding {
  /** Of one packet that came in. */
  cpuUsPerPacket: number;
  /** Of the core. */
  share: number;
  latency: Latency | null;
}

/** A contender that has not done the work, and why. */
export class NotDone extends Error {
  override readonly name = 'NotDone';
}

const AUTHENTICATION_TAG_BYTES = 10;
const PACKET_BYTES = 172;

/** @throws NotDone */
function check(plan: ForwardingPlan, { sent, refused, sinks }: RunResult): void {
  const { received, faulty, packetBytes } = sinks!;
  const expectedBytes = PACKET_BYTES + (plan.isSrtp ? AUTHENTICATION_TAG_BYTES : 0);
  if (refused > 0) throw new NotDone(`the kernel refused ${refused} packets of the load`);
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
  const load = Remote.start(beside(import.meta.url, './load/process'), cores.load);
  const forwarder = await contender.open(setup).catch(async (error) => {
    await load.close();
    throw error;
  });
  try {
    await load.call('openSinks', { address: ADDRESS, ports: sinkPorts, isTimed } satisfies SinkSetup);
    await load.call('expect', forwarder.routes);
    const streamsSetup: LoadSetup = {
      address: ADDRESS,
      sourcePort: SOURCE_PORT,
      ports: forwarder.ports,
      isSrtp: false,
    };
    await load.call('openStreams', streamsSetup);
    const run: RunSetup = { warmUpMs, measureMs, pid: forwarder.pid };
    const result = await load.call<RunResult>('run', run);
    check(plan, result);
    const { cpuUs, packets, wallUs, latency } = result;
    return { cpuUsPerPacket: cpuUs / packets, share: cpuUs / wallUs, latency };
  } finally {
    await forwarder.close();
    await load.close();
  }
}
