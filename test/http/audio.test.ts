/** Audio over real HTTP: ranges, conditions and channels, each against the bytes written out in full. */
import assert from 'node:assert/strict';
import { readdir, readlink } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { selectRange } from '../../src/http/range.ts';
import { DerivedWav, monoHeader, readWavLayout, UnreadableWav } from '../../src/http/wav.ts';
import type { OpenObject } from '../../src/store/objects.ts';
import { FIRST_ID, recording } from '../store/recordings.ts';
import { startServer, type TestServer, wavFile } from './harness.ts';

const LEFT = [1, -2, 300, 32_767, -32_768, 5, 6];
const RIGHT = [10, 20, -300, 1, -1, 7, 0x1234];
const MIX = [11, 18, 0, 32_767, -32_768, 12, 0x123a];
const WHOLE = wavFile([LEFT, RIGHT]);
const EXPECTED = {
  '': WHOLE,
  '?channel=0': wavFile([LEFT]),
  '?channel=1': wavFile([RIGHT]),
  '?channel=mix': wavFile([MIX]),
};

describe('audio', () => {
  let server: TestServer;
  const audio = `/api/v1/recordings/${FIRST_ID}/audio`;
  before(async () => {
    server = await startServer();
    server.catalogue.put(recording());
    await server.objects.write(FIRST_ID, 'audio.wav', WHOLE);
    await server.objects.write(FIRST_ID, 'manifest.json', Buffer.from('{"version":1}'));
  });
  after(() => server.close());

  async function openFiles(): Promise<number> {
    const handles = await readdir('/proc/self/fd').catch(() => []);
    const targets = await Promise.all(handles.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    return targets.filter((target) => target.startsWith(server.folder)).length;
  }

  test('both channels, one of them, or their sum, as a WAV of its own', async () => {
    for (const [query, bytes] of Object.entries(EXPECTED)) {
      const response = await server.get(audio + query);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'audio/wav');
      assert.equal(response.headers.get('content-length'), String(bytes.length));
      assert.equal(response.headers.get('accept-ranges'), 'bytes');
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes, query);
    }
    const response = await server.get(`${audio}?channel=2`);
    assert.equal(response.status, 400);
  });

  test('RFC 9110 14: any Range of any channel is that part of the whole', async () => {
    const bound = fc.option(fc.nat(80), { nil: '' as const });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.entries(EXPECTED)),
        bound,
        bound,
        async ([query, bytes], first, last) => {
          const range = `bytes=${first}-${last}`;
          const response = await server.get(audio + query, { range });
          const body = Buffer.from(await response.arrayBuffer());
          const selected = selectRange(range, bytes.length);
          if (selected === 'unsatisfiable') {
            assert.equal(response.status, 416);
            assert.equal(response.headers.get('content-range'), `bytes */${bytes.length}`);
            assert.equal(response.headers.get('content-type'), 'application/problem+json');
          } else if (selected === 'whole') {
            assert.equal(response.status, 200);
            assert.deepEqual(body, bytes);
          } else {
            const { start, end } = selected;
            assert.equal(response.status, 206);
            assert.equal(response.headers.get('content-range'), `bytes ${start}-${end - 1}/${bytes.length}`);
            assert.equal(response.headers.get('content-length'), String(end - start));
            assert.deepEqual(body, bytes.subarray(start, end));
          }
        },
      ),
      { numRuns: 150 },
    );
    assert.equal(await openFiles(), 0);
  });

  test('RFC 9110 9.3.2, 14.2: HEAD tells what GET would send, and ignores Range', async () => {
    for (const [query, bytes] of Object.entries(EXPECTED)) {
      const response = await server.get(audio + query, { range: 'bytes=1-2' }, 'HEAD');
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-length'), String(bytes.length));
      assert.equal(await response.text(), '');
    }
    assert.equal(await openFiles(), 0);
  });

  test('RFC 9110 13: entity tags tell channels and versions apart', async () => {
    const tags = await Promise.all(
      Object.keys(EXPECTED).map(async (query) => (await server.get(audio + query, {}, 'HEAD')).headers.get('etag')!),
    );
    assert.equal(new Set(tags).size, tags.length);
    const [etag = ''] = tags;
    assert.equal((await server.get(audio, { 'if-none-match': etag })).status, 304);
    assert.equal((await server.get(audio, { 'if-match': '"other"' })).status, 412);
    assert.equal((await server.get(audio, { range: 'bytes=0-1', 'if-range': etag })).status, 206);
    assert.equal((await server.get(audio, { range: 'bytes=0-1', 'if-range': '"other"' })).status, 200);
    await server.objects.write(FIRST_ID, 'audio.wav', WHOLE);
    assert.equal((await server.get(audio, { range: 'bytes=0-1', 'if-range': etag })).status, 200);
    assert.equal(await openFiles(), 0);
  });

  test('the manifest is sent as it is stored', async () => {
    const response = await server.get(`/api/v1/recordings/${FIRST_ID}/manifest`);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.deepEqual(await response.json(), { version: 1 });
  });

  test('what is not there yet or no more says so', async () => {
    const id = (n: number) => FIRST_ID.replace(/^./, String(n));
    const states = ['recording', 'finalising', 'discarded', 'failed', 'complete'] as const;
    states.forEach((state, n) => {
      server.catalogue.put(recording({ id: id(n + 1), state }));
    });
    const answers = await Promise.all(
      states.map(async (_, n) => {
        const response = await server.get(`/api/v1/recordings/${id(n + 1)}/audio`);
        const { status, type, retryAfterSec } = (await response.json()) as Record<string, unknown>;
        assert.equal(response.headers.get('retry-after') ?? undefined, retryAfterSec?.toString());
        assert.equal(response.headers.get('content-type'), 'application/problem+json');
        return [status, type, retryAfterSec];
      }),
    );
    assert.deepEqual(answers, [
      [409, 'urn:doubletrack:problem:still-recording', 30],
      [409, 'urn:doubletrack:problem:finalising', 2],
      [410, 'urn:doubletrack:problem:discarded', undefined],
      [404, 'urn:doubletrack:problem:no-audio', undefined],
      [404, 'urn:doubletrack:problem:no-audio', undefined],
    ]);
  });

  test('a file that is no PCM WAV is sent as it is, but not split', async () => {
    const id = FIRST_ID.replace(/^./, '7');
    server.catalogue.put(recording({ id }));
    await server.objects.write(id, 'audio.wav', Buffer.from('not a wave'));
    assert.equal(await (await server.get(`/api/v1/recordings/${id}/audio`)).text(), 'not a wave');
    assert.equal((await server.get(`/api/v1/recordings/${id}/audio?channel=0`)).status, 500);
    await server.objects.write(id, 'audio.wav', wavFile([LEFT]));
    assert.equal((await server.get(`/api/v1/recordings/${id}/audio?channel=1`)).status, 404);
    assert.equal((await server.get(`/api/v1/recordings/${id}/audio?channel=mix`)).status, 200);
    assert.equal(await openFiles(), 0);
  });

  test('a listener who hangs up in the middle leaves no file open', async () => {
    const id = FIRST_ID.replace(/^./, '8');
    server.catalogue.put(recording({ id }));
    await server.objects.write(id, 'audio.wav', Buffer.concat([WHOLE.subarray(0, 44), Buffer.alloc(30_000_000)]));
    const closed = new Promise<void>((resolve) => {
      server.app.server.once('request', (_request, response) => response.once('close', () => resolve()));
    });
    await new Promise<void>((resolve, reject) => {
      const request = httpGet(`${server.url}/api/v1/recordings/${id}/audio`, (response) => {
        response.once('data', () => {
          request.destroy();
          resolve();
        });
      });
      request.once('error', reject);
    });
    await closed;
    while ((await openFiles()) > 0) await new Promise((next) => setImmediate(next));
  });
});

