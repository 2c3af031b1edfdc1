// A load of calls: started at a steady rate on an absolute schedule, limited in number, reported together.

import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { isSrtpSuite, type SrtpSuite } from '../../media/srtp-suites.ts';
import { CRYPTO_SUITES } from '../../sdp/index.ts';
import {
  firstTarget,
  parseSipUri,
  SipEndpoint,
  type SipLog,
  type TlsSettings,
  type TransportName,
} from '../../sip/index.ts';
import { type CallContext, type CallReport, RecordedCall } from './call.ts';
import { sendCodec } from './codecs.ts';
import { LegPorts, type PortRange } from './leg-socket.ts';
import { openMediaSource } from './media-source.ts';
import type { Party } from './metadata.ts';
import { Pacer, type PacingStats } from './pacer.ts';
import { SrtpOutlet } from './srtp-outlet.ts';

/** A run of calls. Only `to` is needed. */
export interface CallerOptions {
  /** Recorder to call, e.g. `sip:127.0.0.1:5060`. */
  to: string;
  /** Default UDP, and TLS for a sips URI. */
  transport?: TransportName;
  /** What is trusted over TLS, and the certificate for recorders that want one. */
  tls?: TlsSettings;
  /** How many calls, default 1. */
  calls?: number;
  /** Calls started per second, default 10. */
  rate?: number;
  /** Calls at the same time, default no limit. */
  concurrency?: number;
  /** Length of a call in milliseconds; default 10 s, or that of the audio or capture. */
  durationMs?: number;
  /** PCMU (default), PCMA, L16 or L16/16000. */
  codec?: string;
  /** Crypto suite that the media is protected with, with fresh keys for each stream; in the clear when left out. */
  srtp?: string;
  /** WAV files, one per party or one with two channels; synthesised speech when left out. */
  audio?: readonly string[];
  /** Captures whose RTP is sent, one per party. */
  pcap?: readonly string[];
  /** Chances per packet in percent, default 0. */
  lossPercent?: number;
  reorderPercent?: number;
  duplicatePercent?: number;
  /** Decides audio, SSRCs and impairment; default 1. */
  seed?: number;
  /** Address of this side's signalling and media; default the one from which the recorder is reached. */
  localAddress?: string;
  /** Ports for RTP and RTCP, default 36000 to 49999. */
  mediaPorts?: PortRange;
  /** The parties of every call; by default each call has its own. */
  parties?: readonly [Party, Party];
  /** Wait between the last RTP packet and BYE, milliseconds; default 100. */
  hangupDelayMs?: number;
  /** Ends all calls with BYE and the run. */
  signal?: AbortSignal;
  /** Called when a call is over. */
  onCall?: (call: CallReport) => void;
  log?: SipLog;
}

/** Percentiles in milliseconds, null without a call that was set up. */
export interface Percentiles {
  p50: number | null;
  p99: number | null;
}

export interface CallerReport {
  calls: CallReport[];
  setupMs: Percentiles;
  /** How well the schedule of the packets was kept. */
  pacing: PacingStats;
}

/** An option has a value that can't be. */
export class CallerOptionError extends Error {
  override name = 'CallerOptionError';
}

const DEFAULT_PORTS: PortRange = { lo: 36000, hi: 49999 };

/**
 * Places calls as a SIPREC recording client and reports what was sent.
 *
 * Resolves when all calls are over; a call that fails is part of the report, not an error.
 * @throws CallerOptionError for impossible options; errors of reading audio or captures, or of opening the SIP socket
 */
