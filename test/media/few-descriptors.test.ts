/** Without file descriptors a stream is refused with what to do about it; those that are open go on, and one that closes makes room. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

test('file descriptors run out', async () => {
  const script = path.join(import.meta.dirname, 'few-descriptors.ts');
  const limited = ['-c', 'ulimit -n 120 && exec "$0" "$1"', process.execPath, script];
  const { stdout } = await promisify(execFile)('sh', limited, { timeout: 60_000 });
  const { streams, name, message } = JSON.parse(stdout) as { streams: number; name: string; message: string };
  assert.ok(streams > 5 && streams < 60, `${streams} streams`);
  assert.equal(name, 'NoPortLeft');
  assert.match(message, /no file descriptor left .*ulimit -n/);
});
