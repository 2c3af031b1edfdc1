/** What encodings come to as sound, by the tables of RFC 3551 and RFC 7587. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDecodable, isStateful, soundRateHz, soundSamples } from '../../src/media/codecs.ts';

const octets = Buffer.alloc(1000, 0x78); // of Opus: CELT, 20 ms, one frame

for (const [rtpmap, decodable, rateHz, samples] of [
  ['PCMU/8000', true, 8000, 160],
  ['PCMA/16000', true, 16_000, 160],
  ['PCMU/8000/2', true, 8000, 80],
  ['L16/44100/2', true, 44_100, 40],
  ['G722/8000', true, 16_000, 320],
  ['G722/16000', false, 16_000, 0],
  ['G722/8000/2', false, 16_000, 0],
  ['OPUS/48000/2', true, 48_000, 960],
  ['OPUS/48000', true, 48_000, 960],
  ['OPUS/16000', false, 16_000, 0],
  ['G729/8000', false, 8000, 0],
  ['TOSTRING/8000', false, 8000, 0],
] as const) {
  test(`${rtpmap}: ${decodable ? `${samples} samples of 160 octets, at ${rateHz} Hz` : 'packets only'}`, () => {
    const [encoding, clockRate, channels = '1'] = rtpmap.split('/') as [string, string, string?];
    const type = { encoding, clockRate: Number(clockRate), channels: Number(channels) };
    assert.equal(isDecodable(type), decodable);
    assert.equal(soundSamples(type, octets, 5, 160), samples);
    assert.equal(soundRateHz(type), rateHz);
    assert.equal(isStateful(encoding), encoding === 'G722' || encoding === 'OPUS');
  });
}
