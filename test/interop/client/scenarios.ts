/** Steps and findings that scenarios of recorded calls share. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recording } from '../../../src/store/recording.ts';
import type { Captured, CapturedRtp } from '../phones/capture.ts';
import type { Phone } from '../phones/phone.ts';
import { assertNoGaps, type Heard } from './heard.ts';
import type { World } from './world.ts';

/** Packets that were on their way when something happened. */
export const UNDER_WAY_MS = 60;
/** Of setting up or changing a recording session: what comes later than this is missing. */
export const SETTLES_WITHIN_MS = 500;
/** A sink that was paused goes on by the clock of arrival: by so much its packets may be elsewhere than their phone's clock has them. */
export const RESUMED_LOOSE_MS = 20;

export interface Recorded {
  heard: Heard[];
  sent: CapturedRtp[];
}

/** When a phone hung up, or was: its BYE on the wire, microseconds. */
export function byeAtUs(captured: Captured, phone: Phone): number {
  const bye = captured.sip.findLast(
    ({ method, status, fromPort, toPort }) =>
      method === 'BYE' && status === null && (fromPort === phone.sipPort || toPort === phone.sipPort),
  );
  assert.ok(bye, `there is no BYE of phone ${phone.dn}`);
  return bye.atUs;
}

export function sentBy(captured: Captured, phone: Phone, isSrtp = false): CapturedRtp[] {
  const sent = isSrtp ? captured.srtpFrom(phone.mediaPorts, phone.sipPort) : captured.rtpFrom(phone.mediaPorts);
  assert.ok(sent.length > 0, `phone ${phone.dn} has sent nothing`);
  return sent;
}

/** All that the phone has sent from its first packet to its BYE is there, but what `mayMiss` allows. */
export function assertEverything(
  { heard, sent }: Recorded,
  endUs: number,
  what: string,
  mayMiss: (packet: CapturedRtp) => boolean = () => false,
): void {
  assert.ok(heard.length > 0, `${what}: nothing of it is in the recording`);
  assert.equal(heard[0]!.index, 0, `${what}: the recording does not begin with the first packet`);
  assertNoGaps(heard, sent, what, mayMiss);
  assertToEnd(heard, sent, endUs, what);
}

export function assertToEnd(heard: readonly Heard[], sent: readonly CapturedRtp[], endUs: number, what: string): void {
  const last = sent.findLastIndex(({ atUs }) => atUs < endUs - UNDER_WAY_MS * 1000);
  const lastHeard = Math.max(...heard.map(({ index }) => index));
  assert.ok(lastHeard >= last, `${what}: ${last - lastHeard} packets before its end are missing`);
}

/** Nothing was lost on the way to the recorder. */
export function assertWhole({ streams, warnings, state }: Recording): void {
  assert.equal(state, 'complete');
  assert.deepEqual(
    warnings.filter((warning) => !/^SRTP keys came over (UDP|TCP) in the clear/.test(warning)),
    [],
  );
  for (const { label, packets } of streams) {
    const { lost, dropped, unauthenticated, duplicate } = packets;
    assert.deepEqual({ label, lost, dropped, unauthenticated, duplicate }, { label, ...NONE });
  }
}

const NONE = { lost: 0, dropped: 0, unauthenticated: 0, duplicate: 0 };

/** The other party got each packet since both were connected, once, as it was sent; how long the longest took, in milliseconds. */
export function assertDelivered(captured: Captured, from: Phone, to: Phone, endUs: number): { longestMs: number } {
  const arrived = Map.groupBy(captured.rtpTo(to.mediaPorts), ({ payload }) => payload.toString('latin1'));
  const connectedUs = captured.sip.find(
    ({ method, status, toPort }) =>
      method === 'INVITE' && status === 200 && [from.sipPort, to.sipPort].includes(toPort),
  )!.atUs;
  let longestMs = 0;
  for (const [index, { payload, atUs }] of sentBy(captured, from).entries()) {
    if (atUs <= connectedUs || atUs >= endUs - UNDER_WAY_MS * 1000) continue;
    const copies = arrived.get(payload.toString('latin1')) ?? [];
    assert.equal(copies.length, 1, `packet ${index} of ${from.dn} came ${copies.length} times to ${to.dn}`);
    longestMs = Math.max(longestMs, (copies[0]!.atUs - atUs) / 1000);
  }
  return { longestMs };
}

/** Both parties of a finished call in one recording of it. */
export async function bothRecorded(
  world: World,
  phones: [Phone, Phone],
  { isSrtp = false, looseMs = 0 }: { isSrtp?: boolean; looseMs?: number } = {},
) {
  const [recording] = (await world.recordings(phones[0].dn, 1)) as [Recording];
  const captured = await world.captured();
  const recorded = phones.map((phone): Recorded => {
    const sent = sentBy(captured, phone, isSrtp);
    return { sent, heard: world.heard(recording, phone.dn, sent, 0, looseMs) };
  }) as [Recorded, Recorded];
  return { recording, captured, recorded, endUs: byeAtUs(captured, phones[0]) };
}

/** When a recording was paused, microseconds: the pause was asked for and confirmed, and the resume was asked for. */
export interface Pause {
  askedUs: number;
  pausedUs: number;
  resumeUs: number;
}

/** Pauses one recording of a call for a while; the others go on. */
export async function pauseFor(world: World, callId: string, recording: string, ms: number): Promise<Pause> {
  const askedUs = Date.now() * 1000;
  await world.client.pause(callId, { recording });
  const pausedUs = Date.now() * 1000;
  await delay(ms);
  const resumeUs = Date.now() * 1000;
  await world.client.resume(callId, { recording });
  return { askedUs, pausedUs, resumeUs };
}

/** Everything but what was said in the pause, of which there is nothing. */
export function assertEverythingBut(pause: Pause, recorded: Recorded, endUs: number, what: string): void {
  const { askedUs, pausedUs, resumeUs } = pause;
  assertEverything(
    ...[recorded, endUs, what],
    ({ atUs }) => atUs > askedUs && atUs < resumeUs + SETTLES_WITHIN_MS * 1000,
  );
  const within = recorded.heard.filter(
    ({ packet: { atUs } }) => atUs > pausedUs && atUs < resumeUs - UNDER_WAY_MS * 1000,
  );
  assert.equal(within.length, 0);
}
