/** What a running client takes over from its configuration file when that is read again (SIGHUP). */
import { isDeepStrictEqual } from 'node:util';
import type { ClientConfig, CtiConfig } from './types.ts';

export interface Reload {
  /** The new configuration; what only a restart can change is as it was. */
  config: ClientConfig;
  /** Keys that have changed and take effect. */
  changed: string[];
  /** Keys that have changed and need a restart. */
  needRestart: string[];
}

/** Calls go on: sockets that are open stay as they are, so listen addresses, whether TLS is there, and media do not change; nor what phones were told. */
export function reloadOf(current: ClientConfig, next: ClientConfig): Reload {
  const config: ClientConfig = {
    ...next,
    sip: current.sip,
    tls: current.tls && (next.tls ?? current.tls),
    http: current.http,
    realm: current.realm,
    sessionExpiresSec: current.sessionExpiresSec,
    media: current.media,
    local: current.local,
    cti: ctiOf(current.cti, next.cti),
  };
  const keys = Object.keys(next) as (keyof ClientConfig)[];
  return {
    config,
    changed: keys.filter((key) => !isDeepStrictEqual(current[key], config[key])),
    needRestart: keys.filter((key) => !isDeepStrictEqual(next[key], config[key])),
  };
}

function ctiOf(current: CtiConfig | null, next: CtiConfig | null): CtiConfig | null {
  if (!current || !next) return current;
  const { host, port, tls } = current;
  return { ...next, host, port, tls: tls && (next.tls ?? tls) };
}
