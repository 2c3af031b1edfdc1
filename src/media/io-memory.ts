/**
 * What the kernel reads and writes in batch socket calls, as it lies in lane memory: headers of recvmmsg(2) and sendmmsg(2), events of
 * epoll(7), values of socket options, and the table of the lane's sockets. Linux, 64 bits, little endian.
 */
import * as layout from '../../assembly/layout.ts';
import { ADDRESS_BYTES, type IpAddress } from './address.ts';

export {
  BATCH_PACKETS,
  CHANNEL_RTCP,
  CHANNEL_RTP,
  LATER_EPOLL,
  MAX_EVENTS,
  MAX_SOCKETS,
  SOON_EPOLL,
} from '../../assembly/layout.ts';

/** On x64 struct epoll_event is packed. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA_AT = process.arch === 'x64' ? 4 : 8;
/** In the 16 bytes of an address. */
const IPV4_AT = 12;
const TWO_TO_32 = 0x1_0000_0000;
const SOCKET_WORDS = layout.SOCKET_BYTES / 4;

export class IoMemory {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the memory lies in this process. */
  readonly #base: number;
  /**
   * Addresses of the headers of slots. With the null in front V8 keeps each as an object that is there for good: as a sum, or from an array of
   * numbers, it would make a new one for every read of a socket.
   */
  readonly #receiveHeaders: (number | null)[] = [null];

  constructor(memory: WebAssembly.Memory, addressOf: (bytes: Uint8Array) => number) {
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#base = addressOf(this.#bytes);
  }

  /** Every slot of the batch gets its header: where a datagram goes, its source, and its control messages. */
  prepareReceiving(): void {
    for (let n = 0; n < layout.BATCH_PACKETS; n++) {
      const header = layout.RECEIVE_HEADERS_AT + n * layout.MESSAGE_HEADER_BYTES;
      const iovec = layout.RECEIVE_IOVECS_AT + n * layout.IOVEC_BYTES;
      this.#pointer(header + layout.MESSAGE_NAME_AT, layout.RECEIVE_NAMES_AT + n * layout.SOCKET_ADDRESS_BYTES);
      this.#view.setUint32(header + layout.MESSAGE_NAME_BYTES_AT, layout.SOCKET_ADDRESS_BYTES, true);
      this.#pointer(header + layout.MESSAGE_IOVECS_AT, iovec);
      this.#view.setUint32(header + layout.MESSAGE_IOVEC_COUNT_AT, 1, true);
      this.#pointer(header + layout.MESSAGE_CONTROL_AT, layout.RECEIVE_CONTROLS_AT + n * layout.CONTROL_BYTES);
      this.#view.setUint32(header + layout.MESSAGE_CONTROL_BYTES_AT, layout.CONTROL_BYTES, true);
      this.#pointer(iovec, layout.SLOTS_AT + n * layout.SLOT_BYTES + layout.SLOT_HEADROOM_BYTES);
      this.#view.setUint32(iovec + 8, layout.MAX_DATAGRAM_BYTES, true);
      this.#receiveHeaders.push(this.#base + header);
    }
  }

  /** Headers of outgoing packets, one iovec each. */
  prepareSending(): void {
    for (let n = 0; n < layout.MAX_SENDS; n++) {
      const header = layout.SEND_HEADERS_AT + n * layout.MESSAGE_HEADER_BYTES;
      this.#pointer(header + layout.MESSAGE_IOVECS_AT, layout.SEND_IOVECS_AT + n * layout.IOVEC_BYTES);
      this.#view.setUint32(header + layout.MESSAGE_IOVEC_COUNT_AT, 1, true);
    }
  }

  sendHeader(n: number): number {
    return this.#base + layout.SEND_HEADERS_AT + n * layout.MESSAGE_HEADER_BYTES;
  }

  /** @returns the length of the address. */
  writeDestination(sink: number, address: IpAddress, port: number): number {
    return this.writeAddress(layout.SEND_NAMES_AT + sink * layout.SOCKET_ADDRESS_BYTES, address, port);
  }

  /** The n-th header is for a packet at `offset` to a sink. */
  describeSend(n: number, sink: number, nameBytes: number, offset: number, length: number): void {
    const header = layout.SEND_HEADERS_AT + n * layout.MESSAGE_HEADER_BYTES;
    const iovec = layout.SEND_IOVECS_AT + n * layout.IOVEC_BYTES;
    this.#pointer(header + layout.MESSAGE_NAME_AT, layout.SEND_NAMES_AT + sink * layout.SOCKET_ADDRESS_BYTES);
    this.#view.setUint32(header + layout.MESSAGE_NAME_BYTES_AT, nameBytes, true);
    this.#pointer(iovec, offset);
    this.#view.setUint32(iovec + 8, length, true);
  }

  receiveHeader(n: number): number {
    return this.#receiveHeaders[n + 1]!;
  }

  get events(): number {
    return this.#base + layout.EVENTS_AT;
  }

  /** What was registered with the n-th of the events that epoll_wait has given. */
  eventData(n: number): number {
    return this.#view.getInt32(layout.EVENTS_AT + n * EVENT_BYTES + EVENT_DATA_AT, true);
  }

  /** An event to register, at the address that it returns. */
  event(events: number, data: number): number {
    this.#view.setUint32(layout.IO_SCRATCH_AT, events, true);
    this.#view.setInt32(layout.IO_SCRATCH_AT + EVENT_DATA_AT, data, true);
    this.#view.setInt32(layout.IO_SCRATCH_AT + EVENT_DATA_AT + 4, 0, true);
    return this.#base + layout.IO_SCRATCH_AT;
  }

