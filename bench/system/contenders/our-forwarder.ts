/** Ours, forwarding: the parent's side. */
import type { ForwardContender } from '../contender.ts';

export const ours: ForwardContender = {
  name: 'doubletrack',
  hasSrtp: true,
  mostSinks: Number.POSITIVE_INFINITY,
  open: async () => {
    throw new Error('this build does not replicate streams');
  },
};
