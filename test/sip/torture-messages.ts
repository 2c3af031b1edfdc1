/**
 * Messages of RFC 4475 ("SIP torture test messages"), transcribed from the standard; long runs of text and bodies are made
 * shorter where their length isn't the point. `answer` is what the recording server's user agent says to each.
 */

export interface TortureMessage {
  section: string;
  name: string;
  /** Status of the response; `dropped` when there is none. */
  answer: number | 'dropped';
  /** Why that is the right answer, or which leniency is chosen. */
  why: string;
  bytes: Buffer;
}

const SDP = `v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
`;

const crlf = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'));

/** `LENGTH` in the head becomes the length of the body. */
function message(head: string, body = ''): Buffer {
  const content = crlf(body);
  return Buffer.concat([crlf(`${head.trimStart().replace('LENGTH', String(content.length))}\n`), content]);
}

const LONG = (word: string, count: number) => word.repeat(count);
const VIAS = Array.from(
  { length: 32 },
  (_, i) => `${['Via', 'v', 'V ', 'ViA  ', 'via'][i % 5]}: SIP/2.0/TCP sip${33 - i}.example.com`,
);

export const TORTURE: TortureMessage[] = [
  {
    section: '3.1.1.1',
    name: 'wsinv',
    answer: 481,
    why: 'valid; white space and folding everywhere; its To tag names no dialog here',
    bytes: message(
      `INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : LENGTH
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
`,
      SDP,
    ),
  },
  {
    section: '3.1.1.2',
    name: 'intmeth',
    answer: 501,
    why: 'valid; a method made of every token character is unknown',
    bytes:
      message(`!interesting-Method0123456789_*+\`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+\`'~
To: "BEL:\\\u0007 NUL:\\\0 DEL:\\\u007f" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~\` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="работающий";tag=_token~1'+\`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word\`~)(><:\\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+\`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_\`'~:\uFEFF大停電
Content-Length: 0
`),
  },
  {
    section: '3.1.1.3',
    name: 'esc01',
    answer: 200,
    why: 'valid; escapes are left as they are',
    bytes: message(
      `INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
C: application/sdp
Contact:
  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
Content-Length: LENGTH
`,
      SDP,
    ),
  },
  {
    section: '3.1.1.4',
    name: 'escnull',
    answer: 405,
    why: 'valid; REGISTER is known but not allowed here',
    bytes: message(`REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0
`),
  },
  {
    section: '3.1.1.5',
    name: 'esc02',
    answer: 501,
    why: 'valid; a percent sign in a method escapes nothing, so the method is unknown',
    bytes: message(`RE%47IST%45R sip:registrar.example.com SIP/2.0
To: "%Z%45" <sip:resource@example.com>
From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0
`),
  },
  {
    section: '3.1.1.6',
    name: 'lwsdisp',
    answer: 200,
    why: 'valid; no white space is needed before the bracket',
    bytes: message(`OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0
`),
  },
  {
    section: '3.1.1.7',
    name: 'longreq',
    answer: 200,
    why: 'valid; long values, many Via lines, a branch of RFC 2543',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
To: "I have a user name of ${LONG('extreme', 10)} proportion"<sip:user@example.com:6000;unknownparam1=very${LONG('long', 20)}value;longparam${LONG('name', 25)}=shortvalue;very${LONG('long', 25)}ParameterNameWithNoValue>
F: sip:${LONG('amazinglylongcallername', 5)}@example.net;tag=12${LONG('982', 50)}424;unknownheaderparam${LONG('name', 20)}=unknowheaderparam${LONG('value', 15)};unknownValueless${LONG('paramname', 10)}
Call-ID: longreq.one${LONG('really', 20)}longcallid
CSeq: 3882340 INVITE
Unknown-${LONG('Long', 20)}-Name: unknown-${LONG('long', 20)}-value; unknown-${LONG('long', 20)}-parameter-name = unknown-${LONG('long', 20)}-parameter-value
${VIAS.join('\n')}
Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very${LONG('long', 50)}branchvalue
Max-Forwards: 70
Contact: <sip:${LONG('amazinglylongcallername', 5)}@host5.example.net>
Content-Type: application/sdp
l: LENGTH
`,
      SDP,
    ),
  },
  {
    section: '3.1.1.8',
    name: 'dblreq',
    answer: 405,
    why: 'valid; what lies behind Content-Length of a datagram is ignored, also a second request',
    bytes: message(
      `REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0
`,
      `INVITE sip:joe@example.com SIP/2.0
t: sip:joe@example.com
From: sip:caller@example.net;tag=141334
Max-Forwards: 8
Call-ID: dblreq.0ha0isnda977644900765@192.0.2.15
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234
Content-Type: application/sdp
Content-Length: 150

${SDP}`,
    ),
  },
  {
    section: '3.1.1.9',
    name: 'semiuri',
    answer: 200,
    why: 'valid; the semicolon belongs to the user part',
    bytes: message(`OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime, multipart/mixed, multipart/signed, message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
l: 0
`),
  },
  {
    section: '3.1.1.10',
    name: 'transports',
    answer: 200,
    why: 'valid; transports in Via that nobody knows',
    bytes: message(`OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0
`),
  },
  {
    section: '3.1.1.11',
    name: 'mpart01',
    answer: 405,
    why: 'valid; a binary multipart body is bytes; MESSAGE is known but not allowed here',
    bytes: Buffer.concat([
      message(`MESSAGE sip:kumiko@example.org SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport
Max-Forwards: 70
Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..
To: <sip:kumiko@example.org>
From: "Fluffy" <sip:fluffy@example.com>;tag=2fb0dcc9
CSeq: 1 MESSAGE
Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
Content-Length: 9
`),
      Buffer.from([0, 13, 10, 13, 10, 0, 255, 128, 0]),
    ]),
  },
  {
    section: '3.1.1.12',
    name: 'unreason',
    answer: 'dropped',
    why: 'a valid response to no request of ours; its reason phrase is UTF-8',
    bytes: message(
      `SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: LENGTH
Content-Type: application/sdp
Contact: <sip:user@host198.example.com>
`,
      SDP,
    ),
  },
  {
    section: '3.1.1.13',
    name: 'noreason',
    answer: 'dropped',
    why: 'a valid response to no request of ours; its reason phrase is empty',
    bytes: message(`SIP/2.0 100\u0020
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
`),
  },
  {
    section: '3.1.2.1',
    name: 'badinv01',
    answer: 400,
    why: 'separators with nothing between them in Via and Contact',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=134161461246
Max-Forwards: 7
Call-ID: badinv01.0ha0isndaksdjasdf3234nas
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;;,;,,
Contact: "Joe" <sip:joe@example.org>;;;;
Content-Length: LENGTH
Content-Type: application/sdp
`,
      SDP,
    ),
  },
  {
    section: '3.1.2.2',
    name: 'clerr',
    answer: 400,
    why: 'the datagram is shorter than its Content-Length',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
Max-Forwards: 80
To: sip:j.user@example.com
From: sip:caller@example.net;tag=93942939o2
Contact: <sip:caller@hungry.example.net>
Call-ID: clerr.0ha0isndaksdjweiafasdk3
CSeq: 8 INVITE
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bK-39234-23523
Content-Type: application/sdp
Content-Length: 9999
`,
      SDP,
    ),
  },
  {
    section: '3.1.2.3',
    name: 'ncl',
    answer: 400,
    why: 'a negative Content-Length',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
Max-Forwards: 254
To: sip:j.user@example.com
From: sip:caller@example.net;tag=32394234
Call-ID: ncl.0ha0isndaksdj2193423r542w35
CSeq: 0 INVITE
Via: SIP/2.0/UDP 192.0.2.53;branch=z9hG4bKkdjuw
Contact: <sip:caller@example53.example.net>
Content-Type: application/sdp
Content-Length: -999
`,
      SDP,
    ),
  },
  {
    section: '3.1.2.4',
    name: 'scalar02',
    answer: 400,
    why: 'CSeq above 2**31 and Max-Forwards above 255',
    bytes: message(`REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3
To: <sip:user@example.com>
From: <sip:user@example.com>;tag=239232jh3
CSeq: 36893488147419103232 REGISTER
Call-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32
Max-Forwards: 300
Expires: 10000000000000
Contact: <sip:user@host129.example.com>;expires=280297596632815
Content-Length: 0
`),
  },
  {
    section: '3.1.2.5',
    name: 'scalarlg',
    answer: 'dropped',
    why: 'a response whose CSeq is out of range',
    bytes: message(`SIP/2.0 503 Service Unavailable
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129
To: <sip:user@example.com>
From: <sip:other@example.net>;tag=2easdjfejw
CSeq: 9292394834772304023312 OPTIONS
Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r
Retry-After: 949302838503028349304023988
Warning: 1812 overture "In Progress"
Content-Length: 0
`),
  },
  {
    section: '3.1.2.6',
    name: 'quotbal',
    answer: 400,
    why: 'the quote of the display name never closes',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
To: "Mr. J. User <sip:j.user@example.com>
From: sip:caller@example.net;tag=93334
Max-Forwards: 10
Call-ID: quotbal.aksdj
Contact: <sip:caller@host59.example.net>
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKkdjuw39234
Content-Type: application/sdp
Content-Length: LENGTH
`,
      SDP,
    ),
  },
  ...['<sip:user@example.com>', 'sip:user@example.com; lr', ' sip:user@example.com '].map((uri, i) => ({
    section: `3.1.2.${7 + i}`,
    name: ['ltgtruri', 'lwsruri', 'lwsstart'][i]!,
    answer: 400,
    why: ['brackets around the Request-URI', 'white space in the Request-URI', 'several spaces in the request line'][
      i
    ]!,
    bytes: message(
      `INVITE ${uri} SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=39291
Max-Forwards: 23
Call-ID: ltgtruri.1@192.0.2.5
CSeq: 1 INVITE
Via: SIP/2.0/UDP 192.0.2.5
Contact: <sip:caller@host5.example.net>
Content-Type: application/sdp
Content-Length: LENGTH
`,
      SDP,
    ),
  })),
  {
    section: '3.1.2.10',
    name: 'trws',
    answer: 400,
    why: 'white space behind the version',
    bytes: message(`OPTIONS sip:remote-target@example.com SIP/2.0\u0020\u0020
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK299342093
To: <sip:remote-target@example.com>
From: <sip:local-resource@example.com>;tag=329429089
Call-ID: trws.oicu34958239neffasdhr2345r
Accept: application/sdp
CSeq: 238923 OPTIONS
Max-Forwards: 70
Content-Length: 0
`),
  },
  {
    section: '3.1.2.11',
    name: 'escruri',
    answer: 400,
    why: 'a Request-URI must not have headers',
    bytes: message(
      `INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=341518
Max-Forwards: 7
Contact: <sip:caller@host39923.example.net>
Call-ID: escruri.23940-asdfhj-aje3br-234q098w-fawerh2q-h4n5
CSeq: 149209342 INVITE
Via: SIP/2.0/UDP host-of-the-hour.example.com;branch=z9hG4bKkdjuw
Content-Type: application/sdp
Content-Length: LENGTH
`,
      SDP,
    ),
  },
  {
    section: '3.1.2.12',
    name: 'baddate',
    answer: 200,
    why: 'lenient: Date is of no use to us, so that its time zone does no harm',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=2234923
Max-Forwards: 70
Call-ID: baddate.239423mnsadf3j23lj42--sedfnm234
CSeq: 1392934 INVITE
Via: SIP/2.0/UDP host.example.com;branch=z9hG4bKkdjuw
Date: Fri, 01 Jan 2010 16:00:00 EST
Contact: <sip:caller@host5.example.net>
Content-Type: application/sdp
Content-Length: LENGTH
`,
      SDP,
    ),
  },
  {
    section: '3.1.2.13',
    name: 'regbadct',
    answer: 400,
    why: 'a URI with headers must stand in brackets',
    bytes: message(`REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=998332
Max-Forwards: 70
Call-ID: regbadct.k345asrl3fdbv@10.0.0.1
CSeq: 1 REGISTER
Via: SIP/2.0/UDP 135.180.130.133:5060;branch=z9hG4bKkdjuw
Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E
l: 0
`),
  },
  {
    section: '3.1.2.14',
    name: 'badaspec',
    answer: 400,
    why: 'spaces inside the brackets',
    bytes: message(`OPTIONS sip:user@example.org SIP/2.0
Via: SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234
Max-Forwards: 70
From: "Bell, Alexander" <sip:a.g.bell@example.com>;tag=433423
To: "Watson, Thomas" < sip:t.watson@example.org >
Call-ID: badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3
Accept: application/sdp
CSeq: 3923239 OPTIONS
l: 0
`),
  },
  {
    section: '3.1.2.15',
    name: 'baddn',
    answer: 200,
    why: 'lenient, as the standard allows: the missing quotes are inferred',
    bytes: message(`OPTIONS sip:t.watson@example.org SIP/2.0
Via:     SIP/2.0/UDP c.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards:      70
From:    Bell, Alexander <sip:a.g.bell@example.com>;tag=43
To:      Watson, Thomas <sip:t.watson@example.org>
Call-ID: baddn.31415@c.example.com
Accept: application/sdp
CSeq:    3923239 OPTIONS
l: 0
`),
  },
  {
    section: '3.1.2.16',
    name: 'badvers',
    answer: 505,
    why: 'another version of SIP',
    bytes: message(`OPTIONS sip:t.watson@example.org SIP/7.0
Via:     SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw
Max-Forwards:     70
From:    A. Bell <sip:a.g.bell@example.com>;tag=qweoiqpe
To:      T. Watson <sip:t.watson@example.org>
Call-ID: badvers.31417@c.example.com
CSeq:    1 OPTIONS
l: 0
`),
  },
  ...(['OPTIONS', 'NEWMETHOD'] as const).map((method, i) => ({
    section: `3.1.2.${17 + i}`,
    name: `mismatch0${i + 1}`,
    answer: i === 0 ? 400 : 501,
    why: i === 0 ? 'the CSeq names another method' : 'an unknown method; that CSeq names another one comes second',
    bytes: message(`${method} sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=34525
Max-Forwards: 6
Call-ID: mismatch0${i + 1}.dj0234sxdfl3
CSeq: 8 INVITE
Via: SIP/2.0/UDP host.example.com;branch=z9hG4bKkdjuw
l: 0
`),
  })),
  {
    section: '3.1.2.19',
    name: 'bigcode',
    answer: 'dropped',
    why: 'a status code that is none',
    bytes: message(`SIP/2.0 4294967301 better not break the receiver
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i
CSeq: 353494 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
`),
  },
  {
    section: '3.2.1',
    name: 'badbranch',
    answer: 200,
    why: 'a branch that is nothing but the cookie: matched as RFC 2543 did',
    bytes: message(`OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
Accept: application/sdp
Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n
CSeq: 8 OPTIONS
l: 0
`),
  },
  {
    section: '3.3.1',
    name: 'insuf',
    answer: 400,
    why: 'no Call-ID, From and To',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
CSeq: 193942 INVITE
Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf
Content-Type: application/sdp
l: LENGTH
`,
      SDP,
    ),
  },
  ...['nobodyKnowsThisScheme:totallyopaquecontent', 'soap.beep://192.0.2.103:3002'].map((uri, i) => ({
    section: `3.3.${2 + i}`,
    name: ['unkscm', 'novelsc'][i]!,
    answer: 416,
    why: 'a Request-URI of no SIP scheme',
    bytes: message(`OPTIONS ${uri} SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0
`),
  })),
  {
    section: '3.3.4',
    name: 'unksm2',
    answer: 405,
    why: 'unknown schemes in addresses are for a registrar to judge; REGISTER is not allowed here',
    bytes: message(`REGISTER sip:example.com SIP/2.0
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: unksm2.daksdj@hyphenated-host.example.com
CSeq: 234902 REGISTER
Max-Forwards: 70
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
Contact: <name:John_Smith>
l: 0
`),
  },
  {
    section: '3.3.5',
    name: 'bext01',
    answer: 420,
    why: 'Require names what nobody supports; Proxy-Require is not for us',
    bytes: message(`OPTIONS sip:user@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.net;tag=242etr
Max-Forwards: 6
Call-ID: bext01.0ha0isndaksdj
Require: nothingSupportsThis, nothingSupportsThisEither
Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis
CSeq: 8 OPTIONS
Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw
Content-Length: 0
`),
  },
  {
    section: '3.3.6',
    name: 'invut',
    answer: 415,
    why: 'a body type that is not understood',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host5.example.net>
To: sip:j.user@example.com
From: sip:caller@example.net;tag=8392034
Max-Forwards: 70
Call-ID: invut.0ha0isndaksdjadsfij34n23d
CSeq: 235448 INVITE
Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw
Content-Type: application/unknownformat
Content-Length: LENGTH
`,
      '<audio>\n <pcmu port="443"/>\n</audio>\n',
    ),
  },
  {
    section: '3.3.7',
    name: 'regaut01',
    answer: 405,
    why: 'an unknown authorisation scheme counts as none; REGISTER is not allowed here',
    bytes: message(`REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=87321hj23128
Max-Forwards: 8
Call-ID: regaut01.0ha0isndaksdj
CSeq: 9338 REGISTER
Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw
Authorization: NoOneKnowsThisScheme opaque-data=here
Content-Length:0
`),
  },
  {
    section: '3.3.8',
    name: 'multi01',
    answer: 400,
    why: 'headers twice that may be there once',
    bytes: message(
      `INVITE sip:user@company.com SIP/2.0
Contact: <sip:caller@host25.example.net>
Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw
Max-Forwards: 70
CSeq: 5 INVITE
Call-ID: multi01.98asdh@192.0.2.1
CSeq: 59 INVITE
Call-ID: multi01.98asdh@192.0.2.2
From: sip:caller@example.com;tag=3413415
To: sip:user@example.com
To: sip:other@example.net
From: sip:caller@example.net;tag=2923420123
Content-Type: application/sdp
l: LENGTH
Contact: <sip:caller@host36.example.net>
Max-Forwards: 5
`,
      SDP,
    ),
  },
  {
    section: '3.3.9',
    name: 'mcl01',
    answer: 400,
    why: 'two values of Content-Length: no way to know where the body ends',
    bytes: message(
      `OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423
To: sip:user@example.com
From: sip:other@example.net;tag=3923942
Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf
CSeq: 15932 OPTIONS
Content-Length: 13
Max-Forwards: 60
Content-Length: 5
Content-Type: text/plain
`,
      "There's no way to know how many octets are supposed to be here.\n",
    ),
  },
  {
    section: '3.3.10',
    name: 'bcast',
    answer: 'dropped',
    why: 'a response to no request of ours, with a broadcast address in Via',
    bytes: message(
      `SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: LENGTH
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>
`,
      SDP,
    ),
  },
  {
    section: '3.3.11',
    name: 'zeromf',
    answer: 200,
    why: 'Max-Forwards 0 stops proxies, not the user agent that is meant',
    bytes: message(`OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=3ghsd41
Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas
CSeq: 39234321 OPTIONS
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i
Max-Forwards: 0
Content-Length: 0
`),
  },
  ...['sip:+19725552222@gw1.example.net;unknownparam', '<sip:+19725552222@gw1.example.net;unknownparam>'].map(
    (contact, i) => ({
      section: `3.3.${12 + i}`,
      name: `cparam0${i + 1}`,
      answer: 405,
      why: 'parameters of a Contact are for a registrar to judge; REGISTER is not allowed here',
      bytes: message(`REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe
To: sip:watson@example.com
Call-ID: cparam01.70710@saturn.example.com
CSeq: 2 REGISTER
Contact: ${contact}
l: 0
`),
    }),
  ),
  {
    section: '3.3.14',
    name: 'regescrt',
    answer: 405,
    why: 'valid: headers of a URI in brackets; REGISTER is not allowed here',
    bytes: message(`REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=8
Max-Forwards: 70
Call-ID: regescrt.k345asrl3fdbv@192.0.2.1
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>
L:0
`),
  },
  {
    section: '3.3.15',
    name: 'sdp01',
    answer: 406,
    why: 'the caller accepts nothing that we could answer',
    bytes: message(
      `INVITE sip:user@example.com SIP/2.0
To: sip:j_user@example.com
Contact: <sip:caller@host15.example.net>
From: sip:caller@example.net;tag=234
Max-Forwards: 5
Call-ID: sdp01.ndaksdj9342dasdd
Accept: text/nobodyKnowsThis
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw
Content-Length: LENGTH
Content-Type: application/sdp
`,
      SDP,
    ),
  },
  {
    section: '3.4.1',
    name: 'inv2543',
    answer: 200,
    why: 'valid in RFC 2543: no branch, tag, Contact, Max-Forwards and Content-Length',
    bytes: message(
      `INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp
`,
      SDP,
    ),
  },
];
