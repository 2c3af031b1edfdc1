// SRTP of the caller's packets (RFC 3711): what the legs send in one turn of the pacer is protected in one batch, then it leaves.

import { Srtp, type SrtpBatch, type SrtpContext, SrtpError, type SrtpKeys } from '../../media/srtp.ts';
import type { LegSocket } from './leg-socket.ts';

/** Contexts that memory is taken for at a time: two per leg. */
const PORTION_CONTEXTS = 512;
const BATCH_PACKETS = 256;

interface Waiting {
  leg: SrtpLeg;
  extSeq: number;
  copies: number;
}

/** As many contexts as there are legs, in portions. */
export class SrtpOutlet {
  private readonly portions: Portion[] = [];

  /** @throws RangeError for keys that do not fit their suite */
  open(socket: LegSocket, keys: { send: SrtpKeys; receive: SrtpKeys }): SrtpLeg {
    let portion = this.portions.find((one) => one.hasRoom);
    if (portion === undefined) {
      portion = new Portion();
      this.portions.push(portion);
    }
    return portion.open(socket, keys);
  }

  /** Everything that was handed over leaves. */
  flush(): void {
    for (const portion of this.portions) portion.flush();
  }
}

class Portion {
  private readonly srtp = new Srtp({ contexts: PORTION_CONTEXTS, batches: 1 });
  private readonly batch: SrtpBatch = this.srtp.createBatch('protect');
  private readonly waiting: Waiting[] = [];
  private contexts = 0;

  get hasRoom(): boolean {
    return this.contexts < PORTION_CONTEXTS;
  }

  open(socket: LegSocket, { send, receive }: { send: SrtpKeys; receive: SrtpKeys }): SrtpLeg {
    const [sender, receiver] = [this.srtp.openSender(send), this.srtp.openReceiver(receive)];
    this.contexts += 2;
    return new SrtpLeg(this, socket, sender, receiver);
  }

  give(leg: SrtpLeg, packet: Uint8Array, extSeq: number, copies: number): void {
    if (this.batch.length === BATCH_PACKETS) this.flush();
    this.batch.add(leg.sender, 'rtp', packet);
    this.waiting.push({ leg, extSeq, copies });
  }

  flush(): void {
    if (this.waiting.length === 0) return;
    this.batch.run();
    for (const [n, { leg, extSeq, copies }] of this.waiting.entries()) {
      // Copied: the kernel may want it later than the next batch.
      if (this.batch.error(n) === null) leg.leave(Buffer.from(this.batch.packet(n)), extSeq, copies);
      else leg.refused += copies;
    }
    this.waiting.length = 0;
    this.batch.clear();
  }

  close(leg: SrtpLeg): void {
    this.flush();
    leg.sender.close();
    leg.receiver.close();
    this.contexts -= 2;
  }
}

/** One leg's packets on their way out, and the recorder's reports on their way in. */
export class SrtpLeg {
  /** Called for each packet that has left. */
  onLeft: (extSeq: number) => void = () => {};
  /** Packets that could not be protected, and so were not sent. */
  refused = 0;
  /** Reports of the recorder that did not verify. */
  unauthenticated = 0;
  readonly sender: SrtpContext;
  readonly receiver: SrtpContext;
  private readonly portion: Portion;
  private readonly socket: LegSocket;
  /** Packets that a capture has more than once, by number: the second time it is the same SRTP packet. */
  private readonly kept = new Map<number, Uint8Array>();
  private repeated: ReadonlySet<number> = new Set();
  private closed = false;

  constructor(portion: Portion, socket: LegSocket, sender: SrtpContext, receiver: SrtpContext) {
    this.portion = portion;
    this.socket = socket;
    this.sender = sender;
    this.receiver = receiver;
    socket.onRtcp = (packet) => this.receive(packet);
  }

  /** Which packets will be handed over more than once. */
  expectAgain(extSeqs: ReadonlySet<number>): void {
    this.repeated = extSeqs;
  }

  /** Takes a copy of an RTP packet; it leaves with the next flush, so many times. */
  send(packet: Uint8Array, extSeq: number, copies: number): void {
    if (this.repeated.has(extSeq)) {
      this.flush();
      const kept = this.kept.get(extSeq);
      if (kept !== undefined) return this.leave(kept, extSeq, copies);
    }
    this.portion.give(this, packet, extSeq, copies);
  }

  leave(packet: Uint8Array, extSeq: number, copies: number): void {
    if (this.repeated.has(extSeq)) this.kept.set(extSeq, packet);
    for (let n = 0; n < copies; n++) {
      this.socket.send(packet);
      this.onLeft(extSeq);
    }
  }

  flush(): void {
    this.portion.flush();
  }

  sendRtcp(packet: Uint8Array): void {
    this.flush();
    this.socket.sendRtcp(this.sender.rtcp(packet));
  }

  /** Another key for the recorder's reports. */
  receiveWith(keys: SrtpKeys): void {
    this.receiver.rekey(keys);
    this.receiver.allowRocReset();
  }

  /** What waits leaves, and the keys are overwritten. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.onRtcp = () => true;
    this.portion.close(this);
  }

  private receive(packet: Uint8Array): boolean {
    try {
      this.receiver.rtcp(packet);
      return true;
    } catch (error) {
      if (!(error instanceof SrtpError)) throw error;
      this.unauthenticated++;
      return false;
    }
  }
}
