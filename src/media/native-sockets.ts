/**
 * Lane sockets of Linux: epoll(7) says which have something, recvmmsg(2) puts it straight into the slots of the lane's batch. The thread
 * waits in epoll_wait; between two waits the event loop has its turn, for messages, timers and the journal's I/O.
 *
 * There are two sets of sockets: those whose packets somebody waits for are looked at as soon as something comes, the others at
 * intervals, for then a call takes several packets of each.
 *
 * Descriptors belong to the process. They stand in lane memory, so that a lane that is started again takes its sockets over, with
 * what the kernel has kept in them meanwhile.
 */
import { type IpAddress, ipAddress } from './address.ts';
import type { CoreExports } from './core.ts';
import { Epoll } from './epoll.ts';
import {
  BATCH_PACKETS,
  CHANNEL_RTCP,
  CHANNEL_RTP,
  IoMemory,
  LATER_EPOLL,
  MAX_EVENTS,
  MAX_SOCKETS,
  SOON_EPOLL,
} from './io-memory.ts';
import { check, EAGAIN, EINTR, type Libc } from './libc.ts';
import type { Load } from './memory.ts';
import { MAX_SENDS } from './sink-memory.ts';
import type { Batch, LaneSockets, SocketsOptions, StreamPlace } from './sockets.ts';
import { TickBudget } from './tick-budget.ts';

/** 256 packets of the system's default are 5 s of one stream; a stall of the process must not cost packets. */
const RECEIVE_BUFFER_BYTES = 1 << 22;
/** Of a port that many streams share. */
const SHARED_BUFFER_BYTES = 1 << 24;
/** Of one call. A flood is read in rounds, so that others have their turn. */
const READ_PACKETS = 64;
const READ_ROUNDS = 4;
const DRAIN_ROUNDS = 125;
/** A wait is no longer than this, whatever is due: what has no descriptor to wake it (I/O of the journal) must not lie long. */
const MAX_WAIT_MS = 50;
/** Messages, timers and completed I/O wait no longer while there are packets. */
const EVENT_LOOP_MS = 2;
/** In place of the entry of a set of sockets. */
const NO_EPOLL = 0;
/** Data of the event that wakes the lane. */
const WAKE = -1;
/** Sockets that somebody waits for: no more often than this while packets come. */
const SOON_MS = 0.5;
/** Sockets that nobody waits for. What a kill -9 costs is this and the flush of the journal. */
const LATER_MS = 40;
/** Or sooner when one of them had more than is read at a time: a flood is not to fill its buffer, where the packets of its stream are too. */
const FLOOD_MS = 2;
/** So many of these at a time, when there are others that do not bear to wait for them. */
const LATER_AT_A_TIME = 32;
/** Addresses that are kept: what more there are, are read once more. */
const MAX_PEERS = 4_096;
const TIMER_SLACK_NS = 1_000;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0x800 | 0x80000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_TIMESTAMPNS = 35;
const SO_RXQ_OVFL = 40;
const SO_MEMINFO = 55;
const MEMINFO_WORDS = 9;
const MEMINFO_DROPS = 8;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;
const MSG_DONTWAIT = 0x40;
const CLOCK_REALTIME = 0;
const PR_SET_TIMERSLACK = 29;

