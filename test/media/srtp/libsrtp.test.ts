/**
 * `doubletrack/srtp` and the oracle beside libsrtp, in both directions: what one protects the other takes, byte for byte. SRTP_PACKETS
 * says how many packets, LIBSRTP_PREFIX with which build.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Libsrtp } from '../../../bench/peers/libsrtp.ts';
import { SRTP_SUITES, type SrtpSuite } from '../../../src/media/srtp.ts';
import { closeFlow, type Exchange, expectedFromSender, type Flow, nextExchange, openFlow } from './conversation.ts';
import { IMPLEMENTATIONS } from './implementations.ts';
import { deriveSession, protectRtp } from './oracle.ts';
import { OracleSrtp } from './oracle-context.ts';
import { ALL_SUITES, packetsToTry, Random, randomRtcp, randomRtp } from './random.ts';
import aesCm from './vectors/aes-cm.json' with { type: 'json' };

/** Packets of one session. */
const RUN_PACKETS = 40;
const libsrtp = Libsrtp.start();
const skip = libsrtp instanceof Libsrtp ? false : libsrtp;
if (process.env.CI && skip) throw new Error(skip);
const peer = libsrtp as Libsrtp;

after(async () => {
  if (!skip) await peer.close();
});

/** libsrtp before 2.8 derives the session keys of AES-192 with AES-256 (RFC 6188 section 4 says AES-192), so it talks to nobody else. */
async function derivesAes192Keys(): Promise<boolean> {
  const vector = aesCm.derivation.find(({ title }) => title === 'RFC 6188 7.4')!;
  const keyAndSalt = Buffer.from(vector.masterKey + vector.masterSalt, 'hex');
  const plain = randomRtp(new Random('AES-192'), 1, 1);
  const id = await peer.open({ suite: 'AES_192_CM_HMAC_SHA1_80', direction: 'protect', keyAndSalt });
  const sent = await peer.convert(id, 'rtp', plain);
  await peer.closeSession(id);
  return protectRtp(deriveSession({ suite: 'AES_192_CM_HMAC_SHA1_80', keyAndSalt }).rtp, 0, plain).equals(sent!);
}

/** libsrtp before 2.7 looks for the MKI of SRTCP behind a tag as long as that of RTP: with a 32-bit tag it refuses its own packets. */
async function findsMkiOfSrtcp(): Promise<boolean> {
  const session = { suite: 'AES_CM_128_HMAC_SHA1_32', keyAndSalt: Buffer.alloc(30, 1), mki: Buffer.from([1]) };
  const ids = [
    await peer.open({ ...session, direction: 'protect' }),
    await peer.open({ ...session, direction: 'unprotect' }),
  ];
  const sent = await peer.convert(ids[0]!, 'rtcp', randomRtcp(new Random('MKI'), 1));
  const isTaken = (await peer.convert(ids[1]!, 'rtcp', sent!)) !== null;
  for (const id of ids) await peer.closeSession(id);
  return isTaken;
}

async function suitesOfPeer(): Promise<SrtpSuite[]> {
  const suites: SrtpSuite[] = [];
  for (const suite of ALL_SUITES) {
    const isAes192 = SRTP_SUITES[suite].masterKeyBytes === 24;
    if ((await peer.hasSuite(suite)) && (!isAes192 || (await derivesAes192Keys()))) suites.push(suite);
  }
  return suites;
}

/** Sessions of libsrtp with the keys of a flow. */
interface PeerFlow {
  sender: number;
  receiver: number;
}

async function openPeer({ keys }: Flow): Promise<PeerFlow> {
  const { keyAndSalt, mki } = keys.keys[0]!;
  const { suite, unencryptedSrtcp = false } = keys;
  const session = { suite, keyAndSalt: keyAndSalt.reveal(), mki, unencryptedSrtcp };
  const sender = await peer.open({ ...session, direction: 'protect' });
  return { sender, receiver: await peer.open({ ...session, direction: 'unprotect' }) };
}

async function closePeer({ sender, receiver }: PeerFlow): Promise<void> {
  await peer.closeSession(sender);
  await peer.closeSession(receiver);
}

