/** node:dgram as a receiver that only counts: the floor of what can be done with it. */
import { ADDRESS, type Cores, LOAD, MEDIA_PORTS, NotDone } from '../system/contender.ts';
import type { LoadSetup } from '../system/load/generator.ts';
import type { RunResult, RunSetup } from '../system/load/handlers.ts';
import { beside, Remote } from '../system/remote.ts';
import type { DgramSetup } from './node-dgram.ts';

export interface ReceivePlan {
  streams: number;
  cores: Cores;
  warmUpMs: number;
  measureMs: number;
}

/** @returns CPU us per packet. @throws NotDone when it has lost some. */
export async function receivedByDgram({ streams, cores, warmUpMs, measureMs }: ReceivePlan): Promise<number> {
  const receiver = Remote.start(beside(import.meta.url, './node-dgram'), cores.tested);
  const load = Remote.start(beside(import.meta.url, '../system/load/process'), cores.load);
  try {
    const setup: DgramSetup = { address: ADDRESS, firstPort: MEDIA_PORTS.lo, streams, sinks: [] };
    const ports = await receiver.call<number[]>('open', setup);
    await load.call('openGenerator', { ...LOAD, isSrtp: false, mostStreams: streams } satisfies LoadSetup);
    await load.call('addStreams', ports);
    const run: RunSetup = { warmUpMs, measureMs, pid: receiver.pid };
    const { sent, cpuUs, packets } = await load.call<RunResult>('run', run);
    const received = await receiver.call<number>('received');
    if (received !== sent) throw new NotDone(`${sent} packets sent, ${received} received`);
    return cpuUs / packets;
  } finally {
    await Promise.all([receiver.close(), load.close()]);
  }
}
