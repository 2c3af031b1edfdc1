/** werift-rtp, the SRTP of WebRTC in TypeScript. Its sender is given the parsed header, as werift's own code does. */
import { RtpPacket, SrtpSession } from 'werift-rtp';
import { type Case, KEYS, masterKeys, type Round, type SrtpContender } from './workload.ts';

const HEADER_BYTES = 12;
const PROFILES = { AES_CM_128_HMAC_SHA1_80: 0x0001, AEAD_AES_128_GCM: 0x0007 } as const;

export function werift({ suite, direction }: Case): SrtpContender {
  const sessions = masterKeys(suite).map((keyAndSalt) => {
    const [key, salt] = [keyAndSalt.subarray(0, 16), keyAndSalt.subarray(16)];
    const keys = { localMasterKey: key, localMasterSalt: salt, remoteMasterKey: key, remoteMasterSalt: salt };
    return new SrtpSession({ keys, profile: PROFILES[suite] });
  });
  const unprotect = ({ given }: Round) => {
    const packets = new Array<Uint8Array>(given.length);
    const from = process.hrtime.bigint();
    for (let n = 0; n < given.length; n++) packets[n] = sessions[n % KEYS]!.decrypt(given[n]!);
    return { ns: Number(process.hrtime.bigint() - from), packets };
  };
  const protect = ({ given }: Round) => {
    const packets = new Array<Uint8Array>(given.length);
    const headers = given.map((packet) => RtpPacket.deSerialize(packet).header);
    const payloads = given.map((packet) => packet.subarray(HEADER_BYTES));
    const from = process.hrtime.bigint();
    for (let n = 0; n < given.length; n++) packets[n] = sessions[n % KEYS]!.encrypt(payloads[n]!, headers[n]!);
    return { ns: Number(process.hrtime.bigint() - from), packets };
  };
  return { name: 'werift-rtp', run: direction === 'protect' ? protect : unprotect };
}
