/** Holds the architecture: who may import whom, read from the sources themselves. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '..');
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s+'([^']+)'|(?:^|\n)\s*import\s+'([^']+)'|import\(\s*'([^']+)'\s*\)/g;

interface Edge {
  from: string;
  to: string;
}

function edges(): Edge[] {
  const files = globSync('{src,assembly}/**/*.ts', { cwd: ROOT });
  return files.flatMap((from) => {
    const text = readFileSync(path.join(ROOT, from), 'utf8');
    return [...text.matchAll(IMPORT)].map((m) => {
      const target = m[1] ?? m[2] ?? m[3] ?? '';
      return { from, to: target.startsWith('.') ? path.join(path.dirname(from), target) : target };
    });
  });
}

const room = (file: string): string =>
  file.startsWith('src/') ? (file.split('/')[1] ?? '') : (file.split('/')[0] ?? '');
const ALL = edges();
const SIGNALLING = new Set(['sip', 'sdp', 'siprec', 'journal', 'cti']);
const LAYOUT_READERS = new Set([
  'src/media/memory.ts',
  'src/media/srtp-memory.ts',
  'src/media/io-memory.ts',
  'src/media/sink-memory.ts',
  'src/media/player-memory.ts',
  'src/media/mixer-memory.ts',
  'src/media/render.ts',
  'src/journal/format.ts',
]);

function breaches(rule: (edge: Edge) => boolean): string[] {
  return ALL.filter(rule).map((edge) => `${edge.from} -> ${edge.to}`);
}

test('the reader of imports sees the tree', () => assert.ok(ALL.length > 50));

test('assembly imports only itself', () => {
  assert.deepEqual(
    breaches((e) => room(e.from) === 'assembly' && room(e.to) !== 'assembly'),
    [],
  );
});

test('only the memory views and the journal format read the layout', () => {
  assert.deepEqual(
    breaches((e) => e.from.startsWith('src/') && room(e.to) === 'assembly' && !LAYOUT_READERS.has(e.from)),
    [],
  );
});

test('signalling, journal and CTI know nothing of media', () => {
  assert.deepEqual(
    breaches((e) => SIGNALLING.has(room(e.from)) && room(e.to) === 'media'),
    [],
  );
});

test('media knows nothing of SIP', () => {
  assert.deepEqual(
    breaches(
      (e) => room(e.from) === 'media' && ['sip', 'siprec', 'cti', 'server', 'client', 'http'].includes(room(e.to)),
    ),
    [],
  );
});

test('only the server, the client and the command line see both paths', () => {
  const both = new Map<string, Set<string>>();
  for (const e of ALL) {
    const side = room(e.to) === 'media' ? 'media' : room(e.to) === 'sip' ? 'sip' : null;
    if (side) both.set(room(e.from), (both.get(room(e.from)) ?? new Set()).add(side));
  }
  const rooms = [...both]
    .filter(([name, sides]) => sides.size > 1 && !['server', 'client', 'cli'].includes(name))
    .map(([name]) => name);
  assert.deepEqual(rooms, []);
});

test('what both configurations share knows neither; server and client know nothing of each other', () => {
  const barred = (e: Edge) =>
    (room(e.from) === 'settings' && !['settings', 'sip'].includes(room(e.to)) && e.to.startsWith('src/')) ||
    (room(e.from) === 'server' && room(e.to) === 'client') ||
    (room(e.from) === 'client' && room(e.to) === 'server');
  assert.deepEqual(breaches(barred), []);
});

test('HTTP knows the store, and of calls only what it is handed', () => {
  assert.deepEqual(
    breaches((e) => room(e.from) === 'http' && e.to.startsWith('src/') && !['http', 'store'].includes(room(e.to))),
    [],
  );
});

const IO = /^node:(dgram|net|tls|fs|fs\/promises)$/;
const OUTERMOST = [
  /^src\/(server|client|cli|http|settings|store|capture|recording|certificates)\//,
  /^src\/sip\/(transport\/|endpoint)/,
  /^src\/media\/(address|sockets|dgram-sockets|native-sockets|worker|engine|lane|ports|memory|core|render|kernel-drops|proc-net)/,
  /^src\/journal\/(writer|reader|demux|recover|segment|files|preallocate|packet)/,
];

test('sockets, files and clocks stay in the outermost modules', () => {
  assert.deepEqual(
    breaches((e) => IO.test(e.to) && !OUTERMOST.some((allowed) => allowed.test(e.from))),
    [],
  );
});

test('SIP, SDP and SIPREC state machines read no clock', () => {
  const offenders = globSync('src/{sip,sdp,siprec,cti}/**/*.ts', { cwd: ROOT })
    .filter((file) => !/^src\/sip\/(transport\/|endpoint)/.test(file))
    .filter((file) =>
      /\b(Date\.now|performance\.now|setTimeout|setInterval|setImmediate)\b/.test(
        readFileSync(path.join(ROOT, file), 'utf8'),
      ),
    );
  assert.deepEqual(offenders, []);
});

test('no folder is named for nothing in particular', () => {
  const vague = globSync('{src,assembly,test,bench}/**/{utils,util,common,helpers,helper,misc,lib}', { cwd: ROOT });
  assert.deepEqual(vague, []);
});
