/** Configurations for the tests: one that is right, to change. */
import assert from 'node:assert/strict';
import { stringify } from 'yaml';
import { type ClientConfig, parseClientConfig } from '../../../src/client/config/index.ts';
import { ConfigError } from '../../../src/settings/index.ts';

export type Tree = { [key: string]: unknown };

/** Small and right. */
export function smallest(): Tree {
  return {
    sip: ['udp:127.0.0.1:5070'],
    media: { address: '127.0.0.1', ports: '30000-30999', lanes: 1 },
    extensions: [
      { dn: '1001', password: 'one-secret' },
      { dn: '1002', password: 'two-secret' },
    ],
    trunks: [{ name: 'outside', targets: ['sip:127.0.0.1:5090'] }],
    dialPlan: [{ match: String.raw`0(\d+)`, trunk: 'outside', number: '$1' }],
    recorders: [
      { id: 'a', uri: 'sip:127.0.0.1:5060' },
      { id: 'b', uri: 'sip:127.0.0.1:5062' },
    ],
    groups: [
      { name: 'main', recorders: ['a', 'b'] },
      { name: 'archive', recorders: ['b'] },
    ],
    recording: { group: 'main' },
  };
}

/** Sets what a path such as `extensions.0.dn` names; undefined takes it away. */
export function changed(path: string, value: unknown, tree: Tree = smallest()): Tree {
  const parts = path.split('.');
  const last = parts.pop()!;
  let node = tree;
  for (const part of parts) {
    node[part] ??= {};
    node = node[part] as Tree;
  }
  if (value === undefined) delete node[last];
  else node[last] = value;
  return tree;
}

export function parsed(tree: Tree | string, environment: NodeJS.ProcessEnv = {}, file = 'client.yaml'): ClientConfig {
  return parseClientConfig(typeof tree === 'string' ? tree : stringify(tree), file, environment);
}

/** The message with which it is refused. */
export function refusal(tree: Tree | string, environment: NodeJS.ProcessEnv = {}, file = 'client.yaml'): string {
  try {
    parsed(tree, environment, file);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail('was taken');
}
