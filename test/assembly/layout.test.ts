/** The memory map of the media core: regions do not overlap, are aligned, and lie inside their memory; no state hides elsewhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as layout from '../../assembly/layout.ts';
import { createLaneMemory, LOOK_BACK_BYTES, MAX_LOOK_BACK_BYTES } from '../../src/media/memory.ts';

interface Region {
  name: string;
  at: number;
  bytes: number;
}

/** `--runtime stub` keeps the first kilobyte for itself. */
const RESERVED_BYTES = 1024;
const SOURCE = readFileSync(path.resolve(import.meta.dirname, '../../assembly/layout.ts'), 'utf8');
const values = layout as unknown as Record<string, number>;

/** What the SRTP kernels use, in lane memory and in that of the library. */
const SRTP: Region[] = [
  { name: 'AES_CONSTANTS', at: layout.AES_CONSTANTS_AT, bytes: layout.AES_CONSTANTS_BYTES },
  { name: 'SHA1_CONSTANTS', at: layout.SHA1_CONSTANTS_AT, bytes: layout.SHA1_CONSTANTS_BYTES },
  { name: 'GHASH_CONSTANTS', at: layout.GHASH_CONSTANTS_AT, bytes: layout.GHASH_CONSTANTS_BYTES },
  { name: 'AES_SCRATCH', at: layout.AES_SCRATCH_AT, bytes: layout.AES_SCRATCH_BYTES },
  { name: 'SHA1_SCRATCH', at: layout.SHA1_SCRATCH_AT, bytes: layout.SHA1_SCRATCH_BYTES },
  { name: 'GHASH_SCRATCH', at: layout.GHASH_SCRATCH_AT, bytes: layout.GHASH_SCRATCH_BYTES },
  { name: 'WORK', at: layout.WORK_AT, bytes: layout.BATCH_PACKETS * layout.WORK_BYTES },
  { name: 'SRTP_PLAIN', at: layout.SRTP_PLAIN_AT, bytes: layout.SRTP_PLAIN_BYTES },
  { name: 'SRTP_TAGS', at: layout.SRTP_TAGS_AT, bytes: layout.SRTP_TAGS_BYTES },
  { name: 'SRTP_MASTER', at: layout.SRTP_MASTER_AT, bytes: layout.ROUND_KEYS_BYTES },
  { name: 'SRTP_DERIVED', at: layout.SRTP_DERIVED_AT, bytes: layout.SRTP_DERIVED_BYTES },
  { name: 'SRTP_NOW', at: layout.SRTP_NOW_US_AT, bytes: 8 },
  { name: 'SRTP_MASKS', at: layout.SRTP_MASKS_AT, bytes: layout.SRTP_MASKS_BYTES },
];

