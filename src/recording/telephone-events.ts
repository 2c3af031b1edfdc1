/**
 * Telephone events (RFC 4733 section 2.3): the packets of one event put together.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |     event     |E|R| volume    |          duration             |
 */

/** DTMF events (RFC 4733 section 3.2); others are named by number. */
const DIGITS = '0123456789*#ABCD';
const MAX_EVENTS = 10_000;

export interface TelephoneEvent {
  stream: number;
  epoch: number;
  extSeq: number;
  /** RTP time at which it began. */
  timestamp: number;
  /** A DTMF digit, or the event's number. */
  event: string;
  /** In units of the stream's clock. */
  durationRtpUnits: number;
  /** Power level, dBm0 with the sign dropped. */
  volume: number;
  /** Its end was seen. */
  ended: boolean;
}

export class TelephoneEvents {
  readonly events: TelephoneEvent[] = [];
  /** Events that were not kept. */
  omitted = 0;
  readonly #open = new Map<string, TelephoneEvent>();

  packet(stream: number, epoch: number, extSeq: number, timestamp: number, payload: Uint8Array): void {
    if (payload.length < 4) return;
    const number = payload[0] as number;
    const flags = payload[1] as number;
    const durationRtpUnits = ((payload[2] as number) << 8) | (payload[3] as number);
    const key = `${stream}/${epoch}`;
    let event = this.#open.get(key);
    if (!event || event.timestamp !== timestamp) {
      // A retransmission of an older event's end, overtaken by the next event, is not a new one.
      if (event && ((timestamp - event.timestamp) | 0) < 0) return;
      event = {
        ...{ stream, epoch, extSeq, timestamp, event: DIGITS[number] ?? String(number) },
        ...{ durationRtpUnits, volume: flags & 0x3f, ended: false },
      };
      this.#open.set(key, event);
      if (this.events.length < MAX_EVENTS) this.events.push(event);
      else this.omitted++;
    }
    event.durationRtpUnits = Math.max(event.durationRtpUnits, durationRtpUnits);
    event.ended ||= (flags & 0x80) !== 0;
  }
}
