/** The reference page says what the schema says. `DOUBLETRACK_WRITE_DOCS=1` writes its tables anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parsed, refusal } from './files.ts';
import { referenceTables } from './reference.ts';

const PAGE = path.resolve(import.meta.dirname, '../../../docs/recording-client/configuration.md');
const BEGIN = '<!-- tables from the schema: begin -->\n\n';
const END = '\n\n<!-- tables from the schema: end -->';

test('the tables of the reference page are those of the schema', () => {
  const page = readFileSync(PAGE, 'utf8');
  const [before, rest] = page.split(BEGIN);
  const [tables, behind] = rest!.split(END);
  if (process.env.DOUBLETRACK_WRITE_DOCS === '1') {
    writeFileSync(PAGE, before + BEGIN + referenceTables() + END + behind);
  } else {
    assert.equal(
      tables,
      referenceTables(),
      'DOUBLETRACK_WRITE_DOCS=1 node --test test/client/config/reference.test.ts',
    );
  }
});

test('the examples of the page are configurations, its error text is a real one', () => {
  const page = readFileSync(PAGE, 'utf8');
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
  assert.ok(blocks.length >= 2);
  for (const block of blocks) assert.ok(parsed(block, { PASSWORD_1001: 'x', CTI_TOKEN: 'x'.repeat(16) }).extensions);
  const said = /```text\n([\s\S]*?)\n```/.exec(page)?.[1];
  assert.equal(refusal('extensions:\n  - dn: 1001\n    pasword: x\n'), said);
});