  /** A 32-bit value of a socket option, at the address that it returns. */
  option(value: number): number {
    this.#view.setInt32(layout.IO_SCRATCH_AT, value, true);
    return this.#base + layout.IO_SCRATCH_AT;
  }

  /** Room for an option's value of 32-bit words, and its size behind it. */
  optionRoom(words: number): { value: number; size: number; read: (word: number) => number } {
    const sizeAt = layout.IO_SCRATCH_AT + words * 4;
    this.#view.setUint32(sizeAt, words * 4, true);
    return {
      value: this.#base + layout.IO_SCRATCH_AT,
      size: this.#base + sizeAt,
      read: (word) => this.#view.getUint32(layout.IO_SCRATCH_AT + word * 4, true),
    };
  }

  /** Where clock_gettime(2) may put what it gives. */
  get clock(): number {
    return this.#base + layout.IO_SCRATCH_AT;
  }

  /** What it has put there, in us. */
  clockUs(): number {
    const seconds = this.#view.getUint32(layout.IO_SCRATCH_AT, true);
    return seconds * 1e6 + this.#view.getUint32(layout.IO_SCRATCH_AT + 8, true) / 1000;
  }

  /** struct sockaddr_in or sockaddr_in6, where it says. @returns its length. */
  writeAddress(at: number, { bytes, isIpv6 }: IpAddress, port: number): number {
    this.#bytes.fill(0, at, at + layout.SOCKET_ADDRESS_BYTES);
    this.#view.setUint16(at, isIpv6 ? layout.ADDRESS_FAMILY_IPV6 : layout.ADDRESS_FAMILY_IPV4, true);
    this.#view.setUint16(at + 2, port, false);
    const first = isIpv6 ? 0 : IPV4_AT;
    const to = at + (isIpv6 ? 8 : 4) - first;
    for (let n = first; n < ADDRESS_BYTES; n++) this.#bytes[to + n] = bytes[n]!;
    return isIpv6 ? 28 : 16;
  }

  /** An address to bind, at the address that it returns. */
  scratchAddress(address: IpAddress, port: number): { at: number; bytes: number } {
    const bytes = this.writeAddress(layout.IO_SCRATCH_AT, address, port);
    return { at: this.#base + layout.IO_SCRATCH_AT, bytes };
  }

  /** One message for sendmmsg, from bytes that lie in this memory, in the scratch region; gives its address. */
  scratchMessage(packet: Uint8Array, address: IpAddress, port: number): number {
    const header = layout.IO_SCRATCH_AT + 64;
    const iovec = header + layout.MESSAGE_HEADER_BYTES;
    this.#bytes.fill(0, header, iovec + layout.IOVEC_BYTES);
    const nameBytes = this.writeAddress(layout.IO_SCRATCH_AT, address, port);
    this.#pointer(header + layout.MESSAGE_NAME_AT, layout.IO_SCRATCH_AT);
    this.#view.setUint32(header + layout.MESSAGE_NAME_BYTES_AT, nameBytes, true);
    this.#pointer(header + layout.MESSAGE_IOVECS_AT, iovec);
    this.#view.setUint32(header + layout.MESSAGE_IOVEC_COUNT_AT, 1, true);
    this.#pointer(iovec, packet.byteOffset);
    this.#view.setUint32(iovec + 8, packet.length, true);
    return this.#base + header;
  }

  socketFd(socket: number): number | null {
    const fd = this.#view.getInt32(this.#socket(socket) + layout.SOCKET_FD_AT, true) - 1;
    return fd < 0 ? null : fd;
  }

  socketPort(socket: number): number {
    return this.#view.getUint32(this.#socket(socket) + layout.SOCKET_PORT_AT, true);
  }

  /** Null: it is closed. */
  setSocket(socket: number, fd: number | null, port: number): void {
    const at = this.#socket(socket);
    this.#view.setInt32(at + layout.SOCKET_PORT_AT, port, true);
    this.#view.setUint32(at + layout.SOCKET_DROPS_AT, 0, true);
    this.#view.setUint32(at + layout.SOCKET_EPOLL_AT, 0, true);
    this.#view.setInt32(at + layout.SOCKET_FD_AT, fd === null ? 0 : fd + 1, true);
  }

  /** Entry of the epoll descriptor that watches the socket; 0: none. */
  socketEpoll(socket: number): number {
    return this.#view.getUint32(this.#socket(socket) + layout.SOCKET_EPOLL_AT, true);
  }

  setSocketEpoll(socket: number, entry: number): void {
    this.#view.setUint32(this.#socket(socket) + layout.SOCKET_EPOLL_AT, entry, true);
  }

  /** Takes over what a life before has left open: the streams' sockets, and the epoll descriptors that watch them. */
  adoptSockets(before: IoMemory): void {
    const [from, to] = [before.#sockets, this.#sockets];
    for (let at = 0; at < from.length; at += SOCKET_WORDS) {
      if (from[at + layout.SOCKET_FD_AT / 4] === 0) continue;
      for (let word = at; word < at + SOCKET_WORDS; word++) {
        to[word] = from[word]!;
        from[word] = 0;
      }
    }
  }

  get #sockets(): Int32Array {
    return new Int32Array(this.#bytes.buffer, layout.SOCKETS_AT, layout.MAX_SOCKETS * SOCKET_WORDS);
  }

  #socket(socket: number): number {
    return layout.SOCKETS_AT + socket * layout.SOCKET_BYTES;
  }

  #pointer(at: number, to: number): void {
    const address = this.#base + to;
    this.#view.setUint32(at, address % TWO_TO_32, true);
    this.#view.setUint32(at + 4, Math.floor(address / TWO_TO_32), true);
  }
}
