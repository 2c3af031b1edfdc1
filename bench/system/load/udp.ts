/** UDP sockets in batches for the load generator: sendmmsg and recvmmsg through koffi, so that it costs little beside what it loads. IPv4. */
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int, int, int)');
const bind = libc.func('int bind(int, void*, int)');
const close = libc.func('int close(int)');
const setsockopt = libc.func('int setsockopt(int, int, int, void*, int)');
const sendmmsg = libc.func('int sendmmsg(int, void*, uint, int)');
const recvmmsg = libc.func('int recvmmsg(int, void*, uint, int, void*)');
const nanosleep = libc.func('int nanosleep(void*, void*)');
const clockGettime = libc.func('int clock_gettime(int, void*)');

const AF_INET = 2;
const SOCK_DGRAM_NONBLOCK = 2 | 2048;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_RCVBUF = 8;
const SO_TIMESTAMPNS = 35;
const MSG_DONTWAIT = 0x40;
const CLOCK_REALTIME = 0;

const MAX_PACKET_BYTES = 256;
const BATCH_PACKETS = 64;
/** struct mmsghdr: msghdr (name 0, name length 8, iov 16, iov count 24, control 32, control length 40, flags 48), bytes 56. */
const MMSGHDR_BYTES = 64;
const SOCKADDR_BYTES = 16;
const IOVEC_BYTES = 16;
const CONTROL_BYTES = 64;
/** In the first control message: cmsghdr of 16 bytes, then a timespec. */
const CONTROL_TIMESPEC_AT = 16;

/** By address and port: who sends from where another one receives has the same socket (symmetric RTP, RFC 4961). */
const sockets = new Map<string, number>();

function openSocket(address: string, port: number): number {
  const known = sockets.get(`${address}:${port}`);
  if (known !== undefined) return known;
  const fd = socket(AF_INET, SOCK_DGRAM_NONBLOCK, 0) as number;
  if (fd < 0) throw new Error(`no socket: errno ${koffi.errno()}`);
  const name = Buffer.alloc(SOCKADDR_BYTES);
  writeName(new DataView(name.buffer, name.byteOffset), 0, address, port);
  if ((bind(fd, name, SOCKADDR_BYTES) as number) < 0) throw new Error(`bind ${port}: errno ${koffi.errno()}`);
  sockets.set(`${address}:${port}`, fd);
  return fd;
}

function closeSocket(fd: number): void {
  for (const [name, open] of sockets) if (open === fd) sockets.delete(name);
  close(fd);
}

function writeName(view: DataView, at: number, address: string, port: number): void {
  view.setUint16(at, AF_INET, true);
  view.setUint16(at + 2, port);
  for (const [n, byte] of address.split('.').entries()) view.setUint8(at + 4 + n, Number(byte));
}

/** Beyond net.core.rmem_max where we may (CAP_NET_ADMIN), else as far as it goes. */
function setReceiveBuffer(fd: number, bytes: number): void {
  const value = Buffer.alloc(4);
  value.writeInt32LE(bytes);
  if ((setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, value, 4) as number) < 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, 4);
  }
}

const duration = Buffer.alloc(16);

export function sleepUs(us: number): void {
  duration.writeBigInt64LE(BigInt(Math.round(us) * 1000), 8);
  nanosleep(duration, null);
}

const clock = new BigInt64Array(2);

/** The clock that the kernel's arrival times are of. */
export function realTimeUs(): number {
  clockGettime(CLOCK_REALTIME, clock);
  return Number(clock[0]) * 1e6 + Number(clock[1]) / 1000;
}

