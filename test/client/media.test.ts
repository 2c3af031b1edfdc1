// The caller's media parts on their own: codecs, audio, WAV, ledger, impairment, RTCP, pacing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildPacketLibrary, sendCodec } from '../../src/client/caller/codecs.ts';
import { encodeAlaw, encodeMulaw } from '../../src/client/caller/g711.ts';
import { DELAY, DUPLICATE, Impairment, WITHHOLD } from '../../src/client/caller/impairment.ts';
import { SentLedger } from '../../src/client/caller/ledger.ts';
import { type PacedSender, Pacer } from '../../src/client/caller/pacer.ts';
import { buildSenderReport } from '../../src/client/caller/rtcp.ts';
import { AudioScript } from '../../src/client/caller/scripts.ts';
import { synthesiseSpeech } from '../../src/client/caller/speech.ts';
import { parseWav, resample } from '../../src/client/caller/wav.ts';

// G.711 decoding as the recommendation's tables state it, segment by segment.
function decodeMulaw(code: number): number {
  const u = ~code & 0xff;
  const magnitude = (((u & 15) << 3) + 0x84) << ((u >> 4) & 7);
  return (u & 0x80) !== 0 ? 0x84 - magnitude : magnitude - 0x84;
}

function decodeAlaw(code: number): number {
  const a = code ^ 0x55;
  const segment = (a >> 4) & 7;
  const mantissa = (a & 15) << 4;
  const magnitude = segment === 0 ? mantissa + 8 : (mantissa + 0x108) << (segment - 1);
  return (a & 0x80) !== 0 ? magnitude : -magnitude;
}

test('G.711: every code encodes from its own value, every sample to a nearest code', () => {
  for (const [encode, decode] of [
    [encodeMulaw, decodeMulaw],
    [encodeAlaw, decodeAlaw],
  ] as const) {
    const values = Array.from({ length: 256 }, (_, code) => decode(code)).sort((a, b) => a - b);
    for (let code = 0; code < 256; code++) assert.equal(decode(encode(decode(code))), decode(code));
    let at = 0;
    for (let sample = -32768; sample <= 32767; sample++) {
      while (at < 254 && values[at + 1]! <= sample) at++;
      const [below, above] = [values[at]!, values[at + 1]!];
      const decoded = decode(encode(sample));
      // One of the two neighbours; across the edge of a segment the steps differ, so it may be the further one by a third.
      assert.ok(decoded === below || decoded === above, `sample ${sample}`);
      const least = Math.min(Math.abs(below - sample), Math.abs(above - sample));
      if (sample > below && sample < above) {
        assert.ok(Math.abs(decoded - sample) <= Math.max(least + 8, (2 / 3) * (above - below)), `sample ${sample}`);
      }
    }
  }
});

test('RFC 3551 4.5.11: L16 is in network byte order', () => {
  const library = buildPacketLibrary(Int16Array.of(0x1234, -2), sendCodec('L16/16000')!, 20);
  assert.equal(library.packets.length, 1);
  assert.equal(library.stepRtpUnits, 320);
  assert.deepEqual([...library.packets[0]!.subarray(12, 18)], [0x12, 0x34, 0xff, 0xfe, 0, 0]);
});

test('synthesised speech repeats with its seed and differs with it; parties take turns', () => {
  const request = { seed: 5, voice: 0, sampleRate: 8000, seconds: 6 };
  const first = synthesiseSpeech(request);
  assert.deepEqual(synthesiseSpeech(request), first);
  assert.notDeepEqual(synthesiseSpeech({ ...request, seed: 6 }), first);
  const other = synthesiseSpeech({ ...request, voice: 1 });
  const energy = (samples: Int16Array, from: number, to: number) =>
    samples.subarray(from * 8000, to * 8000).reduce((sum, sample) => sum + sample * sample, 0);
  assert.ok(energy(first, 0, 3) > 1e9 && energy(first, 3, 6) === 0);
  assert.ok(energy(other, 3, 6) > 1e9 && energy(other, 0, 3) === 0);
});

