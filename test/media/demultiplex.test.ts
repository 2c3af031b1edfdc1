/** Streams that share ports, against a model that knows who was linked last, and from where. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressBytes } from '../../src/media/address.ts';
import { Rig, rtp, STATUS, senderReport } from './rig.ts';

const HOSTS = [0, 1];
const FIRST_MEMBER = 2;
const MEMBERS = 6;
const NOBODY = { address: addressBytes('0.0.0.0'), rtpPort: 0, rtcpPort: 0 };
const ADDRESSES = ['192.0.2.1', '2001:db8::1'];
const PORTS = [5000, 5002];
const SSRCS = [7, 8];

interface Member {
  host: number;
  address: string;
  rtpPort: number;
  ssrc: number | null;
  rtcpMux: boolean;
}

const place = {
  host: fc.constantFrom(...HOSTS),
  address: fc.constantFrom(...ADDRESSES),
  rtpPort: fc.constantFrom(...PORTS),
};
const member = fc.constantFrom(...Array.from({ length: MEMBERS }, (_, n) => FIRST_MEMBER + n));
const command = fc.oneof(
  fc.record({
    do: fc.constant('link' as const),
    member,
    setup: fc.record({
      ...place,
      ssrc: fc.option(fc.constantFrom(...SSRCS)),
      rtcpMux: fc.boolean(),
    }),
  }),
  fc.record({ do: fc.constant('unlink' as const), member }),
  fc.record({ do: fc.constant('rtp' as const), ...place, ssrc: fc.constantFrom(...SSRCS, 9) }),
  fc.record({ do: fc.constant('rtcp' as const), ...place, ssrc: fc.constantFrom(...SSRCS, 9), isMuxed: fc.boolean() }),
);

/** The newest first. */
class Model {
  readonly #linked: { stream: number; setup: Member }[] = [];

  link(stream: number, setup: Member): void {
    this.#linked.unshift({ stream, setup });
  }

  unlink(stream: number): void {
    const at = this.#linked.findIndex((one) => one.stream === stream);
    if (at >= 0) this.#linked.splice(at, 1);
  }

  find(from: Omit<Member, 'rtcpMux'>, isOnRtcpPort: boolean): number | undefined {
    const fits = ({ setup }: { setup: Member }, ssrc: number | null) =>
      setup.host === from.host &&
      setup.address === from.address &&
      setup.rtpPort === from.rtpPort &&
      setup.ssrc === ssrc &&
      !(isOnRtcpPort && setup.rtcpMux);
    const found = this.#linked.find((one) => fits(one, from.ssrc)) ?? this.#linked.find((one) => fits(one, null));
    return found?.stream;
  }
}

test('a packet is its stream’s by port, source and signalled SSRC, whatever was opened, changed and closed before', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const rig = new Rig();
      const { memory, wasm } = rig.core;
      for (const host of HOSTS) rig.open(host, { isSharedPort: true, remote: NOBODY });
      const model = new Model();
      let seq = 0;
      const unlink = (stream: number) => {
        wasm.unlinkSource(stream);
        model.unlink(stream);
      };
      for (const one of commands) {
        if (one.do === 'link') {
          const { host, address, rtpPort, ssrc, rtcpMux } = one.setup;
          unlink(one.member);
          const remote = { address: addressBytes(address), rtpPort, rtcpPort: rtpPort + 1 };
          rig.open(one.member, { host, remote, rtcpMux, signalledSsrc: ssrc });
          wasm.linkSource(one.member);
          model.link(one.member, one.setup);
        } else if (one.do === 'unlink') unlink(one.member);
        else {
          const isOnRtcpPort = one.do === 'rtcp' && !one.isMuxed;
          const expected = model.find(one, isOnRtcpPort);
          const before = expected === undefined ? null : memory.streamCounters(expected);
          const from = { address: one.address, port: one.rtpPort + (isOnRtcpPort ? 1 : 0) };
          const status =
            one.do === 'rtp'
              ? rig.rtp(rtp({ seq: seq++, ssrc: one.ssrc }), 0, from, one.host)
              : isOnRtcpPort
                ? rig.rtcp(senderReport(one.ssrc), 0, from, one.host)
                : rig.rtp(senderReport(one.ssrc), 0, from, one.host);
          if (expected === undefined) assert.equal(status, STATUS.unauthorised);
          else if (one.do === 'rtp') {
            assert.notEqual(status, STATUS.unauthorised);
            const after = memory.streamCounters(expected);
            assert.equal(after.received + after.duplicate, before!.received + before!.duplicate + 1);
          } else if (isOnRtcpPort) assert.equal(status, STATUS.rtcp);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test('who is nobody on a shared port is counted there, and datagrams too short to be anything do no harm', () => {
  const rig = new Rig();
  rig.open(0, { isSharedPort: true, remote: NOBODY });
  rig.open(1, { host: 0, remote: { address: addressBytes('192.0.2.1'), rtpPort: 5000, rtcpPort: 5001 } });
  rig.core.wasm.linkSource(1);
  const from = { address: '192.0.2.1', port: 5000 };
  for (let length = 1; length < 12; length++) {
    assert.equal(rig.rtp(rtp().subarray(0, length), 0, from), STATUS.invalid, `${length} octets`);
  }
  assert.equal(rig.rtp(rtp(), 0, { ...from, port: 5001 }), STATUS.unauthorised);
  assert.equal(rig.rtp(rtp(), 0, { ...from, address: '192.0.2.2' }), STATUS.unauthorised);
  assert.equal(rig.core.memory.streamCounters(0).unauthorised, 2);
  assert.equal(rig.core.memory.streamCounters(1).invalid, 11);
});
