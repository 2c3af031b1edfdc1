/** Patterns of the configuration: anchored, and quick on whatever comes from the network. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  compilePattern,
  groupCount,
  MAX_MATCHED_CHARACTERS,
  matches,
  PatternRefused,
} from '../../../src/client/config/patterns.ts';

const taken = (source: string): boolean => {
  try {
    compilePattern(source);
    return true;
  } catch (error) {
    assert.ok(error instanceof PatternRefused, String(error));
    return false;
  }
};

describe('patterns', () => {
  test('are anchored at both ends, alternatives too', () => {
    const pattern = compilePattern('1|2');
    assert.ok(matches(pattern, '1') && matches(pattern, '2'));
    assert.ok(!matches(pattern, '12') && !matches(pattern, '01') && !matches(pattern, '1\n'));
    assert.equal(groupCount(compilePattern(String.raw`0(\d+)(?:x)(y)?`)), 2);
  });

  test('what numbers, headers and URIs need is taken', () => {
    for (const source of [
      String.raw`0(\d+)`,
      String.raw`\+?49(\d{2,12})`,
      String.raw`1\d{3}|2\d{3}`,
      '.*sales.*',
      '(?:anonymous|unknown)',
      String.raw`.*;queue=(\w{1,16})`,
      String.raw`[\]a-z]+`,
      String.raw`(\d{2}\.){3}\d{2}`,
      '(?:ab)+c?',
      '',
    ]) {
      assert.ok(taken(source), source);
    }
  });

  test('what could take for ever, or is no pattern, is refused', () => {
    for (const source of [
      '(a+)+',
      '(a|a)*',
      '(a|aa)+',
      '(a?){30}',
      '((a{1,5}){1,5})b',
      '.*.*.*.*x',
      String.raw`(\d*)\1`,
      '(?=a)a',
      '.*;queue=(.+);.*',
      '(?<n>a)',
      '(?i:a)',
      'a)(b',
      '[',
      String.raw`\q`,
      '((a{200}){200}){200}',
      'a'.repeat(257),
    ]) {
      assert.ok(!taken(source), source);
    }
  });

  test('a text that is too long matches nothing', () => {
    const pattern = compilePattern('.*');
    assert.ok(matches(pattern, 'x'.repeat(MAX_MATCHED_CHARACTERS)));
    assert.ok(!matches(pattern, 'x'.repeat(MAX_MATCHED_CHARACTERS + 1)));
  });

  test('whatever is taken answers at once, also about the worst text for it', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '(',
      ')',
      '(?:',
      '|',
      '*',
      '+',
      '?',
      '{2}',
      '{0,9}',
      '{2,}',
      '\\w',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), fc.constantFrom('a', 'b', 'ab'), (pieces, unit) => {
        let pattern: RegExp;
        try {
          pattern = compilePattern(pieces.join(''));
        } catch (error) {
          return assert.ok(error instanceof PatternRefused, String(error));
        }
        const text = `${unit.repeat(MAX_MATCHED_CHARACTERS)}`.slice(0, MAX_MATCHED_CHARACTERS - 1);
        const before = process.cpuUsage().user;
        matches(pattern, `${text}!`);
        const ms = (process.cpuUsage().user - before) / 1000;
        assert.ok(ms < 200, `${pattern}: ${ms} ms`);
      }),
      { numRuns: 3000 },
    );
  });
});