const LANE: Region[] = [
  ...SRTP,
  { name: 'CONTEXTS', at: layout.CONTEXTS_AT, bytes: layout.MAX_CONTEXTS * layout.CONTEXT_BYTES },
  { name: 'KEYS', at: layout.KEYS_AT, bytes: layout.MAX_KEYS * layout.SRTP_KEY_BYTES },
  { name: 'KEY_TABLES', at: layout.KEY_TABLES_AT, bytes: layout.MAX_KEYS * layout.SRTP_KEY_TABLES_BYTES },
  { name: 'PLAYOUT', at: layout.PLAYOUT_AT, bytes: layout.PLAYOUT_BYTES },
  { name: 'GROUPS', at: layout.GROUPS_AT, bytes: (layout.MAX_GROUPS + 1) * layout.GROUP_BYTES },
  { name: 'PLAYERS', at: layout.PLAYERS_AT, bytes: layout.MAX_PLAYERS * layout.PLAYER_BYTES },
  { name: 'MIXERS', at: layout.MIXERS_AT, bytes: layout.MAX_MIXERS * layout.MIXER_BYTES },
  {
    name: 'RESAMPLE',
    at: layout.RESAMPLE_AT,
    bytes: layout.RESAMPLE_INPUT_AT + layout.RESAMPLE_INPUT_BYTES - layout.RESAMPLE_AT,
  },
  { name: 'LOOK_BACK', at: layout.LOOK_BACK_AT, bytes: LOOK_BACK_BYTES },
  { name: 'CRC_TABLE', at: layout.CRC_TABLE_AT, bytes: layout.CRC_TABLE_BYTES },
  { name: 'LANE', at: layout.LANE_AT, bytes: layout.LANE_BYTES },
  { name: 'EXCHANGE', at: layout.EXCHANGE_AT, bytes: layout.EXCHANGE_BYTES },
  { name: 'RECORDINGS', at: layout.RECORDINGS_AT, bytes: layout.MAX_RECORDINGS * layout.RECORDING_BYTES },
  { name: 'STREAMS', at: layout.STREAMS_AT, bytes: layout.MAX_STREAMS * layout.STREAM_BYTES },
  { name: 'DEMULTIPLEX', at: layout.DEMULTIPLEX_AT, bytes: layout.DEMULTIPLEX_BYTES },
  { name: 'DESCRIPTORS', at: layout.DESCRIPTORS_AT, bytes: layout.BATCH_PACKETS * layout.DESCRIPTOR_BYTES },
  { name: 'SLOTS', at: layout.SLOTS_AT, bytes: layout.BATCH_PACKETS * layout.SLOT_BYTES },
  { name: 'SCRATCH', at: layout.SCRATCH_AT, bytes: layout.SCRATCH_BYTES },
  { name: 'STAGING', at: layout.STAGING_AT, bytes: layout.STAGING_BYTES },
  { name: 'BLOCKS', at: layout.BLOCKS_AT, bytes: layout.BLOCKS_BYTES },
  {
    name: 'RECEIVE_HEADERS',
    at: layout.RECEIVE_HEADERS_AT,
    bytes: layout.BATCH_PACKETS * layout.MESSAGE_HEADER_BYTES,
  },
  { name: 'RECEIVE_IOVECS', at: layout.RECEIVE_IOVECS_AT, bytes: layout.BATCH_PACKETS * layout.IOVEC_BYTES },
  { name: 'RECEIVE_NAMES', at: layout.RECEIVE_NAMES_AT, bytes: layout.BATCH_PACKETS * layout.SOCKET_ADDRESS_BYTES },
  { name: 'RECEIVE_CONTROLS', at: layout.RECEIVE_CONTROLS_AT, bytes: layout.BATCH_PACKETS * layout.CONTROL_BYTES },
  { name: 'EVENTS', at: layout.EVENTS_AT, bytes: layout.MAX_EVENTS * layout.EVENT_BYTES },
  { name: 'IO_SCRATCH', at: layout.IO_SCRATCH_AT, bytes: layout.IO_SCRATCH_BYTES },
  { name: 'SEND_HEADERS', at: layout.SEND_HEADERS_AT, bytes: layout.MAX_SENDS * layout.MESSAGE_HEADER_BYTES },
  { name: 'SEND_IOVECS', at: layout.SEND_IOVECS_AT, bytes: layout.MAX_SENDS * layout.IOVEC_BYTES },
  { name: 'SEND_NAMES', at: layout.SEND_NAMES_AT, bytes: layout.MAX_SINKS * layout.SOCKET_ADDRESS_BYTES },
  { name: 'SENDS', at: layout.SENDS_AT, bytes: layout.MAX_SENDS * layout.SEND_BYTES },
  { name: 'OUT', at: layout.OUT_AT, bytes: layout.OUT_BYTES },
  { name: 'SINKS', at: layout.SINKS_AT, bytes: layout.MAX_SINKS * layout.SINK_BYTES },
  { name: 'RECEIVERS', at: layout.RECEIVERS_AT, bytes: 4 << layout.RECEIVER_CHAINS_LOG2 },
  { name: 'SOCKETS', at: layout.SOCKETS_AT, bytes: layout.MAX_SOCKETS * layout.SOCKET_BYTES },
];

