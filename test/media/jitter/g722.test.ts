/** G.722 through a player, against what ffmpeg decodes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { rtp } from '../rig.ts';
import { imbalance, PlayerRig } from './rig.ts';

const skip = spawnSync('ffmpeg', ['-version']).status === 0 ? false : 'install ffmpeg';
const G722 = { payloadType: 9, encoding: 'G722', clockRate: 8000 };
const SWEEP = "aevalsrc='0.7*sin(2*PI*(100+900*t)*t)*(1+sin(25*t))/2':d=3:s=16000";

function ffmpeg(input: Uint8Array, ...parameters: string[]): Buffer {
  return spawnSync('ffmpeg', ['-loglevel', 'error', ...parameters, 'pipe:1'], { input, maxBuffer: 1 << 24 }).stdout;
}

test('RFC 3551 4.5.2: G.722 is played at 16 kHz by a clock of 8 kHz, sample for sample', { skip }, () => {
  const coded = ffmpeg(new Uint8Array(), '-f', 'lavfi', '-i', SWEEP, '-ac', '1', '-c:a', 'g722', '-f', 'g722');
  const decoded = ffmpeg(coded, '-f', 'g722', '-i', 'pipe:0', '-f', 's16le');
  const expected = new Int16Array(decoded.buffer, decoded.byteOffset, decoded.length / 2);
  const rig = new PlayerRig();
  const player = rig.listen({ codecs: [G722] });
  const packets = Array.from({ length: Math.floor(coded.length / 160) }, (_, k) => ({
    arrivalUs: (k + 1) * 20_000,
    bytes: rtp({
      ...{ seq: k, timestamp: k * 160, payloadType: 9 },
      payload: coded.subarray(k * 160, k * 160 + 160),
    }),
  }));
  rig.send(player, packets);
  const frames = rig.frames(player, 2.9e6);
  const { ledger } = rig.stats(player);
  assert.equal(imbalance(ledger), 0);
  assert.equal(ledger.concealed + ledger.removedAccelerate + ledger.insertedExpand, 0);
  const pcm = frames.flatMap((frame) => [...frame.pcm]);
  for (const [i, sample] of pcm.slice(ledger.silence).entries()) assert.equal(sample, expected[i], `sample ${i}`);
  assert.ok(pcm.length - ledger.silence > 2.8 * 16_000);
  assert.ok(frames.every(({ sampleRate, pcm: { length } }) => sampleRate === 16_000 && length === 160));
  const speech = frames.filter(({ kind }) => kind === 'speech').slice(1);
  for (const [i, { rtpTimestamp }] of speech.entries()) assert.equal(rtpTimestamp - speech[0]!.rtpTimestamp, i * 80);
});
