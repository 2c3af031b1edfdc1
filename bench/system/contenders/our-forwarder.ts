/** Ours, forwarding: the parent's side. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ADDRESS, clearRoutes, type ForwardContender, MEDIA_PORTS, SOURCE_PORT } from '../contender.ts';
import { keyAndSalt } from '../load/packets.ts';
import type { Route } from '../load/sinks.ts';
import { beside, Remote } from '../remote.ts';
import type { ForwarderSetup, OpenedStream } from './replicator.ts';

export const ours: ForwardContender = {
  name: 'doubletrack',
  hasSrtp: true,
  mostSinks: Number.POSITIVE_INFINITY,
  async open(setup) {
    const journalDir = await mkdtemp(path.join(tmpdir(), 'doubletrack-bench-'));
    const remote = Remote.start(beside(import.meta.url, './replicator'), setup.core);
    const { streams, sinkPorts, isSrtp } = setup;
    const asked: ForwarderSetup = {
      ...{ address: ADDRESS, ports: MEDIA_PORTS, journalDir, sourcePort: SOURCE_PORT },
      ...{ streams, sinkPorts, isSrtp },
    };
    const opened = await remote.call<OpenedStream[]>('open', asked).catch(async (error) => {
      await remote.close();
      await rm(journalDir, { recursive: true, force: true });
      throw error;
    });
    const secure = opened.flatMap(({ ssrcs }, stream) =>
      ssrcs.map((ssrc, sink): Route => ({ sink, stream, srtp: { ssrc, keyAndSalt: sinkSecret(stream, sink) } })),
    );
    return {
      pid: remote.pid,
      ports: opened.map(({ port }) => port),
      routes: isSrtp ? secure : clearRoutes(setup),
      close: async () => {
        await remote.call('close', null);
        await remote.close();
        await rm(journalDir, { recursive: true, force: true });
      },
    };
  },
};

/** Both sides know it by its name. */
export function sinkSecret(stream: number, sink: number): Buffer {
  return keyAndSalt(`sink ${sink} of stream ${stream}`);
}