const named = ({ flow, kind, plain }: Exchange) =>
  `${flow.keys.suite} ${kind} of ${plain.length} octets, MKI ${flow.keys.keys[0]!.mki?.length ?? 0}, begins ${plain.toString('hex', 0, 16)}`;

/** libsrtp counts for itself, so it has a source of its own. */
const asSentByPeer = (exchange: Exchange, sources: Map<unknown, Exchange['source']>): Exchange => {
  const source = sources.get(exchange.source) ?? { ...exchange.source, sentIndex: null };
  sources.set(exchange.source, source);
  return { ...exchange, source };
};

async function exchangeAll(
  exchanges: Exchange[],
  ids: PeerFlow,
  sources: Map<unknown, Exchange['source']>,
): Promise<void> {
  const ours = exchanges.map(({ flow, kind, plain }) => Buffer.from(flow.sender[kind](plain)));
  const theirs = await Promise.all(exchanges.map(({ kind, plain }) => peer.convert(ids.sender, kind, plain)));
  const taken = await Promise.all(exchanges.map(({ kind }, n) => peer.convert(ids.receiver, kind, ours[n]!)));
  for (const [n, exchange] of exchanges.entries()) {
    const what = named(exchange);
    assert.deepEqual(ours[n], expectedFromSender(exchange, ours[n]!), `we protect: ${what}`);
    const sent = theirs[n];
    assert.ok(sent, `libsrtp refuses to protect: ${what}`);
    assert.deepEqual(sent, expectedFromSender(asSentByPeer(exchange, sources), sent), `libsrtp protects: ${what}`);
    assert.deepEqual(taken[n], exchange.plain, `libsrtp unprotects: ${what}`);
    const received = Buffer.from(exchange.flow.receiver[exchange.kind](sent));
    assert.deepEqual(received, exchange.plain, `we unprotect: ${what}`);
  }
}

for (const { name, open, share } of IMPLEMENTATIONS) {
  const packets = packetsToTry(10_000) * share;

  test(`RFC 3711, 6188, 7714: ${packets} random packets to and from libsrtp: ${name}`, { skip }, async (t) => {
    const random = new Random('libsrtp');
    const srtp = open(2);
    const suites = await suitesOfPeer();
    t.diagnostic(`suites: ${suites.join(', ')}`);
    assert.ok(suites.includes('AES_CM_128_HMAC_SHA1_80'));
    const takesAll = await findsMkiOfSrtcp();
    for (let done = 0, turn = 0; done < packets; done += RUN_PACKETS, turn++) {
      const flow = openFlow(random, srtp, suites[turn % suites.length]!);
      const ids = await openPeer(flow);
      const has32BitTag = flow.session.rtp.tagBytes === 4 && flow.session.rtp.mki.length > 0;
      const exchanges = Array.from({ length: RUN_PACKETS }, () => nextExchange(random, flow)).filter(
        ({ kind }) => kind === 'rtp' || takesAll || !has32BitTag,
      );
      await exchangeAll(exchanges, ids, new Map());
      await closePeer(ids);
      closeFlow(flow);
    }
  });
}

test('RFC 3711 section 3.3.1: at any ROC the oracle and libsrtp protect alike', { skip }, async () => {
  const random = new Random('roc');
  for (const suite of await suitesOfPeer()) {
    for (const roc of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe]) {
      const flow = openFlow(random, new OracleSrtp(), suite);
      const [{ ssrc }, key] = [flow.sources[0]!, flow.keys.keys[0]!];
      const session = { suite, keyAndSalt: key.keyAndSalt.reveal(), mki: key.mki, ssrc };
      const id = await peer.open({ ...session, direction: 'protect' });
      await peer.setRoc(id, ssrc, roc);
      const plain = randomRtp(random, ssrc, random.upTo(0xffff));
      const sent = await peer.convert(id, 'rtp', plain);
      assert.deepEqual(sent, protectRtp(flow.session.rtp, roc, plain), `${suite} at ROC ${roc}`);
      await peer.closeSession(id);
    }
  }
});
