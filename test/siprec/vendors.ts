/**
 * Recording INVITE bodies in the shapes that recording clients in the field use. The shapes are theirs, the values made up.
 */

export interface VendorOffer {
  name: string;
  contentType: string;
  body: string;
  kind: 'siprec' | 'mixed';
  /** [aor, name, channel] of each participant, in order. */
  participants: Array<[string | null, string | null, number | null]>;
  /** One per warning that must be given; none other may. */
  warnings: RegExp[];
  labels: string[];
  held?: boolean;
}

/** A description with one m-line per [label, further attribute lines]. */
function sdp(media: Array<[string | null, ...string[]]>, session = 'c=IN IP4 192.0.2.10'): string {
  const lines = ['v=0', 'o=- 1001 1 IN IP4 192.0.2.10', 's=-', session, 't=0 0'];
  media.forEach(([label, ...more], i) => {
    lines.push(`m=audio ${20_000 + 2 * i} RTP/AVP 8 0 101`, 'a=rtpmap:101 telephone-event/8000', ...more);
    if (!more.some((a) => a === 'a=inactive')) lines.push('a=sendonly');
    if (label !== null) lines.push(`a=label:${label}`);
  });
  return `${lines.join('\r\n')}\r\n`;
}

interface Part {
  type?: string;
  disposition?: string;
  content: string;
}

function multipart(
  boundary: string,
  parts: Part[],
  o: { eol?: string; close?: boolean; preamble?: string } = {},
): string {
  const eol = o.eol ?? '\r\n';
  const out = parts.map((p) => {
    const headers = p.type === undefined ? '' : `Content-Type: ${p.type}${eol}`;
    const disposition = p.disposition === undefined ? '' : `Content-Disposition: ${p.disposition}${eol}`;
    return `--${boundary}${eol}${headers}${disposition}${eol}${p.content}${eol}`;
  });
  const text = `${o.preamble ?? ''}${out.join('')}${o.close === false ? '' : `--${boundary}--${eol}`}`;
  return eol === '\n' ? text.replaceAll('\r\n', '\n') : text;
}

const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const RFC_PARTICIPANTS = [
  '<participant participant_id="cGFydGljaXBhbnQtMQ=="><nameID aor="sip:anna@example.com"><name xml:lang="en">Anna</name></nameID></participant>',
  '<participant participant_id="cGFydGljaXBhbnQtMg=="><nameID aor="sip:ben@example.com"/></participant>',
];