describe('channels of a WAV', () => {
  /** Content in memory; `bytes` may claim more than there is. */
  const stored = (content: Buffer, bytes = content.length): OpenObject => ({
    bytes,
    modifiedAt: new Date(0),
    version: 'v',
    slice: async (start, end) => content.subarray(start, Math.min(end, content.length)),
    stream: () => assert.fail('not used'),
    close: async () => {},
  });

  test('every slice is that part of the whole, whatever chunks stand before the samples', async () => {
    const sample = fc.integer({ min: -32768, max: 32767 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(sample, sample), { maxLength: 20 }),
        fc.constantFrom(Buffer.alloc(0), Buffer.from('LIST\x03\0\0\0abc\0'), Buffer.from('junk\0\0\0\0')),
        fc.nat(90),
        fc.nat(90),
        async (frames, extra, a, b) => {
          const file = stored(wavFile([frames.map((f) => f[0]), frames.map((f) => f[1])], 16_000, extra));
          const derived = new DerivedWav(file, await readWavLayout(file), 1);
          const whole = wavFile([frames.map((f) => f[1])], 16_000);
          const [start, end] = [Math.min(a, b, whole.length), Math.min(Math.max(a, b), whole.length)];
          assert.equal(derived.bytes, whole.length);
          assert.deepEqual(Buffer.from(await derived.slice(start, end)), whole.subarray(start, end));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('headers cut at each byte, or changed, are refused or read within the file', async () => {
    for (let length = 0; length < 44; length++) {
      await assert.rejects(readWavLayout(stored(WHOLE.subarray(0, length))), UnreadableWav, `cut at ${length}`);
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(43), fc.nat(255), async (at, value) => {
        const changed = Buffer.from(WHOLE);
        changed[at] = value;
        try {
          const layout = await readWavLayout(stored(changed));
          assert.ok(layout.dataOffset + layout.dataBytes <= WHOLE.length && layout.channels > 0);
        } catch (error) {
          assert.ok(error instanceof UnreadableWav, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('EBU Tech 3306: files above 4 GiB are read and made in their 64-bit form', async () => {
    const bytes = 5 * 2 ** 30;
    const header = monoHeader(48_000, bytes);
    assert.equal(header.toString('latin1', 0, 4), 'RF64');
    const layout = await readWavLayout(stored(header, header.length + bytes));
    assert.deepEqual(layout, {
      channels: 1,
      sampleRateHz: 48_000,
      bitsPerSample: 16,
      dataOffset: header.length,
      dataBytes: bytes,
    });
  });
});