export async function placeCalls(options: CallerOptions): Promise<CallerReport> {
  const codec = sendCodec(options.codec ?? 'PCMU');
  if (codec === null) throw new CallerOptionError(`codec ${options.codec} is not one the caller can send`);
  const suite = options.srtp === undefined ? null : offeredSuite(options.srtp);
  const rate = options.rate ?? 10;
  if (!(rate > 0)) throw new CallerOptionError('the rate must be above 0');
  const secure = /^sips:/i.test(options.to);
  const transport = secure ? 'tls' : (options.transport ?? 'udp');
  // Without a certificate nobody can call us over TLS; requests of the recorder come by our connection.
  const listens = transport !== 'tls' || options.tls?.cert !== undefined;
  const address = options.localAddress ?? (await localAddressTowards(options.to, transport));
  const seed = options.seed ?? 1;
  const media = await openMediaSource({ ...options, codec, seed, calls: options.calls ?? 1 });
  const endpoint = new SipEndpoint({
    listen: listens ? [{ transport, host: address, port: 0 }] : [],
    connect: [transport],
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    advertisedHost: address,
    userAgent: 'doubletrack-call',
    contactUser: 'src',
    contactParams: ['+sip.src'],
    supported: ['siprec', 'timer'],
    // An INVITE with metadata is longer than RFC 3261 18.1.1 allows over UDP; who asks for UDP here wants to see just that.
    datagramRequestBytes: Number.POSITIVE_INFINITY,
    ...(options.log === undefined ? {} : { log: options.log }),
  });
  await endpoint.start();
  const pacer = new Pacer();
  const srtp = suite && { suite, outlet: new SrtpOutlet() };
  if (srtp) pacer.onFired = () => srtp.outlet.flush();
  try {
    const calls = await runCalls(options, rate, {
      endpoint,
      to: options.to,
      transport: secure ? null : transport,
      address,
      ports: new LegPorts(options.mediaPorts ?? DEFAULT_PORTS),
      pacer,
      media,
      srtp,
      seed,
      impairment: {
        lossPercent: options.lossPercent ?? 0,
        reorderPercent: options.reorderPercent ?? 0,
        duplicatePercent: options.duplicatePercent ?? 0,
      },
      parties: (call) => options.parties ?? numberedParties(call),
      hangupDelayMs: options.hangupDelayMs ?? 100,
    });
    return { calls, setupMs: percentiles(calls), pacing: pacer.stats };
  } finally {
    await endpoint.close();
  }
}

function offeredSuite(name: string): SrtpSuite {
  const suite = name.toUpperCase();
  if (CRYPTO_SUITES.includes(suite) && isSrtpSuite(suite)) return suite;
  throw new CallerOptionError(`crypto suite ${name} is not one the caller can offer: ${CRYPTO_SUITES.join(', ')}`);
}

function numberedParties(call: number): readonly [Party, Party] {
  const number = String(call + 1).padStart(4, '0');
  return [
    { aor: `sip:agent-${number}@doubletrack.invalid`, name: `Agent ${number}` },
    { aor: `sip:customer-${number}@doubletrack.invalid`, name: `Customer ${number}` },
  ];
}

function runCalls(options: CallerOptions, rate: number, context: CallContext): Promise<CallReport[]> {
  const total = options.calls ?? 1;
  const limit = options.concurrency ?? Number.POSITIVE_INFINITY;
  const running = new Set<RecordedCall>();
  const reports: CallReport[] = [];
  const startMs = performance.now();
  let next = 0;
  let timer: NodeJS.Timeout | null = null;
  return new Promise((resolve) => {
    const stopped = () => options.signal?.aborted === true || next >= total;
    const launch = () => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      while (!stopped() && running.size < limit) {
        const waitMs = startMs + (next * 1000) / rate - performance.now();
        if (waitMs > 0) {
          timer = setTimeout(launch, Math.ceil(waitMs));
          return;
        }
        begin(next++);
      }
      if (running.size === 0 && stopped()) resolve(reports.filter((report) => report !== undefined));
    };
    const begin = (number: number) => {
      const call = new RecordedCall(context, number);
      running.add(call);
      void call.run().then((report) => {
        running.delete(call);
        reports[number] = report;
        options.onCall?.(report);
        launch();
      });
    };
    options.signal?.addEventListener('abort', () => {
      for (const call of running) call.hangUp();
      launch();
    });
    launch();
  });
}

function percentiles(calls: readonly CallReport[]): Percentiles {
  const sorted = calls.flatMap((call) => (call.setupMs === null ? [] : [call.setupMs])).sort((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
    return value === undefined ? null : Math.round(value * 1000) / 1000;
  };
  return { p50: at(0.5), p99: at(0.99) };
}

// The kernel's choice: a connected UDP socket has the address of the interface that its packets would leave by.
async function localAddressTowards(to: string, transport: TransportName): Promise<string> {
  const address = await firstTarget(to, transport);
  if (address === null) throw new Error(`no address of ${parseSipUri(to).host} was found`);
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    return await new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(9, address, () => resolve(socket.address().address));
    });
  } finally {
    socket.close();
  }
}
