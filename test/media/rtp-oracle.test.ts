/** The RTP library beside rtp.js: both must read the same packets alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packets } from 'rtp.js';
import { buildRtp, parseRtcp, parseRtp } from '../../src/media/rtp.ts';
import { randomNumbers } from './rig.ts';

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
/** A sender report with one block; the loss is put in. */
const report = (loss: string) =>
  new Uint8Array(
    Buffer.from(
      `81c8000c111111110123456789abcdef000000a00000000200000140${'22222222'}${loss}${'0001000500000007456789ab00010000'}`,
      'hex',
    ),
  );

test('RFC 3550 section 5.1: 500 random packets', () => {
  const random = randomNumbers(51);
  const integer = (max: number) => Math.floor(random() * (max + 1));
  for (let i = 0; i < 500; i++) {
    const built = buildRtp({
      ...{ payloadType: integer(127), seq: integer(0xffff), timestamp: integer(0xffff_ffff), marker: random() < 0.5 },
      ...{ ssrc: integer(0xffff_ffff), csrcs: Array.from({ length: integer(15) }, () => integer(0xffff_ffff)) },
      payload: Uint8Array.from({ length: integer(200) }, () => integer(255)),
    });
    const [ours, theirs] = [parseRtp(built)!, new packets.RtpPacket(viewOf(built))];
    assert.deepEqual(
      [ours.marker, ours.payloadType, ours.seq, ours.timestamp, ours.ssrc, ours.csrcs],
      [
        ...[theirs.getMarker(), theirs.getPayloadType(), theirs.getSequenceNumber(), theirs.getTimestamp()],
        ...[theirs.getSsrc(), theirs.getCsrcs()],
      ],
    );
    const { buffer, byteOffset, byteLength } = theirs.getPayload();
    assert.deepEqual([...ours.payload], [...new Uint8Array(buffer, byteOffset, byteLength)]);
  }
});

test('RFC 3550 section 6.4.1: a sender report', () => {
  const [ours] = parseRtcp(report('40000002')) ?? [];
  const [theirs] = new packets.CompoundPacket(viewOf(report('40000002'))).getPackets();
  assert.ok(ours?.type === 'sr' && theirs instanceof packets.SenderReportPacket);
  const [block] = theirs.getReports();
  const { fractionLost, cumulativeLost, jitter } = ours.blocks[0]!;
  assert.deepEqual([fractionLost, cumulativeLost, jitter], [64, 2, 7]);
  assert.deepEqual([block!.getFractionLost(), block!.getTotalLost(), block!.getJitter()], [64, 2, 7]);
});

test('RFC 3550 section 6.4.1: cumulative loss is signed: copies make it negative', () => {
  const [ours] = parseRtcp(report('40fffffe')) ?? [];
  assert.ok(ours?.type === 'sr');
  assert.equal(ours.blocks[0]!.cumulativeLost, -2); // as tshark reads it too; rtp.js does not
});
