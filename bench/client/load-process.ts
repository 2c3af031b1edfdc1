/** The process of the load with parties that call: what they agree on is what the generator sends and the sinks expect. */
import { LOAD_HANDLERS } from '../system/load/handlers.ts';
import { serve } from '../system/remote.ts';
import { Parties, type PartiesSetup } from './parties.ts';

serve({
  ...LOAD_HANDLERS,
  /** Sinks and generator are open. */
  connect: async ({ calls, ...setup }: PartiesSetup & { calls: number }) => {
    const parties = await Parties.open(setup);
    const { ports, routes } = await parties.connect(calls);
    LOAD_HANDLERS.expect(routes);
    LOAD_HANDLERS.addStreams(ports);
  },
});
