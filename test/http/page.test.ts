/** The page: complete without script, and nothing from a call becomes markup. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SaxesParser } from 'saxes';
import { escapeHtml, renderPage } from '../../src/http/page.ts';
import { recording } from '../store/recordings.ts';
import { startServer } from './harness.ts';

const ATTACK = `"><script>alert(1)</script><img src=x onerror='x'>&amp;`;

/** Elements and their attributes; the page is written so that, but for its void elements, it is XML as well. */
function elements(page: string): Array<{ name: string; attributes: Record<string, string> }> {
  const found: Array<{ name: string; attributes: Record<string, string> }> = [];
  const parser = new SaxesParser();
  parser.on('opentag', (tag) => found.push({ name: tag.name, attributes: tag.attributes as Record<string, string> }));
  const xml = page
    .replace('<!doctype html>', '')
    .replace(/<(meta|input)([^>]*)>/g, '<$1$2/>')
    .replaceAll(' controls ', ' controls="" ')
    .replaceAll(' selected>', ' selected="">');
  parser.write(xml).close();
  return found;
}

const ALLOWED = new Set(
  'html head meta title style body h1 h2 form input select option button article header time span audio table tr th td ul li p a'.split(
    ' ',
  ),
);

test('nothing that came from a call or a query becomes markup', () => {
  const hostile = recording({
    id: ATTACK,
    startedAt: ATTACK,
    sipCallId: ATTACK,
    participants: [{ id: ATTACK, aor: ATTACK, name: ATTACK, channel: 0 }],
    warnings: [ATTACK, ATTACK],
    streams: [{ ...recording().streams[0]!, label: ATTACK, codec: ATTACK }],
  });
  const query = { participant: ATTACK, text: ATTACK, callId: ATTACK, from: ATTACK, to: ATTACK, cursor: ATTACK };
  for (const page of [
    renderPage(query, { items: [hostile, hostile], nextCursor: ATTACK }),
    renderPage(query, { items: [], nextCursor: null }, ATTACK),
  ]) {
    for (const { name, attributes } of elements(page)) {
      assert.ok(ALLOWED.has(name), name);
      for (const [attribute, value] of Object.entries(attributes)) {
        assert.doesNotMatch(attribute, /^on|^style$/);
        if (['href', 'src', 'action'].includes(attribute)) assert.match(value, /^\/(?!\/)/);
      }
    }
  }
});

test('escaping is reversible and leaves no character of markup', () => {
  assert.equal(escapeHtml(`<a b="c" d='e'>&`), '&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;');
});

test('lists recordings with player and completeness, and finds the next page', async () => {
  const server = await startServer();
  try {
    const page = async (target: string) => {
      const response = await server.get(target);
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    assert.match((await page('/')).text, /No recordings found/);
    for (let n = 0; n < 3; n++) {
      const id = recording().id.replace(/^./, String(n));
      server.catalogue.put(
        recording({ id, state: n === 0 ? 'recording' : 'complete', warnings: n === 1 ? ['no label'] : [] }),
      );
    }
    const first = await page('/?participant=alice&text=&state=&from=&limit=2');
    assert.equal(first.status, 200);
    assert.equal(first.text.match(/<article>/g)?.length, 2);
    assert.match(first.text, /3 missing: 497 of 500 packets/);
    assert.match(first.text, /<audio controls preload="none" src="\/api\/v1\/recordings\/[0-9a-f-]{36}\/audio">/);
    const next = /rel="next" href="([^"]*)"/.exec(first.text)?.[1]?.replaceAll('&amp;', '&');
    const second = await page(next!);
    assert.equal(second.text.match(/<article>/g)?.length, 1);
    assert.doesNotMatch(second.text, /<audio|rel="next"/);
    const wrong = await page('/?from=yesterday');
    assert.equal(wrong.status, 400);
    assert.match(wrong.text, /role="alert">from: not an ISO 8601/);
    assert.match(first.headers.get('content-security-policy')!, /style-src 'sha256-[^']+'/);
  } finally {
    await server.close();
  }
});