export const OFFERS: VendorOffer[] = [
  {
    name: 'RFC 7865',
    contentType: 'multipart/mixed; boundary="rfc"',
    kind: 'siprec',
    labels: ['1', '2'],
    body: multipart('rfc', [
      { type: 'application/sdp', content: sdp([['1'], ['2']]) },
      {
        type: 'application/rs-metadata+xml',
        disposition: 'recording-session',
        content: `${XML}<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
          <group group_id="Z3JvdXA="><associate-time>2026-01-02T03:04:05Z</associate-time></group>
          <session session_id="c2Vzc2lvbg=="><group-ref>Z3JvdXA=</group-ref><start-time>2026-01-02T03:04:05Z</start-time></session>
          ${RFC_PARTICIPANTS.join('\n')}
          <stream stream_id="czE=" session_id="c2Vzc2lvbg=="><label>1</label></stream>
          <stream stream_id="czI=" session_id="c2Vzc2lvbg=="><label>2</label></stream>
          <participantstreamassoc participant_id="cGFydGljaXBhbnQtMQ=="><send>czI=</send><recv>czE=</recv></participantstreamassoc>
          <participantstreamassoc participant_id="cGFydGljaXBhbnQtMg=="><send>czE=</send><recv>czI=</recv></participantstreamassoc>
          </recording>`,
      },
    ]),
    participants: [
      ['sip:anna@example.com', 'Anna', 1],
      ['sip:ben@example.com', null, 0],
    ],
    warnings: [],
  },
  {
    name: 'Oracle: draft attributes, send inside participant, extension data, times without zone',
    contentType: 'multipart/mixed;boundary=unique-boundary-1',
    kind: 'siprec',
    labels: ['50331648', '50331649'],
    body: multipart(
      'unique-boundary-1',
      [
        { type: 'application/sdp', content: sdp([['50331648'], ['50331649']]) },
        {
          type: 'application/rs-metadata+xml',
          disposition: 'recording-session',
          content: `<?xml version='1.0' encoding='UTF-8'?>
<recording xmlns='urn:ietf:params:xml:ns:recording'>
  <datamode>complete</datamode>
  <session id="U0VTU0lPTg=="><associate-time>2026-01-02T03:04:05</associate-time>
    <extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata"><apkt:ucid>00FA08;encoding=hex</apkt:ucid></extensiondata>
  </session>
  <participant id="UDE=" session="U0VTU0lPTg=="><nameID aor="sip:100@192.0.2.50"><name>100</name></nameID><send>UzI=</send>
    <extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata"><apkt:callingParty>true</apkt:callingParty></extensiondata>
  </participant>
  <participant id="UDI=" session="U0VTU0lPTg=="><nameID aor="sip:200@192.0.2.50"><name>200</name></nameID><send>UzE=</send></participant>
  <stream id="UzE=" session="U0VTU0lPTg=="><label>50331648</label><mode>separate</mode></stream>
  <stream id="UzI=" session="U0VTU0lPTg=="><label>50331649</label><mode>separate</mode></stream>
</recording>`,
        },
      ],
      { eol: '\n', preamble: '\n' },
    ),
    participants: [
      ['sip:100@192.0.2.50', '100', 1],
      ['sip:200@192.0.2.50', '200', 0],
    ],
    warnings: [],
  },
  {
    name: 'Cisco CUBE: third part, no closing delimiter, empty associations on hold',
    contentType: 'multipart/mixed;boundary=uniqueBoundary',
    kind: 'siprec',
    labels: ['1', '2'],
    held: true,
    body: multipart(
      'uniqueBoundary',
      [
        {
          type: 'application/sdp',
          disposition: 'session;handling=required',
          content: sdp([
            ['1', 'a=inactive'],
            ['2', 'a=inactive'],
          ]),
        },
        {
          type: 'application/rs-metadata+xml',
          disposition: 'recording-session',
          content: `${XML}<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
            <session session_id="s"><sipSessionID>ab;remote=cd</sipSessionID><start-time>2026-01-02T03:04:05.678Z</start-time></session>
            ${RFC_PARTICIPANTS.join('\n')}
            <stream stream_id="t1" session_id="s"><label>1</label></stream><stream stream_id="t2" session_id="s"><label>2</label></stream>
            <participantstreamassoc participant_id="cGFydGljaXBhbnQtMQ=="></participantstreamassoc>
            <participantstreamassoc participant_id="cGFydGljaXBhbnQtMg=="></participantstreamassoc></recording>`,
        },
        { type: 'application/gtd', disposition: 'signal;handling=optional', content: 'IAM,\r\nGCI,0123456789abcdef' },
      ],
      { close: false },
    ),
    participants: [
      ['sip:anna@example.com', 'Anna', 0],
      ['sip:ben@example.com', null, 1],
    ],
    warnings: [/does not say which stream 2 participant/],
  },
  {
    name: 'Cisco, copied from a page: everything indented, no blank lines, an end tag broken by a line break',
    contentType: 'multipart/mixed;boundary=uniqueBoundary',
    kind: 'siprec',
    labels: ['1', '2'],
    body: `--uniqueBoundary
  Content-Type: application/sdp
  Content-Disposition: session;handling=required
${sdp([['1'], ['2']])
  .replaceAll('\r\n', '\n')
  .replace(/^/gm, '  ')}
--uniqueBoundary
 Content-Type: application/rs-metadata+xml
 Content-Disposition: recording-session
 <?xml version="1.0" encoding="UTF-8"?>
 <recording xmlns="urn:ietf:params:xml:ns:recording:1">
   <session session_id="s"><sipSessionID>ab;remote=cd</sipSessi
   onID><start-time>2026-01-02T03:04:05.678Z</start-time></session>
   ${RFC_PARTICIPANTS.join('\n   ')}
   <stream stream_id="t1" session_id="s"><label>1</label></stream><stream stream_id="t2" session_id="s"><label>2</label></stream>
   <participantstreamassoc participant_id="cGFydGljaXBhbnQtMQ=="><send>t1</send></participantstreamassoc>
   <participantstreamassoc participant_id="cGFydGljaXBhbnQtMg=="><send>t2</send></participantstreamassoc>
 </recording>
--uniqueBoundary--
`,
    participants: [
      ['sip:anna@example.com', 'Anna', 0],
      ['sip:ben@example.com', null, 1],
    ],
    warnings: [/not well-formed/],
  },
  {
    name: 'BroadWorks: recording_metadata before the SDP, one mixed stream, aor elements, urn:uuid ids',
    contentType: 'multipart/mixed;boundary=UniqueBroadWorksBoundary',
    kind: 'mixed',
    labels: ['1'],
    body: multipart('UniqueBroadWorksBoundary', [
      {
        type: 'application/rs-metadata+xml',
        disposition: 'recording-session',
        content: `${XML}<recording_metadata xmlns="urn:ietf:params:xml:ns:siprec"><dataMode>complete</dataMode>
          <recording id="urn:uuid:0c6a1f1e-0000-4000-8000-000000000001"><requestor>SRC</requestor><type>selective</type></recording>
          <session id="urn:uuid:0c6a1f1e-0000-4000-8000-000000000002"><initiator>sip:anna@example.com</initiator>
            <start-time>2026-01-02T03:04:05-05:00</start-time></session>
          <participant id="sip:anna@example.com"><aor>sip:anna@example.com</aor><send>urn:uuid:0C6A1F1E-0000-4000-8000-000000000003</send></participant>
          <participant id="2"><aor>sip:+15550100@example.com;user=phone</aor><send>0c6a1f1e-0000-4000-8000-000000000003</send></participant>
          <stream id="urn:uuid:0c6a1f1e-0000-4000-8000-000000000003"><label>1</label><mode>mixed</mode></stream>
          <extensiondata><broadWorksRecordingMetadata xmlns="http://schema.broadsoft.com/callRecording" schemaVersion="1.0">
            <extTrackingID>142208:1</extTrackingID><recordingType>on</recordingType></broadWorksRecordingMetadata></extensiondata>
          </recording_metadata>`,
      },
      { type: 'application/sdp', content: sdp([['1']]) },
    ]),
    participants: [
      ['sip:anna@example.com', null, 0],
      ['sip:+15550100@example.com;user=phone', null, 0],
    ],
    warnings: [],
  },
  {
    name: 'BroadWorks, tags lost: only text is left, placeholder addresses',
    contentType: 'multipart/mixed;boundary=bw',
    kind: 'mixed',
    labels: ['1'],
    body: multipart('bw', [
      {
        type: 'application/ +xml',
        disposition: 'recording-session',
        content:
          '<recording_metadata xmlns="urn:ietf:params:xml:ns:siprec">completeSRCselectivesip:anna1mixed1</recording_metadata>',
      },
      { type: 'application/sdp', content: sdp([['1']], 'c=IN IP4 X.X.X.X') },
    ]),
    participants: [],
    warnings: [/sent as/, /names no session/, /no IP address/, /names no participants/],
  },
  {
    name: 'Ribbon: prefixed elements, foreign call data, addresses without scheme, blank names',
    contentType: 'multipart/mixed;boundary=sonus-content-delim',
    kind: 'siprec',
    labels: ['1', '2'],
    body: multipart('sonus-content-delim', [
      { type: 'application/sdp', disposition: 'session; handling=required', content: sdp([['1'], ['2']]) },
      {
        type: 'application/rs-metadata+xml',
        disposition: 'recording-session',
        content: `${XML}<tns:recording xmlns:tns='urn:ietf:params:xml:ns:recording'><tns:datamode>complete</tns:datamode>
          <tns:group group_id="g"><callData xmlns='urn:ietf:params:xml:ns:callData'><fromhdr>"A" &lt;sip:a@b&gt;</fromhdr><session>x</session><gcid>7</gcid></callData></tns:group>
          <tns:session session_id="s"><tns:group-ref>g</tns:group-ref><tns:start-time>1970-05-13T03:29:05Z</tns:start-time></tns:session>
          <tns:participant participant_id="p1"><tns:nameID aor="5550100@192.0.2.55"><tns:name xml:lang="en">Ext 100</tns:name></tns:nameID></tns:participant>
          <tns:participant participant_id="p2"><tns:nameID aor="5550101@192.0.2.55"><tns:name xml:lang="en"> </tns:name></tns:nameID></tns:participant>
          <tns:stream stream_id="t1" session_id="s"><tns:label>1</tns:label></tns:stream>
          <tns:stream stream_id="t2" session_id="s"><tns:label>2</tns:label></tns:stream>
          <tns:participantstreamassoc participant_id="p1"><tns:send>t2</tns:send><tns:recv>t1</tns:recv></tns:participantstreamassoc>
          <tns:participantstreamassoc participant_id="p2"><tns:send>t1</tns:send><tns:recv>t2</tns:recv></tns:participantstreamassoc>
          </tns:recording>`,
      },
    ]),
    participants: [
      ['5550100@192.0.2.55', 'Ext 100', 1],
      ['5550101@192.0.2.55', null, 0],
    ],
    warnings: [],
  },
  {
    name: 'Avaya SBCE: placeholder participant, empty stream ids',
    contentType: 'multipart/mixed;boundary=foobar',
    kind: 'siprec',
    labels: ['10', '20'],
    body: multipart('foobar', [
      { type: 'application/sdp', content: sdp([['10'], ['20']]) },
      {
        type: 'application/rs-metadata',
        disposition: 'recording-session',
        content: `${XML}<recording xmlns="urn:ietf:params:xml:ns:recording:1"><dataMode>complete</dataMode>
          <session session_id="00FA08"></session>
          <participant participant_id="p1"><nameID aor="sip:9000@192.0.2.60"></nameID></participant>
          <participant participant_id="p2"><nameID aor=""></nameID></participant>
          <participantstreamassoc participant_id="p1"><send></send></participantstreamassoc>
          <stream stream_id="" session_id="00FA08"><label>10</label></stream>
          <stream stream_id="" session_id="00FA08"><label>20</label></stream></recording>`,
      },
    ]),
    participants: [
      ['sip:9000@192.0.2.60', null, 0],
      [null, null, 1],
    ],
    warnings: [
      /stream without an id/,
      /stream without an id/,
      /does not say which stream 2/,
      /neither address nor name/,
    ],
  },
  {
    name: 'Metaswitch: draft ids, one m-line for both, hold by the zero address',
    contentType: 'multipart/mixed; boundary=msw',
    kind: 'mixed',
    labels: ['1'],
    held: true,
    body: multipart('msw', [
      { type: 'application/sdp', content: sdp([['1']], 'c=IN IP4 0.0.0.0') },
      {
        type: 'application/rs-metadata',
        content: `${XML}<recording id="cmVj" xmlns="urn:ietf:params:xml:ns:recording"><dataMode>complete</dataMode>
          <session id="s1"/><participant id="p1" session="s1"><nameID aor="sip:100@example.com"/><send>st</send></participant>
          <participant id="p2" session="s1"><nameID aor="tel:+15550100"/><send>st</send></participant>
          <stream id="st" session="s1"><label>1</label></stream></recording>`,
      },
    ]),
    participants: [
      ['sip:100@example.com', null, 0],
      ['tel:+15550100', null, 0],
    ],
    warnings: [],
  },
  {
    name: 'AudioCodes: draft shape, extension elements with a prefix that nothing declares',
    contentType: 'multipart/mixed;boundary=boundary_ac1fffff85b',
    kind: 'siprec',
    labels: ['1', '2'],
    body: multipart('boundary_ac1fffff85b', [
      { type: 'application/sdp', content: sdp([['1'], ['2']]) },
      {
        type: 'application/rs-metadata',
        disposition: 'recording-session',
        content: `${XML}<recording xmlns='urn:ietf:params:xml:ns:recording'>
          <datamode>complete</datamode><group id="00000000-0000-0000-0000-00003a36c4e3"><associate-time>2026-01-02T03:04:05Z</associate-time></group>
          <session id="0000-0000-0000-0000-00000000d0d71a52"><group-ref>00000000-0000-0000-0000-00003a36c4e3</group-ref>
            <ac:GenesysUUID xmlns="urn:ietf:params:xml:ns:Genesys">4BOKLLA3</ac:GenesysUUID></session>
          <participant id="1-100" session="0000-0000-0000-0000-00000000d0d71a52"><nameID aor="100@example.com"/><send>t1</send><recv>t2</recv></participant>
          <participant id="2-200" session="0000-0000-0000-0000-00000000d0d71a52"><nameID aor="200@example.com"/><send>t2</send><recv>t1</recv></participant>
          <stream id="t1" session="0000-0000-0000-0000-00000000d0d71a52"><label>1</label></stream>
          <stream id="t2" session="0000-0000-0000-0000-00000000d0d71a52"><label>2</label></stream></recording>`,
      },
    ]),
    participants: [
      ['100@example.com', null, 0],
      ['200@example.com', null, 1],
    ],
    warnings: [/unbound namespace prefix/],
  },
  {
    name: 'SEMS: labels that are words, obsolete direction attribute, name without scheme',
    contentType: 'multipart/mixed;boundary=2CD2A2E9',
    kind: 'siprec',
    labels: ['a_leg', 'b_leg'],
    body: multipart('2CD2A2E9', [
      {
        type: 'application/sdp',
        content: sdp([
          ['a_leg', 'a=direction:both'],
          ['b_leg', 'a=direction:both'],
        ]),
      },
      {
        disposition: 'recording-session',
        type: 'application/rs-metadata',
        content: `${XML}<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>
          <participant
participant_id="p1"><nameID aor="Extension-1@example.com"><name>Main Line & Co</name></nameID></participant>
          <participant participant_id="p2"><nameID aor="sip:2@example.com"/></participant>
          <stream stream_id="ta"
session_id="s"><label>a_leg</label></stream><stream stream_id="tb" session_id="s"><label>b_leg</label></stream>
          <participantstreamassoc participant_id="p1"><send>ta</send></participantstreamassoc>
          <participantstreamassoc participant_id="p2"><send>tb</send></participantstreamassoc></recording>`,
      },
    ]),
    participants: [
      ['Extension-1@example.com', 'Main Line & Co', 0],
      ['sip:2@example.com', null, 1],
    ],
    warnings: [/bare ampersand/],
  },
  {
    name: 'OpenSIPS: labels from 0, no streams in the metadata, offset without colon',
    contentType: 'multipart/mixed;boundary=OSS-unique-boundary-42',
    kind: 'siprec',
    labels: ['0', '1'],
    body: multipart('OSS-unique-boundary-42', [
      { type: 'application/sdp', content: sdp([['0'], ['1']]) },
      {
        type: 'application/rs-metadata+xml',
        disposition: 'recording-session',
        content: `${XML}<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode><session session_id="s"/>
          ${RFC_PARTICIPANTS.join('')}
          <participantsessionassoc participant_id="cGFydGljaXBhbnQtMQ==" session_id="s"><associate-time>2026-01-02T03:04:05+0000</associate-time></participantsessionassoc>
          <participantstreamassoc participant_id="cGFydGljaXBhbnQtMQ=="></participantstreamassoc></recording>`,
      },
    ]),
    participants: [
      ['sip:anna@example.com', 'Anna', 0],
      ['sip:ben@example.com', null, 1],
    ],
    warnings: [/does not say which stream 2/],
  },
  {
    name: 'NetSapiens: foreign elements in the group, labels missing from the description',
    contentType: 'multipart/mixed;boundary=ns',
    kind: 'siprec',
    labels: ['1', '2'],
    body: multipart('ns', [
      { type: 'application/sdp', content: sdp([[null], [null]]) },
      {
        type: 'application/rs-metadata+xml',
        content: `${XML}<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
          <group group_id="20260102030405"><groupSeq>2</groupSeq><xferredGroupID>20260102030400</xferredGroupID></group>
          ${RFC_PARTICIPANTS.join('')}
          <stream stream_id="t1"><label>1</label></stream><stream stream_id="t2"><label>2</label></stream>
          <participantstreamassoc participant_id="cGFydGljaXBhbnQtMQ=="><send>t1</send></participantstreamassoc>
          <participantstreamassoc participant_id="cGFydGljaXBhbnQtMg=="><send>t2</send></participantstreamassoc></recording>`,
      },
    ]),
    participants: [
      ['sip:anna@example.com', 'Anna', 0],
      ['sip:ben@example.com', null, 1],
    ],
    warnings: [/no a=label/, /no a=label/],
  },
  {
    name: 'jambonz: UUIDs as ids',
    contentType: 'multipart/mixed; boundary=uniqueBoundary',
    kind: 'siprec',
    labels: ['1', '2'],
    body: multipart('uniqueBoundary', [
      { type: 'application/sdp', content: sdp([['1'], ['2']]) },
      {
        type: 'application/rs-metadata+xml',
        disposition: 'recording-session',
        content: `${XML}<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
          <session session_id="8a3f7b9e-0000-4000-8000-000000000001"/>
          <participant participant_id="8a3f7b9e-0000-4000-8000-000000000002"><nameID aor="sip:+15550100@example.com"/></participant>
          <participant participant_id="8a3f7b9e-0000-4000-8000-000000000003"><nameID aor="sip:agent@example.com"/></participant>
          <stream stream_id="8a3f7b9e-0000-4000-8000-000000000004"><label>1</label></stream>
          <stream stream_id="8a3f7b9e-0000-4000-8000-000000000005"><label>2</label></stream>
          <participantstreamassoc participant_id="8a3f7b9e-0000-4000-8000-000000000002"><send>8a3f7b9e-0000-4000-8000-000000000004</send><recv>8a3f7b9e-0000-4000-8000-000000000005</recv></participantstreamassoc>
          <participantstreamassoc participant_id="8a3f7b9e-0000-4000-8000-000000000003"><send>8a3f7b9e-0000-4000-8000-000000000005</send><recv>8a3f7b9e-0000-4000-8000-000000000004</recv></participantstreamassoc></recording>`,
      },
    ]),
    participants: [
      ['sip:+15550100@example.com', null, 0],
      ['sip:agent@example.com', null, 1],
    ],
    warnings: [],
  },
];