const FINALISER: Region[] = [
  { name: 'NEXT', at: layout.FINALISER_NEXT_AT, bytes: 4 },
  { name: 'G722', at: layout.FINALISER_G722_AT, bytes: layout.G722_STATE_BYTES },
  { name: 'INDEX', at: layout.FINALISER_INDEX_AT, bytes: layout.FINALISER_INDEX_RECORDS * layout.ENTRY_BYTES },
  { name: 'SCRATCH', at: layout.FINALISER_SCRATCH_AT, bytes: layout.FINALISER_SCRATCH_BYTES },
  { name: 'CHANNELS', at: layout.FINALISER_CHANNELS_AT, bytes: 2 * layout.FINALISER_CHANNEL_BYTES },
  { name: 'OUTPUT', at: layout.FINALISER_OUTPUT_AT, bytes: layout.FINALISER_OUTPUT_BYTES },
  // A table of two-byte coefficients per track.
  { name: 'TAPS', at: layout.FINALISER_TAPS_AT, bytes: layout.FINALISER_TRACKS * layout.FINALISER_TAPS_BYTES },
  { name: 'TRACKS', at: layout.FINALISER_TRACKS_AT, bytes: layout.FINALISER_TRACKS * layout.FINALISER_TRACK_BYTES },
  { name: 'INPUT', at: layout.FINALISER_INPUT_AT, bytes: layout.FINALISER_INPUT_BYTES },
];

function assertDisjoint(regions: Region[], memoryBytes: number): void {
  const sorted = regions.toSorted((a, b) => a.at - b.at);
  let end = RESERVED_BYTES;
  for (const { name, at, bytes } of sorted) {
    assert.ok(at >= end, `${name} begins at ${at}, before ${end}`);
    assert.equal(at % 8, 0, `${name} is aligned`);
    end = at + bytes;
  }
  assert.ok(end <= memoryBytes, `the last region ends at ${end}, the memory at ${memoryBytes}`);
}

test('regions of lane memory are disjoint, aligned and inside it', () => {
  assertDisjoint(LANE, createLaneMemory().buffer.byteLength);
});

test('the largest pool of look-back rings is within what 32 bits can address', () => {
  assert.ok(layout.LOOK_BACK_AT + MAX_LOOK_BACK_BYTES < 2 ** 32);
});

test('regions of finaliser memory are disjoint, aligned and inside it', () => {
  assertDisjoint(FINALISER, layout.FINALISER_MEMORY_BYTES);
});

/** Fields of a struct by the prefix of their names; a field ends where the next begins. */
function fields(prefix: string, structBytes: number, skip: RegExp = /^$/): Region[] {
  const sorted = Object.entries(values)
    .filter(([name]) => name.startsWith(prefix) && name.endsWith('_AT') && name !== `${prefix}AT` && !skip.test(name))
    .map(([name, at]) => ({ name, at }))
    .toSorted((a, b) => a.at - b.at);
  return sorted.map(({ name, at }, i) => ({ name, at, bytes: (sorted[i + 1]?.at ?? structBytes) - at }));
}

const STRUCTS: [prefix: string, bytes: number, wide: RegExp, skip?: RegExp][] = [
  ['BLOCK_', layout.BLOCK_HEADER_BYTES, /(SEQ|_US)_AT$/],
  ['RECORD_', layout.RECORD_HEADER_BYTES, /_US_AT$/],
  ['RECORDING_', layout.RECORDING_BYTES, /_ID_AT$/],
  ['STREAM_', layout.STREAM_BYTES, /(_US|_NTP)_AT$/, /^STREAM_EPOCH_STATE_AT$/],
  ['DESCRIPTOR_', layout.DESCRIPTOR_BYTES, /(_US|_SOURCE)_AT$/],
  ['ENTRY_', layout.ENTRY_BYTES, /_US_AT$/],
  ['SOURCE_', layout.SOURCE_BYTES, /(SOURCE_INDEX|WINDOW)_AT$/],
  ['CONTEXT_', layout.CONTEXT_BYTES, /(_US|SOURCES)_AT$/],
  ['PLAYER_', layout.PLAYER_BYTES, /(_US|_F64|_I64)_AT$/, /^PLAYER_(MIN|MAX)_DELAY_US_AT$/],
  ['NOISE_', layout.NOISE_STATE_BYTES, /_F64_AT$/],
  ['PLAYOUT_', layout.PLAYOUT_BYTES, /_US_AT$/],
  ['PACKET_', layout.PLAYER_SLOT_BYTES, /_I64_AT$/],
  ['FRAME_', layout.FRAME_BYTES, /^$/],
  ['MIXER_', layout.MIXER_BYTES, /_F64_AT$/],
  ['SINK_', layout.SINK_BYTES, /(_US|OCTETS|SINK_RECEIVER)_AT$/],
  ['WORK_', layout.WORK_BYTES, /(TAG|MAC)_AT$/, /^WORK_(TEXT|END)_AT$/],
  [
    'LANE_',
    layout.LANE_BYTES,
    /(BLOCK_SEQ|UNAUTHENTICATED|RECEIVED|DUPLICATE|PAUSED|INVALID|UNAUTHORISED|DROPPED|RTCP|QUEUED_BYTES|WRITTEN_BYTES|MS|LOAD)_AT$/,
  ],
];

