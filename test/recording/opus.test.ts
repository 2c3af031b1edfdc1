/** Opus from a packet file (RFC 7587), against ffmpeg with the libopus that the system has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpusDecoder } from 'opus-decoder';
import { opusSamples } from '../../src/media/opus-packet.ts';
import { FinaliserCore } from '../../src/media/render.ts';
import { Opus } from '../../src/media/stateful-decoders.ts';
import { withoutFfmpeg as skip } from '../ffmpeg.ts';
import { decodedOpus, oggOf, readOgg, snrDb } from '../ogg-opus.ts';
import { type BuiltRecord, PCMU, random, recordingNote, rtp, streamNote } from './journal-builder.ts';
import { inOrder, make, range } from './make.ts';

const OPUS = { payloadType: 111, encoding: 'OPUS', clockRate: 48000, channels: 2, fmtp: null };

/** Each packet behind the one before it. */
function inTime(packets: Buffer[], units: number): BuiltRecord[] {
  return packets.map((payload, n) => {
    const arrivalUs = Math.round(1_000_000 + (n * units * 1e6) / 48_000);
    return rtp({ seq: n, timestamp: 7 + n * units, ssrc: 1, payloadType: 111, payload, arrivalUs });
  });
}

const LEFT = '0.5*sin(2*PI*(150+80*t)*t)*(1+sin(5*t))/2';
const RIGHT = '0.4*sin(2*PI*(900-40*t)*t)*(1+cos(7*t))/2';

for (const [name, sound, frameMs, parameters] of [
  ['CELT, stereo, 20 ms', `${LEFT}|${RIGHT}`, 20, ['-b:a', '96k', '-application', 'audio']],
  ['CELT, mono, 2.5 ms', LEFT, 2.5, ['-b:a', '64k', '-application', 'lowdelay']],
  ['SILK, mono, 60 ms', LEFT, 60, ['-b:a', '12k', '-application', 'voip']],
  ['several frames to a packet, 120 ms', `${LEFT}|${RIGHT}`, 120, ['-b:a', '24k', '-application', 'voip']],
] as const) {
  test(`${name}: 48 kHz, as ffmpeg has it`, { skip }, async () => {
    const ogg = oggOf(sound, frameMs, ...parameters);
    const { packets, preSkip } = readOgg(ogg);
    const { recording, channels, rateHz } = await make([
      ...[recordingNote(), streamNote(0, [OPUS])],
      ...inTime(packets, frameMs * 48),
    ]);
    assert.equal(rateHz, 48_000);
    assert.equal(channels[0].length, packets.length * frameMs * 48);
    const expected = decodedOpus(ogg);
    assert.equal(expected.length, 7 * 48_000);
    const snr = snrDb(channels[0].subarray(preSkip), expected);
    assert.ok(snr > 60, `${snr} dB`);
    const [stream] = recording.streams;
    assert.deepEqual([stream?.codec, stream?.packets.received, stream?.packets.lost], ['OPUS', packets.length, 0]);
    assert.deepEqual(recording.warnings, ['the journal does not say how this recording ended']);
  });
}

test('reordered, beside a leg at 8 kHz: the same samples as in order', { skip }, async () => {
  const next = random(3);
  const { packets } = readOgg(oggOf(`${LEFT}|${RIGHT}`, 20, '-b:a', '64k'));
  const sent = inTime(packets, 960);
  const other = range(0, 349).map((n) =>
    rtp({ stream: 1, seq: n, timestamp: n * 160, payload: Buffer.alloc(160, 0x2a), arrivalUs: 1_000_000 + n * 20_000 }),
  );
  const notes = () => [recordingNote(), streamNote(0, [OPUS]), streamNote(1, [PCMU])];
  const straight = await make([...notes(), ...inOrder([...sent, ...other])]);
  const reordered = sent.map((record, n) => ({
    ...record,
    arrivalUs: Math.round((record.arrivalUs ?? 0) + (n > 0 ? next() * 90_000 : 0)),
  }));
  const crooked = await make([...notes(), ...inOrder([...reordered, ...other])]);
  assert.deepEqual(crooked.channels, straight.channels);
  assert.equal(straight.channels[1][6000], straight.channels[1][48_000]);
});