function wav(o: {
  format: number;
  bits: number;
  channels: number;
  rate: number;
  data: Uint8Array;
  extra?: boolean;
}): Uint8Array {
  const fmt = Buffer.alloc(24);
  fmt.write('fmt ', 0, 'latin1');
  fmt.writeUInt32LE(16, 4);
  fmt.writeUInt16LE(o.format, 8);
  fmt.writeUInt16LE(o.channels, 10);
  fmt.writeUInt32LE(o.rate, 12);
  fmt.writeUInt16LE(o.bits, 22);
  const list = Buffer.concat([Buffer.from('LIST'), Buffer.from([3, 0, 0, 0]), Buffer.from('abc\0')]);
  const data = Buffer.alloc(8);
  data.write('data', 0, 'latin1');
  data.writeUInt32LE(o.data.length, 4);
  const body = Buffer.concat([Buffer.from('WAVE'), fmt, ...(o.extra ? [list] : []), data, o.data]);
  const riff = Buffer.alloc(8);
  riff.write('RIFF', 0, 'latin1');
  riff.writeUInt32LE(body.length, 4);
  return new Uint8Array(Buffer.concat([riff, body]));
}

test('WAV: 16 bit stereo behind another chunk, 8, 24 and 32 bit, float', () => {
  const stereo = Buffer.alloc(8);
  [100, -200, 300, -400].forEach((sample, i) => {
    stereo.writeInt16LE(sample, 2 * i);
  });
  const read = parseWav(wav({ format: 1, bits: 16, channels: 2, rate: 8000, data: stereo, extra: true }));
  assert.deepEqual(read, { sampleRate: 8000, channels: [Int16Array.of(100, 300), Int16Array.of(-200, -400)] });
  const mono = (format: number, bits: number, data: Uint8Array) => [
    ...parseWav(wav({ format, bits, channels: 1, rate: 16000, data })).channels[0]!,
  ];
  assert.deepEqual(mono(1, 8, Uint8Array.of(0, 128, 255)), [-32768, 0, 32512]);
  assert.deepEqual(mono(1, 24, Uint8Array.of(9, 0x34, 0x12)), [0x1234]);
  assert.deepEqual(mono(1, 32, Uint8Array.of(9, 9, 0x34, 0x12)), [0x1234]);
  assert.deepEqual(mono(3, 32, new Uint8Array(Float32Array.of(0.5, -2).buffer)), [16384, -32768]);
});

test('WAV: truncation at each byte reads what is there or says what is wrong', () => {
  const file = wav({ format: 1, bits: 16, channels: 1, rate: 8000, data: new Uint8Array(64), extra: true });
  for (let length = 0; length < file.length; length++) {
    try {
      assert.ok(parseWav(file.subarray(0, length)).channels[0]!.length <= 32);
    } catch (error) {
      assert.equal((error as Error).name, 'WavError');
    }
  }
});

test('resampling keeps a tone and its level', () => {
  const tone = Int16Array.from({ length: 16000 }, (_, i) =>
    Math.round(10000 * Math.sin((2 * Math.PI * 440 * i) / 16000)),
  );
  const down = resample(tone, 16000, 8000);
  assert.equal(down.length, 8000);
  for (let i = 100; i < 7900; i++) {
    const expected = 10000 * Math.sin((2 * Math.PI * 440 * i) / 8000);
    assert.ok(Math.abs(down[i]! - expected) < 60);
  }
  assert.equal(resample(tone, 16000, 16000), tone);
});

test('the ledger counts as a receiver would, whatever the order', () => {
  const ledger = new SentLedger();
  for (const extSeq of [100, 101, 103, 102, 102, 106, 99, 106]) ledger.add(0x10000 + extSeq);
  assert.deepEqual(ledger.packets(), { sent: 6, withheld: 2, duplicated: 2, reordered: 2 });
  assert.deepEqual(new SentLedger().packets(), { sent: 0, withheld: 0, duplicated: 0, reordered: 0 });
  const long = new SentLedger();
  for (let i = 0; i < 300000; i++) if (i % 10 !== 5) long.add(0x1fff0 + i);
  assert.deepEqual(long.packets(), { sent: 270000, withheld: 30000, duplicated: 0, reordered: 0 });
});