for (const [prefix, bytes, wide, skip] of STRUCTS) {
  test(`fields of ${prefix}* are disjoint, naturally aligned and inside the struct`, () => {
    const found = fields(prefix, bytes, skip);
    assert.ok(found.length > 4);
    for (const field of found) {
      const needed = wide.test(field.name) ? 8 : field.name === 'RECORD_STREAM_AT' ? 2 : 4;
      if (/KIND_AT|FLAGS_AT/.test(field.name) && prefix === 'RECORD_') continue; // one byte each
      assert.ok(field.bytes >= needed, `${field.name} has ${field.bytes} bytes of ${needed}`);
      assert.equal(field.at % needed, 0, `${field.name} is aligned`);
    }
    assert.equal(bytes % 8, 0);
  });
}

test('the state of an epoch is what lies between its bounds, and both epochs fit into a stream', () => {
  const end = layout.STREAM_EPOCH_STATE_AT + layout.STREAM_EPOCH_STATE_BYTES;
  assert.equal(layout.STREAM_EPOCH_STATE_AT, layout.STREAM_SSRC_AT);
  assert.equal(end, layout.STREAM_OWN_SSRC_AT);
  assert.ok(layout.STREAM_LAST_PACKET_US_AT + 8 <= end);
  assert.ok(layout.STREAM_OTHER_WINDOW_AT + layout.STREAM_WINDOW_BYTES <= layout.STREAM_REPORT_NTP_AT);
  assert.ok(layout.STREAM_CNAME_AT + 256 <= layout.STREAM_BYTES, 'a length of one byte, and the longest text');
  assert.ok(Math.max(layout.STREAM_EPOCH_STATE_BYTES, layout.STREAM_WINDOW_BYTES) <= layout.EXCHANGE_BYTES);
});

test('every part of a player has room, and is as long as what it holds', () => {
  assert.ok(layout.PLAYER_HELD_DELAY_AT + 4 <= layout.PLAYER_STATE_BYTES);
  assert.ok(layout.PLAYER_MINIMA_F64_AT + layout.PLAYER_MINIMA * 8 <= layout.PLAYER_SECOND_AT);
  assert.ok(layout.PLAYER_CODECS_AT + 128 <= layout.PLAYER_ORDER_AT);
  assert.ok(layout.PLAYER_ORDER_AT + layout.PLAYER_SLOTS <= layout.PLAYER_DECODED_I64_AT);
  assert.equal(layout.PLAYER_SLOTS, 64, 'free slots are the bits of a word');
  // A frame of 10 ms at 48 kHz behind its header.
  assert.ok(layout.FRAME_PCM_AT + 960 <= layout.FRAME_BYTES);
  assert.ok(layout.MIXER_FRAMES_AT - layout.MIXER_SUM_AT >= 480 * 4);
  // What time scaling looks at and the longest packet behind it: 30 ms and a frame, 120 ms at 48 kHz.
  assert.ok(layout.PCM_SAMPLES >= 1440 + 480 + 5760);
  assert.ok(layout.PLAYER_DECODER_BYTES >= layout.G722_STATE_BYTES);
  assert.ok(layout.MIXER_ENCODER_BYTES >= layout.G722_ENCODER_BYTES);
  assert.ok(layout.MIXER_PACKET_FRAMES_AT >= layout.MIXER_MEMBERS_AT + layout.MIXER_MEMBERS * 4);
  assert.ok(layout.RESAMPLE_INPUT_BYTES >= (layout.RESAMPLE_HISTORY_SAMPLES + 480) * 2);
  assert.ok(layout.RESAMPLE_HISTORY_SAMPLES >= layout.RESAMPLE_TAPS * 6 - 6, 'of the longest filter');
  assert.ok(layout.MAX_CATCH_UP_FRAMES + layout.MAX_MIX_PACKET_FRAMES < layout.RING_FRAMES, 'what waits to be sent');
  assert.ok(layout.PLAYER_PLC_BYTES >= layout.PLC_STATE_BYTES);
  assert.ok(layout.PLAYER_NOISE_BYTES >= layout.NOISE_STATE_BYTES);
  assert.equal(layout.FRAME_US * layout.FRAMES_PER_SECOND, 1_000_000);
});

