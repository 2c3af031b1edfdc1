/** docs/cti.md is a conversation with a link: here it is held. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { SwitchEvent } from '../../../src/client/switch/call-control.ts';
import { CALL_EVENTS, ERROR_CODES, REQUESTS } from '../../../src/cti/index.ts';
import { FakeSwitch } from './fake-switch.ts';
import { type CtiPeer, type Message, type Rig, startRig } from './rig.ts';

const PAGE = readFileSync(path.join(import.meta.dirname, '../../../docs/cti.md'), 'utf8');
const CALL_ID = '0190a1b2-c3d4-4e5f-8a6b-7c8d9e0f1a2b';

interface Block {
  who: 'client' | 'server' | 'switch';
  text: string;
}

function blocks(): Block[] {
  const found = PAGE.matchAll(/```(json client|json server|switch)\n([^`]*)```/g);
  return Array.from(found, ([, who, text]) => ({ who: who!.replace('json ', '') as Block['who'], text: text! }));
}

/** The page's LinkID stands for that of the link. */
class Conversation {
  readonly rig: Rig;
  peer: CtiPeer;
  #linkId = '';
  readonly #pageLinkId: string;
  readonly sent = new Set<string>();
  readonly got = new Set<string>();

  constructor(rig: Rig, peer: CtiPeer, pageLinkId: string) {
    this.rig = rig;
    this.peer = peer;
    this.#pageLinkId = pageLinkId;
  }

  send(text: string): void {
    const request = JSON.parse(text) as Message;
    this.sent.add(request.message);
    this.peer.send(text.replaceAll(this.#pageLinkId, this.#linkId));
  }

  /** `"...": ""` stands for attributes that are not shown. */
  async expect(text: string): Promise<void> {
    const { '...': isPart, ...shown } = JSON.parse(text) as Message;
    const got = await this.peer.next();
    this.got.add(got.message);
    if (got.message === 'EventLinkConnected') {
      this.#linkId = String(got.LinkID);
      got.LinkID = this.#pageLinkId;
    }
    const told = isPart === undefined ? got : Object.fromEntries(Object.entries(got).filter(([name]) => name in shown));
    assert.deepEqual(told, shown, text);
  }

  async happens(line: string): Promise<void> {
    const { switch: fake } = this.rig;
    const [what = '', ...args] = line.split(' ');
    if (what === 'call') {
      const [from = '', to = '', agent = ''] = args;
      const sipCallIds = ['a@switch.example.com', 'b@switch.example.com'];
      fake.newCall({ id: CALL_ID, from, to, sipCallIds, agents: { [to]: agent } });
    } else if (what === 'skip') {
      for (const event of await this.peer.take(Number(args[0]))) {
        assert.equal(event.message, 'EventAttachedDataChanged');
      }
    } else if (what === 'reconnect') {
      this.peer.drop();
      await this.peer.closed;
    } else {
      const [dn = '', thirdDn = null, previousConnId = null] = args;
      if (what === 'established') fake.setState(CALL_ID, 'established');
      const cause = what === 'released' ? 'BYE' : null;
      fake.happens(what as SwitchEvent['type'], CALL_ID, dn, { thirdDn, previousConnId, cause });
    }
  }
}

test('the page’s examples: every message is as it says, in its order', async (t) => {
  const rig = await startRig(t, { fake: new FakeSwitch(), host: 'switch1' });
  const all = blocks();
  assert.ok(all.length > 60, 'the reader of the page sees its examples');
  const pageLinkId = /"LinkID": "([0-9a-f-]{36})"/.exec(PAGE)![1]!;
  const talk = new Conversation(rig, await rig.connect(), pageLinkId);
  for (const { who, text } of all) {
    if (who === 'client') talk.send(text);
    else if (who === 'server') await talk.expect(text);
    else {
      const lines = text.trim().split('\n');
      for (const line of lines) await talk.happens(line);
      if (lines.includes('reconnect')) talk.peer = await rig.connect();
    }
  }
  assert.deepEqual([...talk.sent].sort(), [...REQUESTS].sort(), 'every request is shown');
  const events = new Set([...Object.values(CALL_EVENTS), 'EventLinkConnected', 'EventPartyInfo', 'EventACK']);
  for (const name of [...events, 'EventRegistered', 'EventUnregistered', 'EventError']) {
    assert.ok(talk.got.has(name), `${name} is shown`);
  }
  assert.equal(talk.peer.received.length, 2, 'nothing that the page does not tell');
});

test('the page’s table of errors is the program’s', () => {
  const rows = PAGE.matchAll(/^\| (\d+) \| `([a-z-]+)` \|/gm);
  const table = Object.fromEntries(Array.from(rows, ([, code, word]) => [word, Number(code)]));
  assert.deepEqual(table, { ...ERROR_CODES });
});
