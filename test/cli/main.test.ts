/** The command line as a process: exit codes, and what goes to stdout and to stderr. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const MAIN = pathToFileURL(path.resolve(import.meta.dirname, '../../src/cli/main.ts')).href;
const SCRIPT = `import { main } from '${MAIN}'; await main(['node', 'doubletrack', ...process.argv.slice(1)]);`;
const folder = mkdtempSync(path.join(tmpdir(), 'doubletrack-cli-'));
after(() => rmSync(folder, { recursive: true }));

function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('DOUBLETRACK_'));
    const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, '--', ...args], {
      cwd: folder,
      env: Object.fromEntries(environment),
    });
    const text = { out: '', err: '' };
    child.stdout.on('data', (chunk) => {
      text.out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      text.err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...text }));
  });
}

describe('command line', () => {
  test('help and version go to stdout and end well', async () => {
    const [help, version, serve] = await Promise.all([run('--help'), run('--version'), run('serve', '--help')]);
    assert.deepEqual([help.code, help.err], [0, '']);
    for (const command of ['serve', 'call', 'extract', 'verify', 'replay', 'demo'])
      assert.match(help.out, new RegExp(`^ {2}${command}`, 'm'));
    assert.match(help.out, /Exit codes: 0 done, 1 failed, 2 wrong use/);
    assert.deepEqual([version.code, version.out], [0, '0.1.0\n']);
    assert.match(serve.out, /--media-ports <lo-hi>/);
  });

  test('wrong use ends with 2 and says on stderr what to do', async () => {
    const wrong: Array<[string[], RegExp]> = [
      [[], /Usage: doubletrack/],
      [['recrod'], /unknown command 'recrod'/],
      [['--colour'], /unknown option '--colour'/],
      [['serve', '--sip-port', '5060'], /unknown option '--sip-port'[\s\S]*--help/],
      [['serve', '--http', '0.0.0.0'], /http has the wrong form/],
      [['serve', '--lanes', 'two'], /lanes must be integer/],
      [['verify'], /missing required argument 'path'/],
      [['verify', 'a', 'b'], /too many arguments/],
      [['bench', 'kernels'], /no group 'kernels': choose kernel, lane, system, client or all/],
      [['bench', 'system', '--duration', '0'], /--duration takes a number above 0, not '0'/],
      [['bench', '--soak', 'long'], /--soak takes a number above 0, not 'long'/],
      [['replay', '--jsno', 'x'], /unknown option '--jsno'[\s\S]*--json/],
    ];
    const results = await Promise.all(wrong.map(([args]) => run(...args)));
    results.forEach(({ code, out, err }, n) => {
      const [args, expected] = wrong[n]!;
      assert.deepEqual([code, out], [2, ''], args.join(' '));
      assert.match(err, expected);
    });
    assert.deepEqual(readdirSync(folder), []);
  });

  test('what failed ends with 1; with --json, stdout holds one JSON document all the same', async () => {
    const [verify, human, replay] = await Promise.all([
      run('verify', 'nowhere', '--json'),
      run('verify', 'nowhere'),
      run('replay', 'nowhere', '--json'),
    ]);
    assert.equal(verify.code, 1);
    const verdict = JSON.parse(verify.out) as { ok: boolean; difference: string; recordings: unknown[] };
    assert.deepEqual([verdict.ok, typeof verdict.difference, verdict.recordings.length], [false, 'string', 1]);
    assert.equal(human.code, 1);
    assert.match(human.out, /^CHANGED {4}.*nowhere: /);
    assert.deepEqual([replay.code, replay.out], [1, '']);
    assert.match(replay.err, /does not exist: name a journal folder/);
  });

  test('verify looks at every recording of a data folder, and misses one whose manifest is gone', async () => {
    const ids = ['5f0c3e0a-7c5a-4d5e-9a53-0f6a1e1f2b3c', '6f0c3e0a-7c5a-4d5e-9a53-0f6a1e1f2b3c'];
    for (const id of ids) mkdirSync(path.join(folder, 'data', 'recordings', id), { recursive: true });
    mkdirSync(path.join(folder, 'data', 'recordings', '.draft'));
    const { code, out } = await run('verify', 'data', '--json');
    const { recordings } = JSON.parse(out) as { recordings: Array<{ path: string; ok: boolean }> };
    assert.deepEqual([code, recordings.map((r) => [path.basename(r.path), r.ok])], [1, ids.map((id) => [id, false])]);
  });
});
