/** The process of the load, on the core that is not measured. */
import { serve } from '../remote.ts';
import { LOAD_HANDLERS } from './handlers.ts';

serve(LOAD_HANDLERS);
