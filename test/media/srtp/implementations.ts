/** One suite runs on every implementation of the same thing: ours in WebAssembly, and the oracle that it is held against. */
import { Srtp } from '../../../src/media/srtp.ts';
import { OracleSrtp, type SrtpLike } from './oracle-context.ts';

export interface Implementation {
  name: string;
  open: (contexts: number) => SrtpLike;
  /** How much of the trials it gets: running the oracle by its own suite proves the suite, and takes ten times as long. */
  share: number;
}

const WEB_ASSEMBLY: Implementation = { name: 'WebAssembly', open: (contexts) => new Srtp({ contexts }), share: 1 };
const ORACLE: Implementation = { name: 'oracle', open: () => new OracleSrtp(), share: 0.1 };

export const IMPLEMENTATIONS = [WEB_ASSEMBLY, ORACLE];
