/** A leg of a conversation: one party, and the dialog with it. */
import { randomUUID } from 'node:crypto';
import { parseSdp, type Sdp } from '../../sdp/index.ts';
import type { SipBody, SipSession } from '../../sip/index.ts';
import type { AnchorEnd } from '../media-server/anchor.ts';
import type { LegMedia, LegSrtp, Origin } from '../media-server/leg-media.ts';

export interface PartyIdentity {
  /** `sip:` URI. */
  aor: string;
  name: string;
  /** Null: from outside. */
  dn: string | null;
  trunk: string | null;
  agentId: string | null;
  srtp: LegSrtp;
}

export class Leg {
  readonly id = randomUUID();
  readonly party: PartyIdentity;
  readonly origin: Origin = new LegOrigin();
  /** Null while it rings. */
  session: SipSession | null = null;
  /** Its end of an anchored conversation, and what is agreed there; null: media flows between the parties. */
  anchored: { end: AnchorEnd; media: LegMedia } | null = null;
  /** It is known to take SRTP, or not to; null: nothing is known. */
  wantsSecure: boolean | null = null;
  /** Its last description, as it sent it. */
  remote: Sdp | null = null;
  /** Our last description for it. */
  local: Sdp | null = null;
  joinedAtMs = 0;
  /** It has put the conversation on hold. */
  isHolding = false;
  /** It understands a=record (RFC 7866 6.1.2). */
  isRecordAware = false;
  /** Its call goes on without it: what ends its dialog ends nothing else. */
  isLeaving = false;

  constructor(party: PartyIdentity) {
    this.party = party;
  }

  get callId(): string | null {
    return this.session?.callId ?? null;
  }
}

class LegOrigin implements Origin {
  readonly sessionId = String(BigInt(Date.now()) * 1000n + BigInt(Math.floor(Math.random() * 1000)));
  #version = 0;

  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }
}

/** The same description under our o= line: to a party we are the other one, whoever that is. */
export function underOrigin(sdp: Sdp, origin: Origin): Sdp {
  const version = origin.nextVersion();
  const text = sdp.lines
    .map((line) => {
      if (line.type !== 'o') return line.raw + line.eol;
      const rest = line.value.split(' ').slice(3).join(' ');
      return `o=- ${origin.sessionId} ${version} ${rest}${line.eol}`;
    })
    .join('');
  return parseSdp(text);
}

export function sdpBody(sdp: Sdp): SipBody {
  return { contentType: 'application/sdp', content: Buffer.from(sdp.toBytes()) };
}

/** RFC 3264 8.4: what a party says of itself when it holds. */
export function isHold(sdp: Sdp): boolean {
  const audio = sdp.media.find(({ kind, port }) => kind === 'audio' && port > 0);
  if (!audio) return false;
  return audio.direction === 'sendonly' || audio.direction === 'inactive' || audio.connectionAddress === '0.0.0.0';
}
