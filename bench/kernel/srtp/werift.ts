/** werift-rtp, the SRTP of WebRTC in TypeScript. Its sender is given the parsed header, as werift's own code does. */
import { RtpPacket, SrtpSession } from 'werift-rtp';
import { type Case, masterKeys, type Round, type SrtpContender, timeRuns } from './workload.ts';

const HEADER_BYTES = 12;
const PROFILES = { AES_CM_128_HMAC_SHA1_80: 0x0001, AEAD_AES_128_GCM: 0x0007 } as const;

export function werift({ suite, direction }: Case): SrtpContender {
  const sessions = masterKeys(suite).map((keyAndSalt) => {
    const [key, salt] = [keyAndSalt.subarray(0, 16), keyAndSalt.subarray(16)];
    const keys = { localMasterKey: key, localMasterSalt: salt, remoteMasterKey: key, remoteMasterSalt: salt };
    return new SrtpSession({ keys, profile: PROFILES[suite] });
  });
  const unprotect = (round: Round) => timeRuns(round, (packet, session) => sessions[session]!.decrypt(packet));
  const protect = (round: Round) => {
    const headers = round.given.map((packet) => RtpPacket.deSerialize(packet).header);
    const payloads = round.given.map((packet) => packet.subarray(HEADER_BYTES));
    return timeRuns(round, (_, session, n) => sessions[session]!.encrypt(payloads[n]!, headers[n]!));
  };
  return { name: 'werift-rtp', run: direction === 'protect' ? protect : unprotect };
}
