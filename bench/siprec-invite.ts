/** A SIPREC INVITE as a session border controller sends it, made here: 2.6 KB, two m-lines, complete metadata. */

const METADATA = `<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<session session_id="hVpd7YQgRW2nD22h7q60JQ=="><start-time>2026-01-01T00:00:00Z</start-time></session>
<participant participant_id="srfBElmCRp2QB23b7Mpluw=="><nameID aor="sip:caller@example.com"><name>Caller</name></nameID></participant>
<participant participant_id="zSfPoSGiSVKGsxDT2SBjRQ=="><nameID aor="sip:agent@example.com"><name>Agent</name></nameID></participant>
<stream stream_id="UAAMm5GRQKSCMVvLyl4rFw==" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>1</label></stream>
<stream stream_id="i1Pz3to5hGk8fuXl+PbwCw==" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>2</label></stream>
<participantstreamassoc participant_id="srfBElmCRp2QB23b7Mpluw=="><send>UAAMm5GRQKSCMVvLyl4rFw==</send></participantstreamassoc>
<participantstreamassoc participant_id="zSfPoSGiSVKGsxDT2SBjRQ=="><send>i1Pz3to5hGk8fuXl+PbwCw==</send></participantstreamassoc>
</recording>`.replaceAll('\n', '\r\n');

const SDP = [
  'v=0',
  'o=sbc 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 30000 RTP/AVP 0 101',
  'a=rtpmap:101 telephone-event/8000',
  'a=sendonly',
  'a=label:1',
  'm=audio 30002 RTP/AVP 0 101',
  'a=rtpmap:101 telephone-event/8000',
  'a=sendonly',
  'a=label:2',
  '',
].join('\r\n');

const BODY = `--b\r\nContent-Type: application/sdp\r\n\r\n${SDP}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n${METADATA}\r\n--b--\r\n`;

/** @param callId also the From tag and part of the branch. */
export function inviteText(callId: string, localPort: number, remotePort: number): Buffer {
  return Buffer.from(
    [
      `INVITE sip:recorder@127.0.0.1:${remotePort} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${localPort};branch=z9hG4bK${callId}`,
      `From: <sip:src@127.0.0.1:${localPort}>;tag=${callId}`,
      `To: <sip:recorder@127.0.0.1:${remotePort}>`,
      `Call-ID: ${callId}`,
      'CSeq: 1 INVITE',
      `Contact: <sip:src@127.0.0.1:${localPort}>;+sip.src`,
      'Require: siprec',
      'Max-Forwards: 70',
      'Content-Type: multipart/mixed;boundary=b',
      `Content-Length: ${Buffer.byteLength(BODY)}`,
      '',
      BODY,
    ].join('\r\n'),
  );
}
