/**
 * The page at `/`: search, list, listen, and how complete each recording is. Plain HTML without script. Everything that
 * came from a call is escaped, and the content security policy would stop what slipped through.
 */
import { createHash } from 'node:crypto';
import type { RecordingPage, RecordingQuery } from '../store/catalogue.ts';
import { RECORDING_STATES, type Recording } from '../store/recording.ts';

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bad: #c33; --good: #2a7d46 }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem; margin: 0 0 1rem }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: 1.5rem }
input, select, button { font: inherit; padding: .3rem .5rem; border: 1px solid var(--line); border-radius: .3rem; background: transparent; color: inherit }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin-bottom: .8rem }
article header { display: flex; flex-wrap: wrap; gap: .2rem 1rem; align-items: baseline }
article h2 { font-size: 1rem; margin: 0; flex: 1 1 20rem }
audio { width: 100%; height: 2.2rem; margin: .5rem 0 }
table { border-collapse: collapse; font-size: .85rem; width: 100% }
td, th { text-align: right; padding: .1rem .5rem; border-top: 1px solid var(--line) }
td:first-child, th:first-child { text-align: left }
.whole { color: var(--good) } .gaps, .error { color: var(--bad) }
.small { font-size: .85rem; opacity: .8 } .state { background: var(--soft); border-radius: .3rem; padding: 0 .4rem }
ul { margin: .3rem 0; padding-left: 1.2rem }
`;

/** CSP source expression that lets exactly this style sheet through. */
export const STYLE_HASH = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`;

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for element content and quoted attribute values. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Template tag that escapes every value, except what {@link html} itself made. */
class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Value = Html | string | number | readonly Html[];

function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  const shown = values.map((value) => {
    if (value instanceof Html) return value.text;
    if (typeof value === 'object') return value.map((item) => item.text).join('');
    return escapeHtml(String(value));
  });
  return new Html(parts.map((part, index) => part + (shown[index] ?? '')).join(''));
}

const NOTHING = new Html('');

function duration(durationMs: number | null): string {
  if (durationMs === null) return '';
  const seconds = Math.round(durationMs / 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function title(recording: Recording): string {
  const names = recording.participants.map((p) => p.name ?? p.aor ?? p.id);
  return names.length > 0 ? names.join(' ↔ ') : recording.sipCallId;
}

function completeness(recording: Recording): Html {
  if (recording.state !== 'complete' && recording.state !== 'provisional') return NOTHING;
  const sum = (pick: (s: Recording['streams'][number]) => number) => recording.streams.reduce((n, s) => n + pick(s), 0);
  const expected = sum((s) => s.packets.expected);
  const received = sum((s) => s.packets.received);
  const paused = sum((s) => s.packets.paused);
  const missing = expected - received - paused;
  const counted = `${received} of ${expected} packets${paused > 0 ? `, ${paused} paused` : ''}`;
  return missing === 0
    ? html`<span class="whole">nothing missing: ${counted}</span>`
    : html`<span class="gaps">${missing} missing: ${counted}</span>`;
}

function streamTable(recording: Recording): Html {
  const rows = recording.streams.map(
    (s) => html`<tr><td>${s.label}</td><td>${s.channel}</td><td>${s.codec}</td><td>${s.packets.expected}</td>
<td>${s.packets.received}</td><td>${s.packets.lost}</td><td>${s.packets.dropped}</td><td>${s.packets.paused}</td>
<td>${s.packets.late}</td><td>${s.packets.duplicate}</td><td>${s.jitterMs.toFixed(1)}</td></tr>`,
  );
  if (rows.length === 0) return NOTHING;
  return html`<table><tr><th>stream</th><th>channel</th><th>codec</th><th>expected</th><th>received</th><th>lost</th>
<th>dropped</th><th>paused</th><th>late</th><th>duplicate</th><th>jitter ms</th></tr>${rows}</table>`;
}

function article(recording: Recording): Html {
  const base = `/api/v1/recordings/${encodeURIComponent(recording.id)}`;
  const playable = recording.state === 'complete' || recording.state === 'provisional';
  const warnings = recording.warnings.map((text) => html`<li>${text}</li>`);
  return html`<article><header><h2>${title(recording)}</h2>
<time datetime="${recording.startedAt}">${recording.startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}</time>
<span>${duration(recording.durationMs)}</span><span class="state">${recording.state}</span>
${completeness(recording)}</header>
${playable ? html`<audio controls preload="none" src="${base}/audio"></audio>` : NOTHING}
${streamTable(recording)}
${warnings.length > 0 ? html`<ul class="small">${warnings}</ul>` : NOTHING}
<p class="small">${recording.recovered ? 'recovered after a crash · ' : ''}${recording.id} ·
<a href="${base}">facts</a>${
    playable
      ? html` · <a href="${base}/manifest">certificate</a> · <a href="${base}/audio?channel=0">channel 0</a> ·
<a href="${base}/audio?channel=1">channel 1</a> · <a href="${base}/audio?channel=mix">mix</a>`
      : NOTHING
  }</p></article>`;
}

function field(name: keyof RecordingQuery, placeholder: string, query: RecordingQuery): Html {
  const value = query[name] ?? '';
  return html`<input name="${name}" placeholder="${placeholder}" aria-label="${placeholder}" value="${value}">`;
}

function searchForm(query: RecordingQuery): Html {
  const options = RECORDING_STATES.map(
    (state) => html`<option${query.state === state ? html` selected` : NOTHING}>${state}</option>`,
  );
  return html`<form action="/" method="get">${field('participant', 'participant', query)}
${field('text', 'any words', query)}${field('callId', 'call id', query)}${field('from', 'from (2026-01-31)', query)}
${field('to', 'before', query)}<select name="state" aria-label="state"><option value="">any state</option>${options}</select>
<button>Search</button></form>`;
}

function nextLink(query: RecordingQuery, nextCursor: string | null): Html {
  if (nextCursor === null) return NOTHING;
  const next = new URLSearchParams({ ...queryStrings(query), cursor: nextCursor });
  return html`<p><a rel="next" href="/?${next.toString()}">Older recordings</a></p>`;
}

function queryStrings(query: RecordingQuery): Record<string, string> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}

/** @param error shown above the list instead of results. */
export function renderPage(query: RecordingQuery, page: RecordingPage, error: string | null = null): string {
  const list = page.items.length > 0 ? page.items.map(article) : html`<p>No recordings found.</p>`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>doubletrack recordings</title><style>${new Html(STYLE)}</style></head>
<body><h1>doubletrack recordings</h1>${searchForm(query)}
${error === null ? list : html`<p class="error" role="alert">${error}</p>`}
${nextLink(query, page.nextCursor)}
<p class="small"><a href="/openapi.json">HTTP interface</a> · <a href="/api/v1/sessions">running now</a> · <a href="/metrics">metrics</a></p>
</body></html>
`.text;
}
