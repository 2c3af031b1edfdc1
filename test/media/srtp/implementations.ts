/** One suite runs on every implementation of the same thing: ours in WebAssembly, and the oracle that it is held against. */
import { Srtp } from '../../../src/media/srtp.ts';
import { OracleSrtp, type SrtpLike } from './oracle-context.ts';

export interface Implementation {
  name: string;
  open: (contexts: number) => SrtpLike;
}

const WEB_ASSEMBLY: Implementation = { name: 'WebAssembly', open: (contexts) => new Srtp({ contexts }) };
const ORACLE: Implementation = { name: 'oracle', open: () => new OracleSrtp() };

export const IMPLEMENTATIONS = [WEB_ASSEMBLY, ORACLE];
