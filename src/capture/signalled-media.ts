// Media descriptions in SIP messages of a capture: what the dynamic payload types of a stream mean and which label it has.
//
// Only as much of SIP is read as leads to the SDP, and only over UDP; the streams themselves are found without it.

import { type PayloadType, parseSdp, remoteOf, type Sdp } from '../sdp/index.ts';
import { readBodies } from '../siprec/index.ts';
import type { Datagram } from './datagram.ts';

/** What an m-line says about packets to (or from) its port. */
export interface SignalledMedia {
  payloadTypes: readonly PayloadType[];
  label: string | null;
  /** RTP/SAVP or its like: SRTP. */
  isSecure: boolean;
}

const MAX_MESSAGE_BYTES = 65535;
const MAX_PORTS = 16384;
const START_LINE = /^(?:SIP\/2\.0 \d{3} |[A-Z]{2,20} sips?:)/;

/** Remembers, per address and port, the newest media description. */
export class SignalledMediaIndex {
  private readonly ports = new Map<string, SignalledMedia>();

  /** Looks at a datagram; everything but SIP with a session description is passed over. */
  offer(datagram: Datagram): void {
    const { payload } = datagram;
    if (payload.length < 32 || payload.length > MAX_MESSAGE_BYTES || payload[0]! < 0x41 || payload[0]! > 0x5a) return;
    const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('latin1');
    if (!START_LINE.test(text)) return;
    const headersEnd = text.indexOf('\r\n\r\n');
    if (headersEnd < 0) return;
    const contentType = /^(?:content-type|c)[ \t]*:[ \t]*(.+)$/im.exec(text.slice(0, headersEnd))?.[1]?.trim();
    if (contentType === undefined) return;
    const sdp = sdpOf(contentType, payload.slice(headersEnd + 4));
    for (const media of sdp?.media ?? []) {
      const remote = remoteOf(media);
      if (remote === null || (this.ports.size >= MAX_PORTS && !this.ports.has(key(remote.address, remote.rtpPort))))
        continue;
      const isSecure = media.protocol.toUpperCase().includes('RTP/SAVP');
      const { rtpmaps, label } = media;
      this.ports.set(key(remote.address, remote.rtpPort), { payloadTypes: rtpmaps, label, isSecure });
    }
  }

  /** The description for a stream: that of its receiver decides, the sender's stands in. */
  find(flow: {
    source: string;
    sourcePort: number;
    destination: string;
    destinationPort: number;
  }): SignalledMedia | null {
    const { source, sourcePort, destination, destinationPort } = flow;
    return this.ports.get(key(destination, destinationPort)) ?? this.ports.get(key(source, sourcePort)) ?? null;
  }
}

function key(address: string, port: number): string {
  return `${address} ${port}`;
}

function sdpOf(contentType: string, body: Uint8Array): Sdp | null {
  try {
    return contentType.toLowerCase().startsWith('application/sdp')
      ? parseSdp(body)
      : readBodies(contentType, body).offer;
  } catch {
    return null; // what the parser can't read names nothing
  }
}
