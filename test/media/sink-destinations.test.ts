/** Where a sink goes that follows a stream, and when it waits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressBytes } from '../../src/media/address.ts';
import { SinkDestinations } from '../../src/media/sink-destinations.ts';
import { Rig, rtp } from './rig.ts';

const SINK = { stream: 0, via: 1, clockRate: 8000, payloadTypes: [], paused: false, isSrtp: false };

/** A stream, and a party that a sink of it follows. */
class Followed {
  readonly rig = new Rig();
  readonly destinations: SinkDestinations;
  /** As the sockets were told. */
  sentTo: string | null = null;
  #seq = 0;

  constructor(party: Parameters<Rig['open']>[1]) {
    this.rig.open(1, party);
    const openSink = (_sink: number, _via: number, address: string, port: number) => {
      this.sentTo = `${address} ${port}`;
    };
    const closeSink = () => {
      this.sentTo = null;
    };
    this.destinations = new SinkDestinations(this.rig.core, { openSink, closeSink });
    this.rig.core.sinks.write(0, { ...SINK, ssrc: 1, firstSeq: 0, firstTimestamp: 0 });
    this.rig.core.wasm.openSink(0);
    this.destinations.open(0, 1, 'learned');
  }

  speak(address: string, port: number): void {
    this.rig.rtp(rtp({ seq: ++this.#seq }), this.#seq * 1000, { address, port }, 1);
    this.destinations.follow();
  }

  /** What a packet of the stream comes to: sent, or counted. */
  replicate(): 'sent' | 'undirected' {
    const before = this.rig.core.sinks.counts(0).undirected;
    this.rig.rtp(rtp({ seq: ++this.#seq, timestamp: this.#seq * 160 }), this.#seq * 1000);
    const sent = this.rig.core.wasm.replicate(1, 1);
    assert.equal(this.rig.core.sinks.counts(0).undirected - before, 1 - sent);
    return sent === 1 ? 'sent' : 'undirected';
  }
}

const signalled = (address: string, rtpPort: number) => ({
  remote: { address: addressBytes(address), rtpPort, rtcpPort: rtpPort + 5 },
});

test('it waits for a source that is learned, and goes where that is', () => {
  for (const [address, text] of [
    ['198.51.100.4', '198.51.100.4'],
    ['2001:db8::7', '2001:db8:0:0:0:0:0:7'],
  ] as const) {
    const to = new Followed({ remote: null });
    assert.deepEqual([to.destinations.of(0), to.replicate()], [null, 'undirected']);
    to.speak(address, 40_000);
    assert.deepEqual(to.destinations.of(0), { address: text, rtpPort: 40_000, rtcpPort: 40_001 });
    assert.deepEqual([to.sentTo, to.replicate()], [`${text} 40000`, 'sent']);
  }
});

test('a signalled source is gone to at once, at the port that is heard', () => {
  const to = new Followed(signalled('198.51.100.4', 40_000));
  assert.deepEqual(to.destinations.of(0), { address: '198.51.100.4', rtpPort: 40_000, rtcpPort: 40_005 });
  assert.equal(to.replicate(), 'sent');
  to.speak('198.51.100.9', 41_000);
  assert.equal(to.sentTo, '198.51.100.4 40000', 'a stranger moves nothing');
  to.speak('198.51.100.4', 42_000);
  assert.deepEqual(to.destinations.of(0), { address: '198.51.100.4', rtpPort: 42_000, rtcpPort: 42_001 });
  to.speak('198.51.100.4', 40_000);
  assert.equal(to.destinations.of(0)?.rtcpPort, 40_005);
});

test('on hold, to nobody’s address or to no port, it waits', () => {
  for (const hold of [signalled('0.0.0.0', 40_000), signalled('198.51.100.4', 0)]) {
    const to = new Followed(signalled('198.51.100.4', 40_000));
    const state = { recording: 0, index: 1, clockRate: 8000, ownSsrc: 1, rtcpMux: false, isSrtp: false };
    to.rig.core.memory.updateStream(1, { ...state, ...hold });
    to.destinations.followAll();
    assert.deepEqual([to.destinations.of(0), to.sentTo, to.replicate()], [null, null, 'undirected']);
    to.rig.core.memory.updateStream(1, { ...state, ...signalled('198.51.100.5', 40_000) });
    to.destinations.followAll();
    assert.deepEqual([to.sentTo, to.replicate()], ['198.51.100.5 40000', 'sent']);
  }
});

test('RTCP goes to the one port there is with rtcp-mux, and nowhere behind the last port', () => {
  const muxed = new Followed({ remote: null, rtcpMux: true });
  muxed.speak('198.51.100.4', 65_535);
  assert.deepEqual(muxed.destinations.of(0), { address: '198.51.100.4', rtpPort: 65_535, rtcpPort: 65_535 });
  const last = new Followed({ remote: null });
  last.speak('198.51.100.4', 65_535);
  assert.deepEqual(last.destinations.of(0), { address: '198.51.100.4', rtpPort: 65_535 });
});
