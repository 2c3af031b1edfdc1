/** What the configurations of the recording server and of the recording client have in common. */
export * from './addresses.ts';
export { ConfigError } from './config-error.ts';
export { nearestName } from './nearest-name.ts';
export { expectation, type Fault, faultsOf, type SettingSchema, settingsValidator, shown } from './schema-faults.ts';
export { type TlsFileNames, TlsFiles } from './tls-files.ts';
export { pathText, type YamlPath, YamlSource } from './yaml-source.ts';
