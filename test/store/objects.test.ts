/** Objects in a folder: names can't leave it, versions are whole, handles come back. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { FolderObjects, InvalidObjectName } from '../../src/store/objects.ts';

const ID = '5f0c3e0a-7c5a-4d5e-9a53-0f6a1e1f2b3c';

describe('objects in a folder', () => {
  let root = '';
  let objects: FolderObjects;
  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'doubletrack-objects-'));
    objects = new FolderObjects(root);
  });
  after(() => rm(root, { recursive: true }));

  async function openHandles(): Promise<string[]> {
    const handles = await readdir('/proc/self/fd').catch(() => []);
    const targets = await Promise.all(handles.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    return targets.filter((target) => target.startsWith(root));
  }

  test('no id or name leads out of the folder', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(ID, '..', '.', '', '../x', `${ID}/..`, `${ID}\0`), fc.string()),
        fc.oneof(
          fc.constantFrom('audio.wav', '..', '.', '', '.hidden', 'a/b', 'a\\b', 'a..b', 'a\0', 'CON'),
          fc.string(),
        ),
        (id, name) => {
          let file: string;
          try {
            file = objects.path(id, name);
          } catch (error) {
            assert.ok(error instanceof InvalidObjectName);
            return;
          }
          assert.equal(path.dirname(path.dirname(file)), root);
          assert.equal(path.basename(file), name);
        },
      ),
      { numRuns: 500 },
    );
    assert.throws(() => objects.folder(ID.toUpperCase()), InvalidObjectName);
    assert.throws(() => objects.path(ID, 'a'.repeat(65)), InvalidObjectName);
    assert.equal(objects.path(ID, 'audio.wav'), path.join(root, ID, 'audio.wav'));
  });

  test('slices and streams give exactly the bytes asked for', async () => {
    const content = Buffer.from(Array.from({ length: 1000 }, (_, n) => (n * 7) % 251));
    await objects.write(ID, 'audio.wav', content);
    await fc.assert(
      fc.asyncProperty(fc.nat(1100), fc.nat(1100), async (a, b) => {
        const [start, end] = a < b ? [a, b] : [b, a];
        const object = (await objects.open(ID, 'audio.wav'))!;
        assert.equal(object.bytes, 1000);
        assert.deepEqual(await object.slice(start, end), content.subarray(start, end));
        const stop = Math.min(end, 1000);
        const chunks = await object.stream(Math.min(start, stop), stop).toArray();
        assert.deepEqual(Buffer.concat(chunks), content.subarray(start, stop));
      }),
      { numRuns: 50 },
    );
    assert.deepEqual(await openHandles(), []);
  });

  test('long objects stream in pieces, and a stream that is given up closes its file', async () => {
    const content = Buffer.alloc(1_500_000, 'doubletrack');
    await objects.write(ID, 'long.wav', content);
    const whole = (await objects.open(ID, 'long.wav'))!;
    const chunks = await whole.stream().toArray();
    assert.ok(chunks.length > 1);
    assert.ok(Buffer.concat(chunks).equals(content));
    const given = (await objects.open(ID, 'long.wav'))!.stream();
    for await (const _ of given) break;
    assert.deepEqual(await openHandles(), []);
  });

  test('an object that is replaced while open stays what it was; its version tells', async () => {
    await objects.write(ID, 'manifest.json', Buffer.from('old content'));
    const old = (await objects.open(ID, 'manifest.json'))!;
    await objects.write(ID, 'manifest.json', Buffer.from('new'));
    const fresh = (await objects.open(ID, 'manifest.json'))!;
    assert.equal((await old.slice(0, 99)).toString(), 'old content');
    assert.equal((await fresh.slice(0, 99)).toString(), 'new');
    assert.notEqual(old.version, fresh.version);
    await Promise.all([old.close(), fresh.close()]);
  });

  test('what is not a file of a recording is not there', async () => {
    assert.equal(await objects.open(ID, 'missing.wav'), null);
    assert.equal(await objects.open('00000000-0000-4000-8000-000000000000', 'audio.wav'), null);
    await symlink(root, path.join(root, ID, 'folder'));
    assert.equal(await objects.open(ID, 'folder'), null);
    assert.deepEqual(await openHandles(), []);
  });

  test('writing leaves no drafts; removing takes everything and may be repeated', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, n) => objects.write(ID, 'same.json', Buffer.from(`${n}`))));
    const names = await readdir(objects.folder(ID));
    assert.deepEqual(
      names.filter((name) => name.startsWith('.')),
      [],
    );
    await objects.remove(ID);
    await objects.remove(ID);
    assert.deepEqual(await readdir(root), []);
  });
});
