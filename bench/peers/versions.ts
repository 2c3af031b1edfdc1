/** Which versions of the peers a report speaks of. */
import { Rtpengine } from './rtpengine.ts';

export function peerVersions(): Record<string, string> {
  const rtpengine = Rtpengine.version();
  return rtpengine === null ? {} : { rtpengine };
}
