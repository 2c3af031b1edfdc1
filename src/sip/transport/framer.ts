/**
 * Cuts messages out of a byte stream by Content-Length (RFC 3261 18.3), without recursion and without looking at any byte
 * twice. CRLFs between messages are keep-alives (RFC 5626 3.5.1: a double CRLF is a ping, answered by one CRLF).
 */

import { MAX_MESSAGE_BYTES } from '../message/limits.ts';
import { declaredLength, type Head, scanHead } from '../message/parser.ts';

/** What came out of the stream. After `broken` nothing more will: the stream has lost its frame. */
export type Framed =
  | { kind: 'message'; bytes: Buffer }
  | { kind: 'ping' }
  /** `head` is what was read of the message that broke the frame, for an answer. */
  | { kind: 'broken'; status: number; reason: string; head: Buffer };

const CR = 13;
const LF = 10;
const SPACE = 32;

export class StreamFramer {
  #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes of the message being received, head and body; 0 while its head isn't complete. */
  #wanted = 0;
  #lineFeeds = 0;
  #blankRun = 0;
  #broken = false;

  /** Bytes held back, waiting for the rest of their message. */
  get pendingBytes(): number {
    return this.#size;
  }

  /** Takes the next bytes of the stream and gives what they complete, in order. */
  push(chunk: Buffer): Framed[] {
    const out: Framed[] = [];
    let rest = chunk;
    while (rest.length > 0 && !this.#broken) {
      if (this.#size === 0) rest = this.#skipBlank(rest, out);
      // No method and no version begins so, but a TLS ClientHello does: nothing would ever end it.
      if (this.#size === 0 && rest[0]! < SPACE) rest = this.#fail(out, 400, 'Not SIP', rest.subarray(0, 2_048));
      if (rest.length > 0) rest = this.#take(rest, out);
    }
    return out;
  }

  #skipBlank(bytes: Buffer, out: Framed[]): Buffer {
    let at = 0;
    for (; at < bytes.length && (bytes[at] === CR || bytes[at] === LF); at++) {
      if (bytes[at] === LF && ++this.#blankRun === 2) {
        out.push({ kind: 'ping' });
        this.#blankRun = 0;
      }
    }
    if (at < bytes.length) this.#blankRun = 0;
    return at === 0 ? bytes : bytes.subarray(at);
  }

  /** Adds bytes to the message under way; gives back what lies behind it. */
  #take(bytes: Buffer, out: Framed[]): Buffer {
    if (this.#wanted === 0) {
      const endInChunk = this.#findHeadEnd(bytes);
      const held = this.#size + (endInChunk < 0 ? bytes.length : endInChunk);
      if (held > MAX_MESSAGE_BYTES) return this.#fail(out, 513, 'Message too large', bytes.subarray(0, 2_048));
      if (endInChunk < 0) return this.#hold(bytes);
      const head = bytes.subarray(0, endInChunk);
      this.#hold(head);
      if (!this.#measure(out)) return bytes.subarray(bytes.length);
      bytes = bytes.subarray(endInChunk);
    }
    const missing = this.#wanted - this.#size;
    this.#hold(bytes.subarray(0, Math.min(missing, bytes.length)));
    if (this.#size === this.#wanted) {
      out.push({ kind: 'message', bytes: this.#join() });
      this.#reset();
    }
    return bytes.subarray(Math.min(missing, bytes.length));
  }

  /** Index after the empty line that ends the head, or -1. */
  #findHeadEnd(bytes: Buffer): number {
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === LF) {
        if (++this.#lineFeeds === 2) return at + 1;
      } else if (byte !== CR) this.#lineFeeds = 0;
    }
    return -1;
  }

  /** Content-Length MUST be there over a stream (18.3); what can't be measured breaks the frame. */
  #measure(out: Framed[]): boolean {
    const bytes = this.#join();
    const text = bytes.toString('latin1');
    const head: Head = scanHead(text, text.indexOf('\n') + 1);
    const length = head.fault ? -2 : declaredLength(text, head);
    if (length < 0) {
      const reason = head.fault?.reason ?? (length === -1 ? 'Missing Content-Length' : 'Malformed Content-Length');
      this.#fail(out, 400, reason, bytes);
    } else if (bytes.length + length > MAX_MESSAGE_BYTES) this.#fail(out, 513, 'Message too large', bytes);
    else this.#wanted = bytes.length + length;
    return this.#wanted > 0;
  }

  #fail(out: Framed[], status: number, reason: string, head: Buffer): Buffer {
    out.push({ kind: 'broken', status, reason, head: this.#size > 0 ? this.#join() : head });
    this.#reset();
    this.#broken = true;
    return head.subarray(head.length);
  }

  #hold(bytes: Buffer): Buffer {
    if (bytes.length > 0) {
      this.#chunks.push(bytes);
      this.#size += bytes.length;
    }
    return bytes.subarray(bytes.length);
  }

  #join(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks, this.#size)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #reset(): void {
    this.#chunks = [];
    this.#size = 0;
    this.#wanted = 0;
    this.#lineFeeds = 0;
    this.#blankRun = 0;
  }
}