/** Room for a batch of messages, which the kernel finds by absolute addresses. */
class Messages {
  readonly headers = new Uint8Array(BATCH_PACKETS * MMSGHDR_BYTES);
  readonly names = new Uint8Array(BATCH_PACKETS * SOCKADDR_BYTES);
  readonly controls = new Uint8Array(BATCH_PACKETS * CONTROL_BYTES);
  readonly packets = new Uint8Array(BATCH_PACKETS * MAX_PACKET_BYTES);
  readonly headersView = new DataView(this.headers.buffer);
  readonly namesView = new DataView(this.names.buffer);
  readonly controlsView = new DataView(this.controls.buffer);
  readonly #vectors = new Uint8Array(BATCH_PACKETS * IOVEC_BYTES);
  readonly vectorsView = new DataView(this.#vectors.buffer);
  readonly slots: Uint8Array[] = [];

  constructor(hasNames: boolean, hasControls: boolean) {
    const [names, controls, packets, vectors] = [this.names, this.controls, this.packets, this.#vectors].map((bytes) =>
      BigInt(koffi.address(bytes) as bigint),
    ) as [bigint, bigint, bigint, bigint];
    for (let n = 0; n < BATCH_PACKETS; n++) {
      const at = n * MMSGHDR_BYTES;
      if (hasNames) {
        this.headersView.setBigUint64(at, names + BigInt(n * SOCKADDR_BYTES), true);
        this.headersView.setUint32(at + 8, SOCKADDR_BYTES, true);
      }
      this.headersView.setBigUint64(at + 16, vectors + BigInt(n * IOVEC_BYTES), true);
      this.headersView.setBigUint64(at + 24, 1n, true);
      if (hasControls) this.headersView.setBigUint64(at + 32, controls + BigInt(n * CONTROL_BYTES), true);
      this.vectorsView.setBigUint64(n * IOVEC_BYTES, packets + BigInt(n * MAX_PACKET_BYTES), true);
      this.vectorsView.setBigUint64(n * IOVEC_BYTES + 8, BigInt(MAX_PACKET_BYTES), true);
      this.slots.push(this.packets.subarray(n * MAX_PACKET_BYTES, (n + 1) * MAX_PACKET_BYTES));
    }
  }
}

export class BatchSender {
  readonly #fd: number;
  readonly #messages = new Messages(true, false);
  #filled = 0;
  /** What the kernel would not take. */
  refused = 0;

  constructor(address: string, port: number) {
    this.#fd = openSocket(address, port);
    const value = Buffer.alloc(4);
    value.writeInt32LE(1 << 24);
    setsockopt(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, value, 4);
    for (let n = 0; n < BATCH_PACKETS; n++) writeName(this.#messages.namesView, n * SOCKADDR_BYTES, address, 0);
  }

  /** Room for the next packet: to be written before `add`. */
  get slot(): Uint8Array {
    return this.#messages.slots[this.#filled]!;
  }

  add(bytes: number, toPort: number): void {
    this.#messages.namesView.setUint16(this.#filled * SOCKADDR_BYTES + 2, toPort);
    this.#messages.vectorsView.setUint32(this.#filled * IOVEC_BYTES + 8, bytes, true);
    this.#filled++;
    if (this.#filled === BATCH_PACKETS) this.flush();
  }

  flush(): void {
    for (let sent = 0; sent < this.#filled; ) {
      const rest = this.#messages.headers.subarray(sent * MMSGHDR_BYTES);
      const taken = sendmmsg(this.#fd, rest, this.#filled - sent, 0) as number;
      if (taken <= 0) this.refused++;
      sent += Math.max(taken, 1);
    }
    this.#filled = 0;
  }

  close(): void {
    closeSocket(this.#fd);
  }
}

/** Called for every packet: valid until it returns. `arrivedUs` is the kernel's, 0 without time stamps. */
export type OnPacket = (packet: Uint8Array, bytes: number, arrivedUs: number) => void;

export class BatchReceiver {
  readonly #fd: number;
  readonly #messages: Messages;
  readonly #isTimed: boolean;

  constructor(address: string, port: number, receiveBufferBytes: number, isTimed: boolean) {
    this.#fd = openSocket(address, port);
    this.#isTimed = isTimed;
    this.#messages = new Messages(false, isTimed);
    setReceiveBuffer(this.#fd, receiveBufferBytes);
    const on = Buffer.alloc(4);
    on.writeInt32LE(1);
    if (isTimed) setsockopt(this.#fd, SOL_SOCKET, SO_TIMESTAMPNS, on, 4);
  }

  /** Everything that is there. */
  drain(onPacket: OnPacket): void {
    const { headers, headersView, slots } = this.#messages;
    for (let received = BATCH_PACKETS; received === BATCH_PACKETS; ) {
      if (this.#isTimed) this.#makeRoomForControls();
      received = recvmmsg(this.#fd, headers, BATCH_PACKETS, MSG_DONTWAIT, null) as number;
      for (let n = 0; n < received; n++) {
        const bytes = headersView.getUint32(n * MMSGHDR_BYTES + 56, true);
        onPacket(slots[n]!, bytes, this.#isTimed ? this.#arrivedUs(n) : 0);
      }
    }
  }

  close(): void {
    closeSocket(this.#fd);
  }

  #makeRoomForControls(): void {
    for (let n = 0; n < BATCH_PACKETS; n++) {
      this.#messages.headersView.setUint32(n * MMSGHDR_BYTES + 40, CONTROL_BYTES, true);
    }
  }

  #arrivedUs(n: number): number {
    const at = n * CONTROL_BYTES + CONTROL_TIMESPEC_AT;
    const view = this.#messages.controlsView;
    // Seconds fit 32 bits until 2106.
    return view.getUint32(at, true) * 1e6 + view.getUint32(at + 8, true) / 1000;
  }
}
