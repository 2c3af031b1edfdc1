// RTCP of a sender: compound packets of a sender report (RFC 3550 6.4.1) and SDES with CNAME (6.5), closed by BYE (6.6).

/** What a sender report states. */
export interface SenderReport {
  ssrc: number;
  /** Wall clock, milliseconds since 1970. */
  wallMs: number;
  /** The RTP time of the stream at `wallMs`. */
  rtpTimestamp: number;
  packetCount: number;
  octetCount: number;
  cname: string;
}

const SENDER_REPORT_BYTES = 28;
const NTP_EPOCH_SECONDS = 2208988800;

/** Builds SR + SDES, and BYE after them when the stream ends. */
export function buildSenderReport(report: SenderReport, bye: boolean): Uint8Array {
  const cname = new TextEncoder().encode(report.cname).subarray(0, 255);
  // One chunk: SSRC, item type and length, text, at least one zero, padded to 32 bits.
  const sdesBytes = 4 + Math.ceil((4 + 2 + cname.length + 1) / 4) * 4;
  const bytes = new Uint8Array(SENDER_REPORT_BYTES + sdesBytes + (bye ? 8 : 0));
  const view = new DataView(bytes.buffer);
  header(view, 0, 0, 200, SENDER_REPORT_BYTES);
  view.setUint32(4, report.ssrc);
  const seconds = Math.floor(report.wallMs / 1000);
  view.setUint32(8, (seconds + NTP_EPOCH_SECONDS) >>> 0);
  view.setUint32(12, Math.floor(((report.wallMs - seconds * 1000) / 1000) * 4294967296));
  view.setUint32(16, report.rtpTimestamp >>> 0);
  view.setUint32(20, report.packetCount >>> 0);
  view.setUint32(24, report.octetCount >>> 0);
  const sdes = SENDER_REPORT_BYTES;
  header(view, sdes, 1, 202, sdesBytes);
  view.setUint32(sdes + 4, report.ssrc);
  view.setUint8(sdes + 8, 1);
  view.setUint8(sdes + 9, cname.length);
  bytes.set(cname, sdes + 10);
  if (bye) {
    header(view, sdes + sdesBytes, 1, 203, 8);
    view.setUint32(sdes + sdesBytes + 4, report.ssrc);
  }
  return bytes;
}

function header(view: DataView, at: number, count: number, type: number, bytes: number): void {
  view.setUint8(at, 0x80 | count);
  view.setUint8(at + 1, type);
  view.setUint16(at + 2, bytes / 4 - 1);
}