test('parts of SRTP keys, and packets with what SRTP writes around them, fit', () => {
  assert.ok(layout.CIPHER_SALT_AT >= layout.AES_KEY_BYTES && layout.AES_KEY_BYTES >= layout.ROUND_KEYS_BYTES + 64);
  assert.ok(layout.CIPHER_HMAC_AT >= layout.CIPHER_SALT_AT + 16);
  assert.ok(layout.CIPHER_GHASH_AT >= layout.CIPHER_HMAC_AT + layout.SHA1_STATE_BYTES + 20, 'behind the outer state');
  assert.ok(layout.CIPHER_BYTES >= layout.CIPHER_GHASH_AT + 4);
  assert.ok(layout.SRTP_KEY_RTP_AT >= layout.SRTP_KEY_MKI_AT + layout.MAX_MKI_BYTES);
  // A block before the packet; behind it a tag, an index word and an MKI, then the padding of a SHA-1 message.
  assert.ok(layout.SLOT_HEADROOM_BYTES >= 16);
  assert.ok(layout.SLOT_SLACK_BYTES >= 16 + 4 + layout.MAX_MKI_BYTES + 64 + 8);
  assert.ok(layout.SRTP_PLAIN_BYTES >= layout.MAX_DATAGRAM_BYTES + 16 + 16 + layout.MAX_MKI_BYTES);
});

test('a chunk of a look-back ring holds the longest packet, and is never full to its last byte', () => {
  const longest = layout.DESCRIPTOR_BYTES + layout.MAX_DATAGRAM_BYTES + 7;
  assert.ok(layout.CHUNK_PACKETS_FROM + longest < layout.CHUNK_BYTES);
  assert.equal(layout.CHUNK_PACKETS_FROM % 8, 0);
  assert.equal(layout.CHUNK_BYTES % 8, 0);
});

test('a block of everything staged fits, and so does one record more than the longest', () => {
  assert.ok(layout.BLOCKS_BYTES >= layout.STAGING_BYTES + layout.MAX_RECORDINGS * layout.BLOCK_HEADER_BYTES);
  assert.ok(layout.SLOT_BYTES + layout.RECORD_HEADER_BYTES < layout.STAGING_BYTES);
  assert.ok(layout.SCRATCH_BYTES + layout.RECORD_HEADER_BYTES < layout.STAGING_BYTES);
  assert.equal(layout.WINDOW_PACKETS & (layout.WINDOW_PACKETS - 1), 0, 'the window is addressed by a mask');
});

test('the layout holds nothing but named integers', () => {
  for (const [name, value] of Object.entries(values)) assert.ok(Number.isSafeInteger(value) && value >= 0, name);
  const code = SOURCE.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  for (const statement of code.split(';').map((part) => part.trim())) {
    if (statement !== '') assert.match(statement, /^export const [A-Z0-9_]+ =\s+[A-Z0-9_a-fx +*/()-]+$/);
  }
});

test('the media core has no state outside its memory', () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../build/media.wat'), 'utf8');
  assert.ok(text.includes('(export "process"'));
  assert.equal(text.includes('(global $') && /\(global [^\n]*\(mut /.test(text), false, 'a mutable global');
  assert.equal(text.includes('(data '), false, 'static data');
});
