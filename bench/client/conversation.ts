/** One run of conversations that the client anchors and replicates to a recorder, with SRTP on every leg; it is held to have done the work. */
import { type Cores, checkLoad, LOAD, NotDone } from '../system/contender.ts';
import type { LoadSetup } from '../system/load/generator.ts';
import type { RunResult, RunSetup, SinkSetup } from '../system/load/handlers.ts';
import { PACKET_BYTES, SUITE } from '../system/load/packets.ts';
import type { ThreadUse } from '../system/process-use.ts';
import { beside, Remote } from '../system/remote.ts';
import { ADDRESS, PARTY_MEDIA_PORT, RECORDER_MEDIA_PORT } from './places.ts';
import { recorded, TestedClient } from './tested-client.ts';

export interface ConversationsPlan {
  cores: Cores;
  warmUpMs: number;
  measureMs: number;
}

export interface Conversations {
  /** Of the core. */
  share: number;
  /** Of one packet that a party sends: it goes to the other party and to the recorder. */
  cpuUsPerPacket: number;
  threads: ThreadUse[];
}

const AUTHENTICATION_TAG_BYTES = 10;
/** Sockets' buffers hide for seconds that a core does not keep up. */
const MAX_SHARE = 0.97;

/** @throws NotDone @throws LoadTooSlow */
export async function conversations(calls: number, { cores, ...times }: ConversationsPlan): Promise<Conversations> {
  const load = Remote.start(beside(import.meta.url, './load-process'), cores.load);
  let client: TestedClient | null = null;
  try {
    const ports = [PARTY_MEDIA_PORT, RECORDER_MEDIA_PORT];
    await load.call('openSinks', { address: ADDRESS, ports, isTimed: false } satisfies SinkSetup);
    await load.call('openGenerator', {
      ...LOAD,
      address: ADDRESS,
      sourcePort: PARTY_MEDIA_PORT,
      isSrtp: true,
      mostStreams: 2 * calls,
    } satisfies LoadSetup);
    await load.call('openParties');
    client = await TestedClient.start(cores.tested, recorded(SUITE));
    await load.call('connect', calls).catch((error: Error) => {
      throw new NotDone(`not set up: ${error.message}`);
    });
    const result = await load.call<RunResult>('run', { ...times, pid: client.pid } satisfies RunSetup);
    checkLoad(result);
    check(result);
    const { cpuUs, wallUs, packets, threads } = result;
    return { share: cpuUs / wallUs, cpuUsPerPacket: cpuUs / packets, threads };
  } finally {
    await Promise.all([client?.close(), load.close()]);
  }
}

/** @throws NotDone */
function check({ sent, sinks, cpuUs, wallUs }: RunResult): void {
  const { received, faulty, packetBytes } = sinks!;
  const [heard, recorded] = received;
  if (heard !== sent || recorded !== sent) {
    throw new NotDone(`${sent} packets sent, ${heard} heard by the other party, ${recorded} by the recorder`);
  }
  if (faulty > 0) throw new NotDone(`${faulty} packets are not as they were sent or not in order`);
  if (packetBytes !== PACKET_BYTES + AUTHENTICATION_TAG_BYTES) throw new NotDone(`packets of ${packetBytes} octets`);
  if (cpuUs > wallUs * MAX_SHARE) throw new NotDone('the core has no time left');
}
