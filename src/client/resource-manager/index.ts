/** The resource manager: groups of recorders, their heartbeat, and who is to be tried. */
export { type RecorderSources, recorderMetrics } from './metrics.ts';
export { type OptionsProbeOptions, optionsProbe, retryAfterOf } from './options-probe.ts';
export type { GroupStatus, ProbeResult, Recorder, RecorderState, RecorderStatus, ServiceTarget } from './recorder.ts';
export { ResourceManager, type ResourceManagerLog, type ResourceManagerOptions } from './resource-manager.ts';
export { srvResolver } from './srv-members.ts';
