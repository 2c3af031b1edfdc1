/** A recording server that takes SRTP over TLS and nothing else, and what its recordings sound like. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { newDataFolder, type Recorder, removeFolder, startRecorder, stopRecorder } from './recorder.ts';

export interface SecureRecorder extends Recorder {
  /** Who vouches for its certificate, and the file of it. */
  ca: string;
  caFile: string;
  /** Puts another certificate where the server has it from, as a renewal does. */
  renew(commonName: string): void;
  end(): Promise<void>;
}

/** Test files run at the same time: each has media ports of its own. */
export async function startSecureRecorder(mediaPorts: string, args: string[] = []): Promise<SecureRecorder> {
  const [files, data, authority] = [newDataFolder(), newDataFolder(), makeAuthority()];
  const file = (name: string) => path.join(files, name);
  const put = (name: string, text: string) => {
    writeFileSync(file(`${name}.new`), text, { mode: 0o600 });
    renameSync(file(`${name}.new`), file(name));
  };
  const renew = (commonName: string) => {
    const { cert, key } = issue(authority, { names: ['127.0.0.1'], commonName });
    put('key.pem', key);
    put('cert.pem', cert);
  };
  renew('first');
  put('ca.pem', authority.cert);
  const tls = ['--sip', 'tls:127.0.0.1:0', '--tls-cert', file('cert.pem'), '--tls-key', file('key.pem')];
  const recorder = await startRecorder(data, [
    ...tls,
    ...['--secure', 'required', '--media-ports', mediaPorts],
    ...args,
  ]);
  const end = async () => {
    await stopRecorder(recorder);
    for (const folder of [files, data]) removeFolder(folder);
  };
  return { ...recorder, ca: authority.cert, caFile: file('ca.pem'), renew, end };
}

const WAV_HEADER_BYTES = 44;

export function wavOf({ data }: Pick<Recorder, 'data'>, recordingId: string): Buffer {
  return readFileSync(path.join(data, 'recordings', recordingId, 'audio.wav'));
}

/** The samples of both channels. */
export function channelsOf(wav: Buffer): [Int16Array, Int16Array] {
  const frames = (wav.length - WAV_HEADER_BYTES) / 4;
  const channel = (at: number) =>
    Int16Array.from({ length: frames }, (_, n) => wav.readInt16LE(WAV_HEADER_BYTES + 4 * n + 2 * at));
  return [channel(0), channel(1)];
}

/** Without the silence around: where a leg begins in the file depends on when its first packet came. */
export function spoken(samples: Int16Array): Int16Array {
  const last = samples.findLastIndex((sample) => sample !== 0);
  const first = samples.findIndex((sample) => sample !== 0);
  return samples.subarray(Math.max(0, first), last + 1);
}