test('impairment repeats with its seed, spares the first and last packet, and one rate leaves the others alone', () => {
  const fates = (lossPercent: number, seed: number) => {
    const impairment = new Impairment({ lossPercent, reorderPercent: 10, duplicatePercent: 10 }, seed);
    return Array.from({ length: 5000 }, (_, i) => impairment.next(i === 0, i === 4999));
  };
  assert.deepEqual(fates(10, 1), fates(10, 1));
  assert.notDeepEqual(fates(10, 1), fates(10, 2));
  const share = (list: number[], bit: number) => list.filter((fate) => (fate & bit) !== 0).length / list.length;
  for (const bit of [WITHHOLD, DELAY, DUPLICATE]) assert.ok(Math.abs(share(fates(10, 3), bit) - 0.095) < 0.02);
  const without = fates(0, 4);
  fates(10, 4).forEach((fate, i) => {
    if ((fate & WITHHOLD) === 0) assert.equal(fate, without[i]);
  });
  const certain = new Impairment({ lossPercent: 100, reorderPercent: 100, duplicatePercent: 0 }, 1);
  assert.deepEqual(
    [certain.next(true, false), certain.next(false, false), certain.next(false, true)],
    [0, WITHHOLD, 0],
  );
});

test('RFC 3550 6.4.1: the sender report byte for byte', () => {
  const report = {
    ssrc: 0x01020304,
    wallMs: 500,
    rtpTimestamp: 0x1ffffffff,
    packetCount: 7,
    octetCount: 1120,
    cname: 'ab',
  };
  const bytes = Buffer.from(buildSenderReport(report, true)).toString('hex');
  const sr = '80c80006' + '01020304' + '83aa7e80' + '80000000' + 'ffffffff' + '00000007' + '00000460';
  const sdes = '81ca0003' + '01020304' + '0102' + '6162' + '00000000';
  assert.equal(bytes, `${sr}${sdes}81cb000101020304`);
});

test('RFC 3550 5.1: header fields wrap, held packets use no sequence number', () => {
  const library = buildPacketLibrary(new Int16Array(160), sendCodec('PCMA')!, 20);
  const script = new AudioScript(library, 10, { ssrc: 0xfffefdfc, packet: 7, seq: 65535, timestamp: 2 ** 32 - 160 });
  const head = (index: number, marker: boolean) =>
    Buffer.from(script.packet(index, marker).subarray(0, 12)).toString('hex');
  assert.equal(head(0, true), '8088ffffffffff60fffefdfc');
  assert.equal(head(1, false), '8008000000000000fffefdfc');
  script.skip();
  assert.equal(head(3, false), '8008000100000140fffefdfc');
  assert.equal(script.extSeq(3), 0x10000 + 65535 + 2);
});

test('the pacer fires everything once, in order of time and never early', async () => {
  const pacer = new Pacer();
  const startMs = performance.now() + 5;
  const fired: number[] = [];
  const senders = Array.from({ length: 40 }, (_, n) => {
    let left = 10;
    let done = () => {};
    const finished = new Promise<void>((resolve) => {
      done = resolve;
    });
    const sender: PacedSender = {
      dueMs: startMs + n * 0.5,
      fire(nowMs) {
        assert.ok(nowMs >= this.dueMs);
        fired.push(this.dueMs);
        this.dueMs += 20;
        if (--left === 0) done();
        return left > 0;
      },
    };
    pacer.add(sender);
    return finished;
  });
  await Promise.all(senders);
  assert.equal(fired.length, 400);
  assert.deepEqual(
    fired,
    fired.toSorted((a, b) => a - b),
  );
  assert.equal(pacer.stats.packets, 400);
});

test('a sender taken out of the pacer is not fired again', async () => {
  const pacer = new Pacer();
  const forever = (dueMs: number): PacedSender & { fired: number } => ({
    dueMs,
    fired: 0,
    fire() {
      this.fired++;
      this.dueMs += 1;
      return true;
    },
  });
  const now = performance.now();
  const [a, b] = [forever(now), forever(now)];
  pacer.add(a);
  pacer.add(b);
  await new Promise<void>((resolve) => {
    pacer.add({
      dueMs: now + 10,
      fire() {
        resolve();
        return false;
      },
    });
  });
  pacer.remove(a);
  const before = a.fired;
  assert.ok(before > 0);
  await new Promise<void>((resolve) => {
    pacer.add({
      dueMs: performance.now() + 10,
      fire() {
        resolve();
        return false;
      },
    });
  });
  assert.equal(a.fired, before);
  assert.ok(b.fired > before);
  pacer.remove(b);
});
