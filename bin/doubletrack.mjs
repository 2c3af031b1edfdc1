#!/usr/bin/env node
// The command. Runs the built code; type stripping does not reach into node_modules, so an installed package has only this way.
import { main } from '../dist/src/cli/main.js';

await main(process.argv);
