/** The SRTP side of a recording client: keys in the offer, packets protected by the library, our reports read with the answer's key. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { issue, makeAuthority } from '../../src/certificates/certificate.ts';
import { Secret, Srtp, type SrtpContext, type SrtpKeys, type SrtpSuite } from '../../src/media/srtp.ts';
import { keyAndSaltBytes, mkiOctets, parseCrypto, type Sdp } from '../../src/sdp/index.ts';
import { SipEndpoint } from '../../src/sip/index.ts';
import type { Leg } from './rig.ts';

const srtp = new Srtp({ contexts: 256 });

export interface ClientCrypto {
  /** `crypto:…` for the offer. */
  attribute: string;
  keyAndSalt: Buffer;
  keys: SrtpKeys;
}

/** An a=crypto line with a key of its own; `protects` is the suite that session parameters leave. */
export function clientCrypto(
  suite: string,
  { tag = 1, parameters = '', protects = suite, mki = '' } = {},
): ClientCrypto {
  const keyAndSalt = randomBytes(keyAndSaltBytes(suite) ?? 30);
  const text = `${tag} ${suite} inline:${keyAndSalt.toString('base64')}${mki}${parameters && ` ${parameters}`}`;
  const [key] = parseCrypto(text).keys;
  const keys: SrtpKeys = {
    suite: protects as SrtpSuite,
    keys: [{ keyAndSalt: new Secret(keyAndSalt), mki: key!.mki && mkiOctets(key!.mki) }],
    unencryptedSrtcp: parameters.includes('UNENCRYPTED_SRTCP'),
  };
  return { attribute: `crypto:${text}`, keyAndSalt, keys };
}

/** Sends with these keys from now on. */
export function sendWith(leg: Leg, { keys }: Pick<ClientCrypto, 'keys'>): SrtpContext {
  const sender = srtp.openSender(keys);
  leg.protect = (packet) => sender.rtp(packet);
  return sender;
}

export function sendInClear(leg: Leg): void {
  leg.protect = (packet) => packet;
}

/** What the answer says our side sends with: tag, suite, and a context that reads it. */
export function answered(answer: Sdp, line = 0, protects?: string) {
  const lines = answer.media[line]!.attributes('crypto').map(parseCrypto);
  if (lines.length !== 1) throw new Error(`${lines.length} a=crypto lines in an answer`);
  const { tag, suite, keys, parameters } = lines[0]!;
  const receiver = srtp.openReceiver({
    suite: (protects ?? suite) as SrtpSuite,
    keys: [{ keyAndSalt: keys[0]!.keyAndSalt, mki: null }],
    unencryptedSrtcp: parameters.some(({ name }) => name === 'UNENCRYPTED_SRTCP'),
  });
  const base64 = Buffer.from(keys[0]!.keyAndSalt.reveal()).toString('base64');
  return { tag, suite, parameters: parameters.map(({ name }) => name), receiver, base64 };
}

/** RTCP datagrams that reach the leg's RTP socket (with rtcp-mux), as they are on the wire. */
export function rtcpAt(leg: Leg): Buffer[] {
  const packets: Buffer[] = [];
  leg.socket.on('message', (packet) => packets.push(packet));
  return packets;
}

/** Certificates for a server on loopback, as its options name them. */
export function trialCertificates(folder: string): { options: Record<string, string>; ca: string } {
  const authority = makeAuthority('test authority');
  const { cert, key } = issue(authority, { names: ['127.0.0.1', 'localhost'] });
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text, { mode: 0o600 });
    return path.join(folder, name);
  };
  return { options: { tlsCert: file('cert.pem', cert), tlsKey: file('key.pem', key) }, ca: authority.cert };
}

/** A recording client that calls over TLS. */
export async function tlsClient(ca: string): Promise<SipEndpoint> {
  const endpoint = new SipEndpoint({
    listen: [],
    connect: ['tls'],
    tls: { ca },
    advertisedHost: '127.0.0.1',
    userAgent: 'test client',
    contactUser: 'client',
    contactParams: ['+sip.src'],
    supported: ['siprec'],
  });
  await endpoint.start();
  return endpoint;
}
