/**
 * What a recording server does with each m-line of an offer (RFC 7866 7.2): record what is audio over RTP, whatever the codec;
 * reject the rest with port 0.
 */
import {
  type AgreedCrypto,
  type CryptoDecision,
  chooseCrypto,
  ipVersion,
  isAuxiliary,
  isUnspecified,
  type MediaDescription,
  NO_CRYPTO,
  type PayloadType,
  remoteOf,
  type Sdp,
  securityOf,
} from '../sdp/index.ts';

export interface MediaPlanOptions {
  /** True for a payload type that can be decoded. The others are recorded as packets. */
  supported: (pt: PayloadType) => boolean;
  /** Whether and how an m-line is SRTP. Left out: it is never. */
  crypto?: (media: MediaDescription) => CryptoDecision;
}

/**
 * The plan for the m-line at `index`. `label` is unique within the offer. `remote` is null when the offer has no IP address to
 * bind the source to. `payloadTypes` in the order in which to answer them.
 */
export interface PlannedMedia {
  index: number;
  label: string;
  action: 'record' | 'reject';
  reason?: string;
  /** It is rejected for want of SRTP that can be used, or of SRTP at all. */
  isSecurityFault?: boolean;
  /** Null: plain RTP. */
  crypto: AgreedCrypto | null;
  held: boolean;
  remote: { address: string; rtpPort: number; rtcpPort: number } | null;
  rtcpMux: boolean;
  /** Of its one source, when it is signalled (RFC 5576). */
  ssrc: number | null;
  payloadTypes: PayloadType[];
  warnings: string[];
}

/** One entry per m-line of the offer, in order. */
export function planMedia(offer: Sdp, o: MediaPlanOptions): PlannedMedia[] {
  const labels = uniqueLabels(offer.media);
  const decide = o.crypto ?? ((media) => chooseCrypto(media, NO_CRYPTO));
  return offer.media.map((media, i) => {
    const label = labels[i]!;
    const base = {
      index: media.index,
      label: label.text,
      held: media.held(),
      rtcpMux: media.rtcpMux,
      ssrc: media.ssrc,
    };
    const where = `m-line ${media.index + 1}`;
    const rejected = { ...base, action: 'reject' as const, remote: null, crypto: null, payloadTypes: [], warnings: [] };
    const reason = rejection(media);
    if (reason !== null) return { ...rejected, reason };
    const { agreed, fault, warnings: cryptoWarnings } = decide(media);
    if (fault !== null) return { ...rejected, reason: fault, isSecurityFault: true };
    const warnings = label.warning === null ? [...cryptoWarnings] : [`${where}: ${label.warning}`, ...cryptoWarnings];
    const remote = bindable(media);
    if (remote === null && !media.held()) warnings.push(`${where}: no IP address to expect the media from`);
    const payloadTypes = preferDecodable(media.rtpmaps, o.supported);
    if (!payloadTypes.some((pt) => !isAuxiliary(pt) && o.supported(pt))) {
      warnings.push(`${where}: none of the codecs can be decoded, recorded as packets`);
    }
    return { ...base, action: 'record', crypto: agreed, remote, payloadTypes, warnings };
  });
}

function rejection(media: MediaDescription): string | null {
  if (media.port === 0) return 'offered with port 0';
  if (media.kind !== 'audio') return `media type ${media.kind} is not recorded`;
  if (securityOf(media) === 'other') return `protocol ${media.protocol} is not supported`;
  return media.rtpmaps.length === 0 ? 'no RTP payload type' : null;
}

/** Labels as the metadata refers to them; a missing or repeated one is replaced by a number that is free. */
function uniqueLabels(media: readonly MediaDescription[]): Array<{ text: string; warning: string | null }> {
  const used = new Set(media.map((m) => m.label));
  const seen = new Set<string>();
  let next = 1;
  const number = () => {
    while (used.has(String(next))) next++;
    return String(next++);
  };
  return media.map((m) => {
    if (m.label !== null && !seen.has(m.label)) {
      seen.add(m.label);
      return { text: m.label, warning: null };
    }
    const text = number();
    const what = m.label === null ? 'has no a=label' : 'repeats the a=label of another';
    return { text, warning: `${what}, taken as ${text}` };
  });
}

function bindable(media: MediaDescription): PlannedMedia['remote'] {
  const remote = remoteOf(media);
  if (remote === null || ipVersion(remote.address) === 0 || isUnspecified(remote.address)) return null;
  return remote;
}

/** The offered order, unless it would choose a codec that cannot be decoded where another could be. */
function preferDecodable(offered: readonly PayloadType[], supported: (pt: PayloadType) => boolean): PayloadType[] {
  const first = offered.find((pt) => !isAuxiliary(pt));
  if (first === undefined || supported(first)) return [...offered];
  const decodable = offered.filter((pt) => !isAuxiliary(pt) && supported(pt));
  return [...decodable, ...offered.filter((pt) => !decodable.includes(pt))];
}
