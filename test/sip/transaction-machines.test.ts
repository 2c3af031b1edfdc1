/** The four transaction machines on a bare clock: when they send, when they give up, when they end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InviteClientMachine, NonInviteClientMachine } from '../../src/sip/transaction/client-machines.ts';
import type { Output } from '../../src/sip/transaction/machine.ts';
import { InviteServerMachine, NonInviteServerMachine } from '../../src/sip/transaction/server-machines.ts';

interface Machine {
  deadline: number;
  onDeadline(now: number): readonly Output[];
}

/** What the machine does by itself: time and outputs of each deadline. */
function run(machine: Machine, until = Infinity): string[] {
  const log: string[] = [];
  while (machine.deadline < until && log.length < 50) {
    const now = machine.deadline;
    log.push(`${now} ${machine.onDeadline(now).join('+')}`);
  }
  return log;
}

test('RFC 3261 17.1.1.2: INVITE client over UDP: timer A doubles without cap, timer B at 64*T1', () => {
  assert.deepEqual(run(new InviteClientMachine(0, false)), [
    '500 send',
    '1500 send',
    '3500 send',
    '7500 send',
    '15500 send',
    '31500 send',
    '32000 timeout+terminated',
  ]);
});

test('RFC 3261 17.1.1.2: INVITE client over TCP: no timer A', () => {
  assert.deepEqual(run(new InviteClientMachine(0, true)), ['32000 timeout+terminated']);
});

test('RFC 3261 17.1.1.2: a provisional response ends retransmission and timer B', () => {
  const machine = new InviteClientMachine(0, false);
  assert.deepEqual(machine.onResponse(180, 100), ['deliver']);
  assert.deepEqual(run(machine), []);
});

test('RFC 3261 17.1.1.2: a non-2xx is acknowledged each time it comes, for timer D', () => {
  const machine = new InviteClientMachine(0, false);
  assert.deepEqual(machine.onResponse(486, 100), ['ack', 'deliver']);
  assert.deepEqual(machine.onResponse(486, 600), ['ack']);
  assert.deepEqual(machine.onResponse(200, 700), []);
  assert.deepEqual(run(machine), ['32100 terminated']);
  assert.deepEqual(machine.onResponse(486, 40_000), []);
});

test('RFC 3261 17.1.1.2: timer D is zero over TCP', () => {
  const machine = new InviteClientMachine(0, true);
  assert.deepEqual(machine.onResponse(486, 100), ['ack', 'deliver', 'terminated']);
});

test('RFC 6026 7.2: 2xx after 2xx goes to the user until timer M', () => {
  const machine = new InviteClientMachine(0, false);
  assert.deepEqual(machine.onResponse(200, 100), ['deliver']);
  assert.deepEqual(machine.onResponse(200, 600), ['deliver']);
  assert.deepEqual(machine.onResponse(486, 700), []);
  assert.deepEqual(machine.onResponse(180, 700), []);
  assert.deepEqual(run(machine), ['32100 terminated']);
});

test('RFC 3261 9.1: a cancelled INVITE that is never answered ends after 64*T1', () => {
  const machine = new InviteClientMachine(0, false);
  machine.onResponse(180, 100);
  machine.onCancelled(1_000);
  assert.deepEqual(run(machine), ['33000 timeout+terminated']);
});

test('RFC 3261 17.1.2.2: non-INVITE client: timer E doubles up to T2, timer F at 64*T1', () => {
  assert.deepEqual(run(new NonInviteClientMachine(0, false)), [
    '500 send',
    '1500 send',
    '3500 send',
    '7500 send',
    '11500 send',
    '15500 send',
    '19500 send',
    '23500 send',
    '27500 send',
    '31500 send',
    '32000 timeout+terminated',
  ]);
});

test('RFC 3261 17.1.2.2: in Proceeding timer E is T2', () => {
  const machine = new NonInviteClientMachine(0, false);
  assert.deepEqual(machine.onResponse(100, 400), ['deliver']);
  assert.deepEqual(run(machine, 9_000), ['500 send', '4500 send', '8500 send']);
});

