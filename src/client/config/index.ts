/** The configuration of the recording client: one YAML file. */
export { loadClientConfig, parseClientConfig } from './load.ts';
export { compilePattern, MAX_MATCHED_CHARACTERS, matches, PatternRefused } from './patterns.ts';
export { type Reload, reloadOf } from './reload.ts';
export { CLIENT_SCHEMA } from './schema.ts';
export type * from './types.ts';
export { LOCAL_RECORDER } from './types.ts';
