/** What a running client takes over when its file is read again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reloadOf } from '../../../src/client/config/index.ts';
import { changed, parsed, smallest, type Tree } from './files.ts';

const reload = (tree: Tree, before: Tree = smallest()) => reloadOf(parsed(before), parsed(tree));

describe('reload', () => {
  test('nothing has changed', () => {
    const { changed: took, needRestart } = reload(smallest());
    assert.deepEqual([took, needRestart], [[], []]);
  });

  test('everything but listen addresses and media is taken over', () => {
    const cases: [string, unknown, string][] = [
      ['extensions.0.password', 'new', 'extensions'],
      ['trunks.0.targets', ['sip:192.0.2.1'], 'trunks'],
      ['dialPlan.0.match', String.raw`9(\d+)`, 'dialPlan'],
      ['recorders.0.uri', 'sip:192.0.2.1', 'recorders'],
      ['groups.0.strategy', 'weighted', 'groups'],
      ['recording.rules', [{ record: 'source' }], 'recording'],
      ['logLevel', 'debug', 'logLevel'],
    ];
    for (const [at, value, key] of cases) {
      const next = changed(at, value);
      const { config, changed: took, needRestart } = reload(next);
      assert.deepEqual([took, needRestart], [[key], []], at);
      assert.deepEqual(config, parsed(next), at);
    }
  });

  test('listen addresses, media and what phones were told stay as they are, and are told', () => {
    const cases: [string, unknown, string][] = [
      ['sip', ['udp:127.0.0.1:5071'], 'sip'],
      ['http', '127.0.0.1:9', 'http'],
      ['realm', 'other', 'realm'],
      ['sessionExpiresSec', 90, 'sessionExpiresSec'],
      ['media.ports', '20000-20999', 'media'],
      ['media.anchor', 'always', 'media'],
      ['local', { dir: 'recordings' }, 'local'],
    ];
    for (const [at, value, key] of cases) {
      const { config, changed: took, needRestart } = reload(changed(at, value, changed('logLevel', 'debug')));
      assert.deepEqual([took, needRestart], [['logLevel'], [key]], at);
      assert.deepEqual(config, { ...parsed(smallest()), logLevel: 'debug' }, at);
    }
  });

  test('the CTI link takes new tokens, but neither listens elsewhere nor begins nor ends', () => {
    const cti = { listen: '127.0.0.1:8082', tokens: ['token-of-twenty-characters'] };
    const other = { listen: '127.0.0.1:8083', tokens: ['another-of-twenty-characters'] };
    const both = reload(changed('cti', other), changed('cti', cti));
    assert.deepEqual([both.changed, both.needRestart], [['cti'], ['cti']]);
    assert.deepEqual([both.config.cti?.port, both.config.cti?.tokens], [8082, other.tokens]);
    assert.deepEqual(reload(changed('cti', cti)).needRestart, ['cti']);
    assert.equal(reload(changed('cti', cti)).config.cti, null);
    assert.equal(reload(smallest(), changed('cti', cti)).config.cti?.port, 8082);
  });
});
