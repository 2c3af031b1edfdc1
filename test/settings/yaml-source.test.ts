/** Where in a YAML file things stand, and that error texts about it show none of its values. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ConfigError, nearestName, pathText, YamlSource } from '../../src/settings/index.ts';

const TEXT = `a:
  - x: 1
    "y": [2, three]
b: {c: 4}
`;

function refused(text: string): string {
  try {
    new YamlSource(text, 'f.yaml');
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail('was taken');
}

describe('a YAML file', () => {
  test('values and keys have places; what is not there has that of what is around it', () => {
    const source = new YamlSource(TEXT, 'f.yaml');
    assert.deepEqual(source.value, { a: [{ x: 1, y: [2, 'three'] }], b: { c: 4 } });
    assert.equal(source.at(['a', 0, 'x']), 'f.yaml:2:8');
    assert.equal(source.at(['a', 0, 'y', 1]), 'f.yaml:3:14');
    assert.equal(source.atKey(['a', 0, 'y']), 'f.yaml:3:5');
    assert.equal(source.atKey(['b']), 'f.yaml:4:1');
    assert.equal(source.at(['b', 'missing', 'deep']), 'f.yaml:4:4');
    assert.equal(source.at([]), 'f.yaml:1:1');
    assert.equal(source.atKey(['a', 7, 'no']), 'f.yaml:2:3');
    assert.equal(pathText(['a', 0, 'y', 1]), 'a[0].y[1]');
  });

  test('values behind aliases have a place as well', () => {
    const source = new YamlSource('a: &x {b: 1}\nc: *x\n', 'f.yaml');
    assert.equal(source.at(['c', 'b']), 'f.yaml:2:4');
    assert.equal(source.atKey(['c', 'b']), 'f.yaml:2:4');
  });

  test('what cannot be read says where, without what stands there', () => {
    assert.match(refused('a: [1\nb'), /^f\.yaml:2:\d+ is no YAML: /);
    assert.match(refused('a: 1\na: 2'), /^f\.yaml:2:1 is no YAML: Map keys must be unique/);
    assert.match(refused('a: &x\n  b: [*x]'), /^f\.yaml:2:7 refers to what it is itself a part of$/);
    assert.match(refused('['.repeat(100_000)), /^f\.yaml/);
    assert.match(refused('a: 1\npassword: *hunter2'), /^f\.yaml:2:11 refers \(\*\) .* needs quotes$/);
    assert.doesNotMatch(refused('password: *hunter2'), /hunter2/);
    const bomb = 'bcdefghij'.split('').map((c, n) => `${c}: &${c} [${`*${'abcdefghij'[n]},`.repeat(9)}]`);
    assert.match(refused(['a: &a [1,1]', ...bomb].join('\n')), /can't be used: Excessive alias count/);
    assert.throws(() => YamlSource.read('/nowhere.yaml', 'look again'), /ENOENT.*look again/);
  });

  test('any text is data or a ConfigError, and any path has a place', () => {
    const piece = fc.constantFrom('a', ':', ' ', '\n', '- ', '[', ']', '{', '}', '*a', '&a ', '"', '!', '<<', '#', '1');
    const path = fc.array(fc.oneof(fc.constantFrom('a', 'b'), fc.nat(2)), { maxLength: 3 });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), path, (pieces, at) => {
        let source: YamlSource;
        try {
          source = new YamlSource(pieces.join(''), 'f');
        } catch (error) {
          return assert.ok(error instanceof ConfigError, String(error));
        }
        assert.match(source.at(at), /^f:\d+:\d+$/);
        if (at.length > 0) assert.match(source.atKey(at), /^f:\d+:\d+$/);
      }),
      { numRuns: 500 },
    );
  });
});

test('the nearest name is what was meant, or nothing', () => {
  const known = ['extensions', 'trunks', 'recorders', 'recording'];
  assert.equal(nearestName('extentions', known), 'extensions');
  assert.equal(nearestName('Trunk', known), 'trunks');
  assert.equal(nearestName('recordres', known), 'recorders');
  assert.equal(nearestName('recordign', known), 'recording');
  assert.equal(nearestName('banana', known), null);
  assert.equal(nearestName('', known), null);
  assert.equal(nearestName('a', []), null);
});
