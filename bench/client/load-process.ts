/** The process of the load with parties that call: what they agree on is what the generator sends and the sinks expect. */
import { LOAD_HANDLERS } from '../system/load/handlers.ts';
import { serve } from '../system/remote.ts';
import { Parties } from './parties.ts';

let parties: Parties;

serve({
  ...LOAD_HANDLERS,
  openParties: async () => {
    parties = await Parties.open();
  },
  /** Sinks and generator are open. */
  connect: async (calls: number) => {
    const { ports, routes } = await parties.connect(calls);
    LOAD_HANDLERS.expect(routes);
    LOAD_HANDLERS.addStreams(ports);
  },
});
