/** projectrtp (a C++ addon for Node) in its process: for each stream a channel that receives, mixed with one that sends to the sink. */
import { createRequire } from 'node:module';
import { serve } from '../system/remote.ts';

export interface ProjectRtpSetup {
  /** Where the package is installed. */
  folder: string;
  address: string;
  ports: { lo: number; hi: number };
  streams: number;
  sourcePort: number;
  sinkPort: number;
}

interface Channel {
  local: { port: number };
  mix(other: Channel): boolean;
}

interface ProjectRtp {
  run(options: { ports: { start: number; end: number } }): void;
  setaddress?(address: string): void;
  openchannel(options: { remote: { address: string; port: number; codec: number } }): Promise<Channel>;
}

const PCMU = 0;
const channels: Channel[] = [];

serve({
  open: async ({ folder, address, ports, streams, sourcePort, sinkPort }: ProjectRtpSetup) => {
    const { projectrtp } = createRequire(import.meta.url)(folder) as { projectrtp: ProjectRtp };
    projectrtp.run({ ports: { start: ports.lo, end: ports.hi } });
    projectrtp.setaddress?.(address);
    for (let stream = 0; stream < streams; stream++) {
      const from = await projectrtp.openchannel({ remote: { address, port: sourcePort, codec: PCMU } });
      const to = await projectrtp.openchannel({ remote: { address, port: sinkPort, codec: PCMU } });
      if (!from.mix(to)) throw new Error('projectrtp does not mix the two channels');
      channels.push(from, to);
    }
    return channels.filter((_, n) => n % 2 === 0).map(({ local }) => local.port);
  },
});