test('RFC 3261 17.1.2.2: timer K is T4 over UDP and zero over TCP', () => {
  const udp = new NonInviteClientMachine(0, false);
  assert.deepEqual(udp.onResponse(200, 100), ['deliver']);
  assert.deepEqual(udp.onResponse(200, 200), []);
  assert.deepEqual(run(udp), ['5100 terminated']);
  assert.deepEqual(new NonInviteClientMachine(0, true).onResponse(200, 100), ['deliver', 'terminated']);
  assert.deepEqual(run(new NonInviteClientMachine(0, true)), ['32000 timeout+terminated']);
});

test('RFC 3261 17.2.1: 100 Trying within 200 ms, unless the user answers', () => {
  const machine = new InviteServerMachine(0, false);
  assert.deepEqual(machine.onRetransmission(), []);
  assert.deepEqual(run(machine), ['200 trying']);
  assert.deepEqual(machine.onRetransmission(), ['send']);
  const quick = new InviteServerMachine(0, false);
  assert.deepEqual(quick.onRespond(180, 50), ['send']);
  assert.deepEqual(run(quick), []);
});

test('RFC 3261 17.2.1: timer G doubles up to T2, timer H ends the wait for ACK', () => {
  const machine = new InviteServerMachine(0, false);
  assert.deepEqual(machine.onRespond(486, 0), ['send']);
  assert.deepEqual(run(machine), [
    '500 send',
    '1500 send',
    '3500 send',
    '7500 send',
    '11500 send',
    '15500 send',
    '19500 send',
    '23500 send',
    '27500 send',
    '31500 send',
    '32000 timeout+terminated',
  ]);
});

test('RFC 3261 17.2.1: no timer G over TCP; timer I is T4 over UDP and zero over TCP', () => {
  const tcp = new InviteServerMachine(0, true);
  tcp.onRespond(486, 0);
  assert.deepEqual(run(tcp), ['32000 timeout+terminated']);
  const acked = new InviteServerMachine(0, true);
  acked.onRespond(486, 0);
  assert.deepEqual(acked.onAck(100), ['terminated']);
  const udp = new InviteServerMachine(0, false);
  udp.onRespond(486, 0);
  assert.deepEqual(udp.onAck(100), []);
  assert.deepEqual(udp.onAck(200), []);
  assert.deepEqual(udp.onRetransmission(), []);
  assert.deepEqual(run(udp), ['5100 terminated']);
});

test('RFC 6026 7.1: Accepted absorbs the INVITE, passes 2xx on, and ends with timer L', () => {
  const machine = new InviteServerMachine(0, true);
  assert.deepEqual(machine.onRespond(200, 0), ['send']);
  assert.deepEqual(machine.onRetransmission(), []);
  assert.deepEqual(machine.onRespond(200, 500), ['send']);
  assert.deepEqual(machine.onRespond(486, 600), []);
  assert.deepEqual(machine.onAck(700), []);
  assert.deepEqual(run(machine), ['32000 terminated']);
});

test('RFC 3261 17.2.2: non-INVITE server: retransmissions get the last response, timer J ends it', () => {
  const machine = new NonInviteServerMachine(0, false);
  assert.deepEqual(machine.onRetransmission(), []);
  assert.deepEqual(machine.onRespond(100, 0), ['send']);
  assert.deepEqual(machine.onRetransmission(), ['send']);
  assert.deepEqual(machine.onRespond(200, 100), ['send']);
  assert.deepEqual(machine.onRespond(500, 200), []);
  assert.deepEqual(machine.onRetransmission(), ['send']);
  assert.deepEqual(run(machine), ['32100 terminated']);
  const tcp = new NonInviteServerMachine(0, true);
  tcp.onRespond(200, 100);
  assert.deepEqual(run(tcp), ['100 terminated']);
});

test('RFC 4320 4.1: a request that the user never answers is forgotten after 64*T1', () => {
  assert.deepEqual(run(new NonInviteServerMachine(0, false)), ['32000 terminated']);
});