test('each of many SSRCs in turn begins with a decoder that is new', { skip }, async () => {
  const { packets } = readOgg(oggOf(LEFT, 20, '-b:a', '32k'));
  const count = 40; // more than are kept
  const records = range(0, count * 5 - 1).map((n) => {
    const epoch = Math.floor(n / 5);
    const payload = packets[50 + (n % 5)] as Buffer;
    const arrivalUs = 1_000_000 + n * 20_000;
    return rtp({ seq: n, timestamp: n * 960, ssrc: epoch, epoch, payloadType: 111, payload, arrivalUs });
  });
  const { channels } = await make([recordingNote(), streamNote(0, [OPUS]), ...records]);
  assert.equal(channels[0].length, count * 5 * 960);
  const first = channels[0].subarray(0, 5 * 960);
  assert.ok(first.some((sample) => Math.abs(sample) > 500));
  for (let i = 1; i < count; i++) assert.deepEqual(channels[0].subarray(i * 5 * 960, (i + 1) * 5 * 960), first);
});

test('RFC 7587 3.1.3: what discontinuous transmission leaves out is silence', { skip }, async () => {
  const ogg = oggOf(LEFT, 20, '-b:a', '32k');
  const { packets, preSkip } = readOgg(ogg);
  // Numbers go on where RTP time leaps.
  const sent = inTime(packets, 960).filter((_, n) => n < 100 || n >= 150);
  const renumbered = sent.map((record, seq) => {
    const payload = Buffer.from(record.payload);
    payload.writeUInt16BE(seq, 2);
    return { ...record, extSeq: seq + 0x10000, payload };
  });
  const { recording, channels } = await make([recordingNote(), streamNote(0, [OPUS]), ...renumbered]);
  assert.equal(channels[0].length, packets.length * 960);
  assert.ok(channels[0].subarray(100 * 960, 150 * 960).every((sample) => sample === 0));
  const [sound, expected] = [channels[0].subarray(preSkip), decodedOpus(ogg)];
  assert.ok(snrDb(sound.subarray(0, 90 * 960), expected.subarray(0, 90 * 960)) > 60);
  assert.ok(snrDb(sound.subarray(200 * 960), expected.subarray(200 * 960)) > 40);
  assert.equal(recording.streams[0]?.packets.lost, 0);
});

test('what is no Opus packet is kept, and said; the others are heard', { skip }, async () => {
  const { packets } = readOgg(oggOf(LEFT, 20, '-b:a', '32k'));
  const broken = packets.map((packet, n) => (n === 50 ? Buffer.from([0x7b]) : packet));
  const { recording, channels, manifest } = await make([
    ...[recordingNote(), streamNote(0, [OPUS])],
    ...inTime(broken, 960),
  ]);
  assert.match(recording.warnings.join(), /1 packets cannot be decoded \(OPUS\)/);
  assert.ok(manifest.files['stream-0.pcap']);
  assert.ok(channels[0].subarray(50 * 960, 51 * 960).every((sample) => sample === 0));
  assert.ok(channels[0].subarray(60 * 960, 61 * 960).some((sample) => sample !== 0));
});

test('RFC 6716 3.4: random packets are as long as libopus finds them, and malformed where it does', async (t) => {
  t.mock.method(console, 'error', () => undefined); // the decoder's own complaint
  const next = random(1);
  const decoder = new OpusDecoder({ channels: 1 });
  await decoder.ready;
  let malformed = 0;
  for (let i = 0; i < 6000; i++) {
    const length = Math.floor(next() ** 4 * 1400);
    const packet = Uint8Array.from({ length: 1 + length }, () => next() * 256);
    if (next() < 0.5) packet[0] = (packet[0] as number) | 3;
    if (next() < 0.5 && length > 0) packet[1] = (packet[1] as number) & 0xc7;
    const { samplesDecoded, errors } = decoder.decodeFrame(packet);
    if (errors.length > 0) malformed++;
    const around = Uint8Array.from([7, 7, 7, ...packet, 9, 9]);
    assert.equal(opusSamples(around, 3, packet.length), samplesDecoded, Buffer.from(packet).toString('hex'));
  }
  decoder.free();
  assert.ok(malformed > 500 && malformed < 5500, `${malformed}`);
  assert.equal(opusSamples(new Uint8Array(8), 0, 0), 0);
});

test('a decoder that traps leaves silence and says that it is broken; another error is not hidden', async () => {
  const core = await FinaliserCore.create();
  core.openTrack(0, 48_000, 48_000);
  const failing = (error: Error) =>
    new Opus(core, {
      decodeFrame: () => {
        throw error;
      },
      free: () => assert.fail('its memory may be anything'),
    });
  const trapped = failing(new WebAssembly.RuntimeError('memory access out of bounds'));
  trapped.decode(core.load(Buffer.from([0x78, 1, 2])).at, 3, 0, 0);
  trapped.free();
  assert.equal(trapped.isBroken, true);
  assert.ok(core.samples(0, 0, 960).every((sample) => sample === 0));
  assert.throws(() => failing(new TypeError('a mistake')).decode(0, 0, 0, 0), TypeError);
});
