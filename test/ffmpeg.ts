/** ffmpeg as an oracle: bytes in, bytes out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

/** For a test's `skip`. */
export const withoutFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 ? false : 'install ffmpeg';

/** Standard output of ffmpeg, which has `input` at `pipe:0`. */
export function ffmpeg(input: Uint8Array, ...parameters: string[]): Buffer {
  const { stdout, stderr, status } = spawnSync('ffmpeg', ['-loglevel', 'error', ...parameters, 'pipe:1'], {
    input,
    maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, stderr.toString());
  return stdout;
}

export function int16(bytes: Uint8Array): Int16Array {
  return new Int16Array(Uint8Array.from(bytes).buffer);
}

/** Sound of a description in ffmpeg's filter language, encoded; the last parameters say how. */
export function encoded(lavfi: string, ...parameters: string[]): Buffer {
  return ffmpeg(new Uint8Array(), '-f', 'lavfi', '-i', lavfi, ...parameters);
}

/** G.722 at 64 kbit/s, of mono. */
export function g722Of(lavfi: string): Buffer {
  return encoded(lavfi, '-ar', '16000', '-ac', '1', '-c:a', 'g722', '-f', 'g722');
}

export function decodedG722(octets: Uint8Array): Int16Array {
  return int16(ffmpeg(octets, '-f', 'g722', '-i', 'pipe:0', '-f', 's16le'));
}