export class NativeSockets implements LaneSockets {
  readonly #batch: Batch;
  readonly #wasm: CoreExports;
  readonly #libc: Libc;
  readonly #io: IoMemory;
  readonly #dscp: number;
  readonly #soon: Epoll;
  readonly #later: Epoll;
  /** Streams whose RTP socket is in the first of the two: by how many they are waited for. */
  readonly #awaited = new Map<number, number>();
  /** Streams whose sockets are in neither. */
  readonly #unread = new Set<number>();
  /** Sockets that were not read to their end. */
  #unfinished: number[] = [];
  /** By sink: the stream whose socket its packets leave from, and the length of its address. */
  readonly #destinations: ({ via: number; nameBytes: number } | undefined)[] = [];
  /** Sinks of the packets that go with one call. */
  readonly #sending = new Uint32Array(MAX_SENDS);
  /** Reports go to the same addresses again and again. */
  readonly #peers = new Map<string, IpAddress>();
  /** Nothing is ever written here: a wait on it is a pause. */
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));
  readonly #ticks = new TickBudget();
  #turn: (() => number) | null = null;
  #filled = 0;
  #nowUs = 0;
  #aheadUs = 0;
  #polledMs = 0;
  #hadPackets = false;
  #laterDueMs = 0;
  #waitedMs = 0;
  #asked = { atMs: performance.now(), waitedMs: 0 };

  constructor(batch: Batch, libc: Libc, { dscp, wakeFd }: SocketsOptions, before: WebAssembly.Memory[]) {
    this.#batch = batch;
    this.#wasm = batch.wasm;
    this.#libc = libc;
    this.#dscp = dscp;
    this.#io = new IoMemory(batch.shared, libc.addressOf);
    this.#io.prepareReceiving();
    this.#io.prepareSending();
    for (const memory of before) this.#io.adoptSockets(new IoMemory(memory, libc.addressOf));
    this.#soon = new Epoll(libc, this.#io, SOON_EPOLL);
    this.#later = new Epoll(libc, this.#io, LATER_EPOLL);
    this.#soon.watch(wakeFd, WAKE);
    libc.prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
  }

  async open(stream: number, { address, rtpPort, rtcpPort, isSharedPort = false }: StreamPlace): Promise<void> {
    const bufferBytes = isSharedPort ? SHARED_BUFFER_BYTES : RECEIVE_BUFFER_BYTES;
    try {
      this.#open(stream * 2 + CHANNEL_RTP, address, rtpPort, bufferBytes);
      if (rtcpPort !== null) this.#open(stream * 2 + CHANNEL_RTCP, address, rtcpPort, bufferBytes);
    } catch (error) {
      this.close(stream);
      throw error;
    }
  }

  async drain(stream: number): Promise<void> {
    this.#readClocks();
    const host = this.#hostOf(stream);
    for (const socket of socketsOf(host)) {
      const fd = this.#io.socketFd(socket);
      if (fd === null) continue;
      this.#read(socket, DRAIN_ROUNDS);
      this.#countDrops(socket, fd);
    }
    this.#process();
  }

  close(stream: number): void {
    this.#process(); // what has been received belongs to this stream still
    for (const socket of socketsOf(stream)) closeSocket(this.#io, this.#libc, socket);
    this.#unread.delete(stream);
    this.#forgetUnfinished(stream);
  }

  leaveUnread(stream: number, isUnread: boolean): void {
    if (this.#unread.has(stream) === isUnread) return;
    if (isUnread) this.#unread.add(stream);
    else this.#unread.delete(stream);
    for (const socket of socketsOf(stream)) this.#place(socket);
    if (isUnread) this.#forgetUnfinished(stream);
    else this.#laterDueMs = 0; // what has come has waited long enough
  }

  #forgetUnfinished(stream: number): void {
    this.#unfinished = this.#unfinished.filter((socket) => socket >> 1 !== stream);
  }

  awaitPackets(stream: number, waiting: 1 | -1): void {
    const host = this.#hostOf(stream);
    const awaited = (this.#awaited.get(host) ?? 0) + waiting;
    if (awaited > 0) this.#awaited.set(host, awaited);
    else this.#awaited.delete(host);
    this.#place(host * 2 + CHANNEL_RTP);
  }

  sendFrom(stream: number, channel: number, packet: Uint8Array, address: string, port: number): void {
    const host = this.#hostOf(stream);
    const fd = this.#io.socketFd(host * 2 + channel) ?? this.#io.socketFd(host * 2 + CHANNEL_RTP);
    if (fd === null) return;
    const message = this.#io.scratchMessage(packet, this.#peer(address), port);
    this.#libc.sendmmsg(fd, message, 1, MSG_DONTWAIT);
  }

  #peer(address: string): IpAddress {
    const known = this.#peers.get(address);
    if (known) return known;
    if (this.#peers.size === MAX_PEERS) this.#peers.clear();
    const peer = ipAddress(address);
    this.#peers.set(address, peer);
    return peer;
  }

  openSink(sink: number, via: number, address: string, port: number): void {
    const nameBytes = this.#io.writeDestination(sink, ipAddress(address), port);
    this.#destinations[sink] = { via: this.#hostOf(via), nameBytes };
  }

  closeSink(sink: number): void {
    delete this.#destinations[sink];
  }

  /** Packets that leave from one socket go with one call. */
  send(packets: number): void {
    const { sinks } = this.#batch;
    let via = -1;
    let count = 0;
    for (let n = 0; n < packets; n++) {
      const sink = sinks.sinkOf(n);
      const length = sinks.lengthOf(n);
      const to = this.#destinations[sink];
      if (!to || length === 0) continue;
      if (to.via !== via) {
        this.#sendFrom(via, count);
        via = to.via;
        count = 0;
      }
      this.#io.describeSend(count, sink, to.nameBytes, sinks.offsetOf(n), length);
      this.#sending[count++] = sink;
    }
    this.#sendFrom(via, count);
  }

  /** A packet that is refused is counted and passed over: nobody waits for it. */
  #sendFrom(via: number, count: number): void {
    if (count === 0) return;
    const fd = this.#io.socketFd(via * 2 + CHANNEL_RTP) ?? -1;
    let n = 0;
    while (n < count) {
      const sent = this.#libc.sendmmsg(fd, this.#io.sendHeader(n), count - n, MSG_DONTWAIT);
      if (sent > 0) n += sent;
      else if (this.#libc.errno() !== EINTR) this.#batch.sinks.countSendError(this.#sending[n++]!);
    }
  }

  run(turn: () => number): void {
    this.#turn = turn;
    this.#readClocks();
    this.#readUnfinished(); // what has come while no life was there has waited long enough
    this.#process();
    this.#polledMs = performance.now();
    setImmediate(this.#runTurn);
  }

  load(): Load {
    const atMs = performance.now();
    const { atMs: sinceMs, waitedMs } = this.#asked;
    this.#asked = { atMs, waitedMs: this.#waitedMs };
    const loopLoad = Math.max(0, 1 - (this.#waitedMs - waitedMs) / Math.max(1e-3, atMs - sinceMs));
    return { loopLoad, tickP99Ms: this.#ticks.takeP99Ms() };
  }

  end(keep: boolean): void {
    this.#turn = null;
    if (!keep) closeSockets(this.#io, this.#libc);
  }

  readonly #runTurn = () => {
    if (!this.#turn) return;
    // The event loop's turn costs as much as several packets: under load it comes once in a few polls.
    const untilMs = performance.now() + EVENT_LOOP_MS;
    let isBusy = true;
    while (isBusy) {
      const dueMs = this.#turn();
      if (!this.#turn) return;
      isBusy = this.#poll(dueMs) && performance.now() < untilMs;
    }
    setImmediate(this.#runTurn);
  };

  /** @returns whether there is more to read, and no message to the lane. */
  #poll(dueMs: number): boolean {
    const fromMs = performance.now();
    this.#ticks.tick(fromMs - this.#polledMs);
    const events = this.#waitForEvents(fromMs, Math.min(dueMs, this.#laterDueMs - fromMs, MAX_WAIT_MS));
    this.#polledMs = performance.now();
    this.#waitedMs += this.#polledMs - fromMs;
    this.#hadPackets = events > 0;
    if (this.#isWoken(events)) return false;
    this.#readClocks();
    this.#readUnfinished();
    for (let n = 0; n < events; n++) this.#read(this.#io.eventData(n), READ_ROUNDS);
    this.#process();
    if (this.#polledMs >= this.#laterDueMs) this.#readLater();
    return this.#hadPackets || this.#unfinished.length > 0 || this.#laterDueMs <= this.#polledMs;
  }

  #readUnfinished(): void {
    const unfinished = this.#unfinished;
    if (unfinished.length === 0) return;
    this.#unfinished = [];
    for (const socket of unfinished) this.#read(socket, READ_ROUNDS);
  }

  #waitForEvents(fromMs: number, dueMs: number): number {
    if (dueMs <= 0 || this.#unfinished.length > 0) return this.#soon.wait(0);
    const pauseMs = this.#hadPackets ? this.#polledMs + SOON_MS - fromMs : 0;
    if (pauseMs <= 0) return this.#soon.wait(this.#hadPackets ? 0 : Math.ceil(dueMs));
    Atomics.wait(this.#pause, 0, 0, Math.min(pauseMs, dueMs));
    return this.#soon.wait(0);
  }

  #readLater(): void {
    const most = this.#awaited.size > 0 ? LATER_AT_A_TIME : MAX_EVENTS;
    const events = this.#later.wait(0, most);
    for (let n = 0; n < events; n++) this.#read(this.#io.eventData(n), READ_ROUNDS);
    this.#process();
    const restMs = events === 0 ? MAX_WAIT_MS : this.#unfinished.length > 0 ? FLOOD_MS : LATER_MS;
    if (events < most) this.#laterDueMs = this.#polledMs + restMs;
  }

  /**
   * A message to the lane comes before packets that it may have brought about (the first behind an answer): they are read when the event loop
   * has delivered it.
   */
  #isWoken(events: number): boolean {
    let isWoken = false;
    for (let n = 0; n < events; n++) isWoken ||= this.#io.eventData(n) === WAKE;
    if (!isWoken) return false;
    for (let n = 0; n < events; n++) {
      const socket = this.#io.eventData(n);
      if (socket !== WAKE) this.#unfinished.push(socket);
    }
    return true;
  }

  /** Until the socket is empty, or for so many rounds. */
  #read(socket: number, rounds: number): void {
    const fd = this.#io.socketFd(socket);
    if (fd === null) return;
    for (let round = 0; round < rounds; round++) {
      if (this.#filled === BATCH_PACKETS) this.#process();
      const room = Math.min(READ_PACKETS, BATCH_PACKETS - this.#filled);
      const count = this.#libc.recvmmsg(fd, this.#io.receiveHeader(this.#filled), room, MSG_DONTWAIT, 0);
      if (count > 0) {
        this.#wasm.received(this.#filled, count, socket, this.#nowUs, this.#aheadUs);
        this.#filled += count;
        if (count < room) return;
      } else if (this.#libc.errno() === EAGAIN) return;
      // Anything else is what an ICMP error has left at the socket: it is gone with having been told.
    }
    this.#unfinished.push(socket);
  }

  #process(): void {
    if (this.#filled === 0) return;
    const packets = this.#filled;
    this.#filled = 0;
    this.#batch.process(packets);
  }

  /** The kernel stamps arrivals by the clock on the wall; everything here goes by the monotonic one. */
  #readClocks(): void {
    this.#nowUs = Number(this.#batch.nowUs());
    this.#libc.clockGettime(CLOCK_REALTIME, this.#io.clock);
    this.#aheadUs = this.#nowUs - this.#io.clockUs();
  }

  /** The stream whose sockets it has. */
  #hostOf(stream: number): number {
    return this.#batch.memory.hostOf(stream);
  }

  #open(socket: number, address: string, port: number, bufferBytes: number): void {
    const kept = this.#io.socketFd(socket);
    if (kept !== null && this.#io.socketPort(socket) === port) return this.#takeOver(kept, socket);
    closeSocket(this.#io, this.#libc, socket);
    const ip = ipAddress(address);
    const type = SOCK_DGRAM_NONBLOCK_CLOEXEC;
    const fd = check(this.#libc, this.#libc.socket(ip.isIpv6 ? AF_INET6 : AF_INET, type, 0), 'socket');
    this.#io.setSocket(socket, fd, port);
    this.#setOptions(fd, ip.isIpv6, bufferBytes);
    const local = this.#io.scratchAddress(ip, port);
    check(this.#libc, this.#libc.bind(fd, local.at, local.bytes), `bind ${address}:${port}`);
    this.#place(socket);
  }

  /** What a life before was told of it and did not read is not told again. */
  #takeOver(fd: number, socket: number): void {
    if (this.#io.socketEpoll(socket) === NO_EPOLL) {
      this.#soon.unwatch(fd);
      this.#later.unwatch(fd);
    }
    this.#place(socket);
    this.#unfinished.push(socket);
  }

  #setOptions(fd: number, isIpv6: boolean, bufferBytes: number): void {
    const set = (level: number, name: number, value: number) =>
      this.#libc.setsockopt(fd, level, name, this.#io.option(value), 4);
    // Above net.core.rmem_max it takes CAP_NET_ADMIN.
    if (set(SOL_SOCKET, SO_RCVBUFFORCE, bufferBytes) !== 0) set(SOL_SOCKET, SO_RCVBUF, bufferBytes);
    set(SOL_SOCKET, SO_TIMESTAMPNS, 1);
    set(SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (isIpv6) set(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (isIpv6) set(IPPROTO_IPV6, IPV6_TCLASS, this.#dscp << 2);
    else set(IPPROTO_IP, IP_TOS, this.#dscp << 2);
  }

  /** Where it belongs by now: it may be in another set, and be so since a life before. */
  #place(socket: number): void {
    const fd = this.#io.socketFd(socket);
    const [present, wanted] = [this.#io.socketEpoll(socket), this.#epollOf(socket)];
    if (fd === null || present === wanted) return;
    // A thread can be ended in between: the next life finds it in none then, or in one that it does not know of.
    this.#io.setSocketEpoll(socket, NO_EPOLL);
    if (present !== NO_EPOLL) this.#epoll(present).unwatch(fd);
    if (wanted !== NO_EPOLL) this.#epoll(wanted).watch(fd, socket);
    this.#io.setSocketEpoll(socket, wanted);
  }

  #epollOf(socket: number): number {
    if (this.#unread.has(socket >> 1)) return NO_EPOLL;
    return (socket & 1) === CHANNEL_RTP && this.#awaited.has(socket >> 1) ? SOON_EPOLL : LATER_EPOLL;
  }

  #epoll(entry: number): Epoll {
    return entry === SOON_EPOLL ? this.#soon : this.#later;
  }

  /** Of the datagrams behind which none has come: control messages tell of earlier ones only. */
  #countDrops(socket: number, fd: number): void {
    const room = this.#io.optionRoom(MEMINFO_WORDS);
    if (this.#libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, room.value, room.size) !== 0) return;
    this.#wasm.countKernelDrops(socket, room.read(MEMINFO_DROPS));
  }
}

function socketsOf(stream: number): [rtp: number, rtcp: number] {
  return [stream * 2 + CHANNEL_RTP, stream * 2 + CHANNEL_RTCP];
}

function closeSocket(io: IoMemory, libc: Libc, socket: number): void {
  const fd = io.socketFd(socket);
  if (fd === null) return;
  io.setSocket(socket, null, 0);
  libc.close(fd);
}

function closeSockets(io: IoMemory, libc: Libc): void {
  for (let socket = 0; socket < MAX_SOCKETS; socket++) closeSocket(io, libc, socket);
}

/** Of a lane whose worker is gone for good. */
export function closeSocketsOf(memory: WebAssembly.Memory, libc: Libc): void {
  closeSockets(new IoMemory(memory, libc.addressOf), libc);
}
