/**
 * X.509 certificates (RFC 5280) for trials, the demonstration and tests: an authority, and what it vouches for. ECDSA on P-256.
 * node:crypto makes keys and signatures but writes no certificates, and one page of DER is less than a library for it.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv4, SocketAddress } from 'node:net';
import {
  bitString,
  boolean,
  der,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts';

/** A certificate and its private key, in PEM. */
export interface Issued {
  cert: string;
  key: string;
}

/** An authority; `cert` is what peers have to trust. */
export interface Authority extends Issued {
  name: string;
  privateKey: KeyObject;
}

export interface CertificateRequest {
  /** Subject CN; the first of `names` when left out. */
  commonName?: string;
  /** subjectAltName: domain names, IP addresses, or URIs such as `sip:example.com`. */
  names: readonly string[];
  /** The 90 days from yesterday when left out. */
  notBefore?: Date;
  notAfter?: Date;
}

const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const DAY_MS = 86_400_000;
const OID = {
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};

/** Makes an authority of its own; nobody trusts it who was not told to. */
export function makeAuthority(name = 'doubletrack trial authority', validity: Partial<Validity> = {}): Authority {
  const { privateKey, publicKey } = keyPair();
  const extensions = [
    extension(OID.basicConstraints, sequence(boolean(true)), true),
    extension(OID.keyUsage, bitString(Buffer.from([0b0000_0110]), 1), true), // keyCertSign, cRLSign
  ];
  const body = { issuer: name, subject: name, ...validity, extensions, publicKey, issuerKey: publicKey };
  const cert = certificate(body, privateKey);
  return { name, cert, key: pkcs8(privateKey), privateKey };
}

/** A certificate by that authority, for servers and clients alike. */
export function issue(authority: Authority, request: CertificateRequest): Issued {
  const { privateKey, publicKey } = keyPair();
  const usages = sequence(objectIdentifier(OID.serverAuth), objectIdentifier(OID.clientAuth));
  const extensions = [
    extension(OID.basicConstraints, sequence(), true),
    extension(OID.keyUsage, bitString(Buffer.from([0b1000_0000]), 7), true), // digitalSignature
    extension(OID.extendedKeyUsage, usages, false),
  ];
  if (request.names.length > 0) {
    extensions.push(extension(OID.subjectAltName, sequence(...request.names.map(generalName)), false));
  }
  const subject = request.commonName ?? request.names[0] ?? 'doubletrack';
  const issuerKey = createPublicKey(authority.privateKey);
  const body = { ...request, issuer: authority.name, subject, extensions, publicKey, issuerKey };
  const cert = certificate(body, authority.privateKey);
  return { cert, key: pkcs8(privateKey) };
}

interface Validity {
  notBefore: Date;
  notAfter: Date;
}

interface CertificateBody extends Partial<Validity> {
  issuer: string;
  subject: string;
  extensions: readonly Buffer[];
  publicKey: KeyObject;
  issuerKey: KeyObject;
}

/**
 *   Certificate  ::=  SEQUENCE  { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 *   TBSCertificate  ::=  SEQUENCE  { version [0], serialNumber, signature, issuer, validity, subject,
 *        subjectPublicKeyInfo, extensions [3] }
 */
function certificate(body: CertificateBody, signer: KeyObject): string {
  const { notBefore = new Date(Date.now() - DAY_MS), notAfter = new Date(Date.now() + 89 * DAY_MS) } = body;
  const toBeSigned = sequence(
    der(0xa0, integer(Buffer.from([2]))), // v3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    distinguishedName(body.issuer),
    sequence(time(notBefore), time(notAfter)),
    distinguishedName(body.subject),
    body.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...body.extensions, ...keyIdentifiers(body))),
  );
  return pem('CERTIFICATE', sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign('sha256', toBeSigned, signer))));
}

/** RFC 5280 4.2.1.1, 4.2.1.2: which key this is, and which one signed it. */
function keyIdentifiers({ publicKey, issuerKey }: CertificateBody): Buffer[] {
  const authority = sequence(der(0x80, keyIdentifier(issuerKey)));
  return [
    extension(OID.subjectKeyIdentifier, octetString(keyIdentifier(publicKey)), false),
    extension(OID.authorityKeyIdentifier, authority, false),
  ];
}

/** Any unique number will do (RFC 7093 2). */
const keyIdentifier = (key: KeyObject): Buffer =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);

const distinguishedName = (commonName: string): Buffer =>
  sequence(set(sequence(objectIdentifier(OID.commonName), utf8String(commonName))));

const extension = (oid: string, value: Buffer, critical: boolean): Buffer =>
  sequence(objectIdentifier(oid), ...(critical ? [boolean(true)] : []), octetString(value));

/** GeneralName (RFC 5280 4.2.1.6): dNSName [2], uniformResourceIdentifier [6], iPAddress [7]. */
function generalName(name: string): Buffer {
  if (isIP(name) > 0) return der(0x87, addressBytes(name));
  return der(name.includes(':') ? 0x86 : 0x82, Buffer.from(name, 'latin1'));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [left = '', right] = new SocketAddress({ address, family: 'ipv6' }).address.split('::');
  const words = (text: string) => text.split(':').filter((word) => word !== '');
  const tail = right === undefined ? [] : words(right);
  const zeros = Array.from({ length: 8 - words(left).length - tail.length }, () => '0');
  return Buffer.from([...words(left), ...zeros, ...tail].map((word) => word.padStart(4, '0')).join(''), 'hex');
}

function keyPair(): { privateKey: KeyObject; publicKey: KeyObject } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

const pkcs8 = (key: KeyObject): string => String(key.export({ type: 'pkcs8', format: 'pem' }));

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
