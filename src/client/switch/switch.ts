/**
 * The switch: registrar and back-to-back user agent between extensions and trunks. It decides with every call who is recorded, and has the media
 * of those calls brought to the media server.
 */

import type { Sdp } from '../../sdp/index.ts';
import type { IncomingInvite, SipAnswer, SipEndpoint, SipRequest, SipSource } from '../../sip/index.ts';
import { parseSipUri, unescapeUri } from '../../sip/index.ts';
import type { ClientConfig } from '../config/types.ts';
import type { Anchor } from '../media-server/anchor.ts';
import type { CallView, RegistrationView, SwitchEvent } from './call-control.ts';
import { CallNotFound } from './call-control.ts';
import { CallRecording, type CallRecordingOptions } from './call-recording.ts';
import { CallSetup, type Plan } from './call-setup.ts';
import { Conversation } from './conversation.ts';
import { Dialling } from './dialling.ts';
import type { GuestsOptions } from './guests.ts';
import { Leg } from './leg.ts';
import { Parties } from './parties.ts';
import type { Registrar } from './registrar.ts';
import { Transfer } from './transfer.ts';

export interface SwitchLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface SwitchOptions {
  config: ClientConfig;
  endpoint: Pick<SipEndpoint, 'invite'>;
  registrar: Pick<Registrar, 'register' | 'authenticate' | 'bindings' | 'view'>;
  recording: Omit<CallRecordingOptions, 'endpoint' | 'policy' | 'onChange' | 'onMandatory'>;
  openAnchor(): Promise<Anchor>;
  /** Milliseconds since 1970. */
  now(): number;
  log: SwitchLog;
}

type Listener = (event: SwitchEvent) => void;

export class Switch {
  readonly #options: SwitchOptions;
  readonly #recording: CallRecording;
  readonly #calls = new Map<string, Conversation>();
  readonly #listeners = new Set<Listener>();
  #parties: Parties;
  #config: ClientConfig;
  #isDraining = false;

  constructor(options: SwitchOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#parties = new Parties(options.config, options.registrar, options.now);
    this.#recording = new CallRecording({
      ...options.recording,
      endpoint: options.endpoint,
      policy: () => this.#config.recording,
      onChange: (conversation, recording) => this.#onRecording(conversation, recording),
      onMandatory: (conversation) => conversation.end('recording is mandatory, and nobody records'),
    });
  }

  get recording(): CallRecording {
    return this.#recording;
  }

  get conversations(): Iterable<Conversation> {
    return this.#calls.values();
  }

  get size(): number {
    return this.#calls.size;
  }

  reload(config: ClientConfig): void {
    this.#config = config;
    this.#parties = new Parties(config, this.#options.registrar, this.#options.now);
    this.#recording.reload(config);
  }

  /** No new calls from now on. */
  drain(): void {
    this.#isDraining = true;
  }

  onRequest(request: SipRequest, source: SipSource): SipAnswer {
    if (request.method === 'REGISTER') return this.#options.registrar.register(request, source, this.#options.now());
    return { status: 405, reason: 'Method Not Allowed' };
  }

  onInvite(invite: IncomingInvite): void {
    this.#take(invite).catch((error: unknown) => {
      this.#options.log.error({ err: error, callId: invite.request.callId }, 'a call could not be set up');
      if (!invite.answered) invite.reject({ status: 500 });
    });
  }

  /** By conversation id, CallUUID or ConnID; one that has ended, too, while its past is kept. @throws CallNotFound */
  find(id: string): Conversation {
    const dashless = id.replaceAll('-', '');
    for (const call of [...this.#calls.values(), ...this.#recording.kept()]) {
      if (call.id === id || call.connId === id || call.id.replaceAll('-', '') === dashless) return call;
    }
    throw new CallNotFound(`there is no call ${id}: GET /api/v1/calls lists those that there are`);
  }

  callsOf(dn: string): CallView[] {
    return [...this.#calls.values()]
      .filter(({ legs }) => legs.some(({ party }) => party.dn === dn))
      .map((call) => call.callView());
  }

  registrations(): RegistrationView[] {
    return this.#options.registrar.view(this.#options.now());
  }

  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  maySupervise(supervisorDn: string, targetDn: string): boolean {
    const allowed = this.#config.extensions.find(({ dn }) => dn === supervisorDn)?.supervises ?? [];
    return allowed.includes('*') || allowed.includes(targetDn);
  }

  guestsOptions(): GuestsOptions {
    return {
      callOf: (dn) => this.#callOf(dn),
      maySupervise: (supervisorDn, targetDn) => this.maySupervise(supervisorDn, targetDn),
      dial: (number, prepare) => {
        const plan = this.#parties.plan(number);
        return plan && plan.targets.length > 0
          ? dial(this.#options.endpoint, { plan, from: `<${plan.to}>` }, prepare)
          : null;
      },
      log: this.#options.log,
    };
  }

  #callOf(dn: string): Conversation | null {
    const answered = [...this.#calls.values()].filter(({ state }) => state === 'established' || state === 'held');
    return answered.find(({ legs }) => legs.some(({ party }) => party.dn === dn)) ?? null;
  }

  attach(id: string, data: Record<string, string | null>): void {
    const call = this.find(id);
    for (const [key, value] of Object.entries(data)) {
      if (value === null) call.userData.delete(key);
      else call.userData.set(key, value);
    }
    for (const leg of call.legs) call.tell('data-changed', leg, { changed: data });
    call.recordings?.update();
  }

  async #take(invite: IncomingInvite): Promise<void> {
    const maxForwards = invite.request.maxForwards - 1;
    if (this.#isDraining) return invite.reject({ status: 503, headers: [['Retry-After', '30']] });
    const caller = this.#parties.caller(invite);
    if ('refuse' in caller) return invite.reject(caller.refuse);
    if (invite.replaces) return await this.#pickUp(invite, new Leg(caller.party));
    const dialled = unescapeUri(parseSipUri(invite.request.uri).user);
    const plan = this.#parties.plan(dialled);
    if (!plan) return invite.reject({ status: 404, reason: 'Not Found' });
    await this.#connect(invite, new Leg(caller.party), { dialled, plan, maxForwards });
  }

  async #connect(
    invite: IncomingInvite,
    leg: Leg,
    { dialled, plan, maxForwards }: { dialled: string; plan: Plan; maxForwards: number },
  ): Promise<void> {
    const ani = this.#parties.numberOf(leg.party);
    const conversation = this.#conversation(ani, dialled);
    this.#calls.set(conversation.id, conversation);
    const decision = await this.#recording.decide(conversation, invite, leg.party, plan.party, dialled);
    const refusal = this.#recording.refusalOf(decision);
    if (refusal || invite.answered) return this.#refuse(conversation, invite, refusal);
    const isOfferless = invite.request.body.length === 0;
    const isHere = this.#config.media.anchor === 'always' || isOfferless || this.#recording.needsMedia(decision);
    if (isHere) {
      try {
        const path = await conversation.anchorFirst();
        path.join(leg, path.anchor.ends[0]!);
      } catch (error) {
        this.#options.log.warn({ reason: String(error) }, 'no media can be anchored');
        if (isOfferless || decision.mandatory) return this.#refuse(conversation, invite, { status: 503 });
      }
    }
    const setup = new CallSetup({
      ...{ endpoint: this.#options.endpoint, conversation, invite, caller: leg, maxForwards },
      from: this.#parties.nameAddr(leg.party),
      planFor: (number) => this.#parties.plan(number),
      setTimer,
    });
    const called = await setup.run(plan);
    if (called && !conversation.isOver) this.#recording.begin(conversation, decision);
  }

  #refuse(conversation: Conversation, invite: IncomingInvite, refusal: SipAnswer | null): void {
    conversation.end(refusal?.reason ?? 'refused');
    if (!invite.answered) invite.reject(refusal ?? { status: 500 });
  }

  /** An INVITE with Replaces (RFC 3891): whoever calls takes the place of a party. */
  async #pickUp(invite: IncomingInvite, leg: Leg): Promise<void> {
    const found = this.#legOf((one) => one.session === invite.replaces);
    const stays = found?.conversation.other(found.leg);
    if (!found || !stays?.session || invite.request.body.length === 0) return invite.reject({ status: 481 });
    const { conversation, leg: gone } = found;
    const place = conversation.legs[0] === gone ? 0 : 1;
    const session = await conversation.takeIn(invite, leg, gone);
    leg.session = session;
    conversation.replace(place, leg, null);
    await conversation.agreeAgain(stays).catch(() => {});
    this.#recording.moved(conversation, place, null);
  }

  #conversation(ani: string, dnis: string): Conversation {
    const { now, openAnchor, log } = this.#options;
    return new Conversation({
      ...{ ani, dnis, now, openAnchor, log },
      onRequest: (conversation, leg, request) => this.#onPartyRequest(conversation, leg, request),
      onPreference: (conversation, before) => this.#recording.onPreference(conversation, before),
      onEnded: (conversation, cause) => this.#onEnded(conversation, cause),
      emit: (event, conversation) => {
        if (this.#listeners.size > 0) this.#emit({ ...event, atMs: now(), call: conversation.callView() });
      },
    });
  }

  #onPartyRequest(conversation: Conversation, leg: Leg, request: SipRequest): SipAnswer {
    if (request.method === 'NOTIFY') return { status: 200 };
    if (request.method !== 'REFER') return { status: 405, reason: 'Method Not Allowed' };
    const transfer = new Transfer(
      {
        ...{ setTimer, log: this.#options.log },
        legOf: ({ callId, toTag, fromTag }) =>
          this.#legOf(
            ({ session }) => session?.callId === callId && session.localTag === toTag && session.remoteTag === fromTag,
          ),
        dial: (number, stays, prepare) => this.#dialFor(number, stays, prepare),
        onDone: (moved, place, from) => this.#recording.moved(moved, place, from),
      },
      conversation,
      leg,
    );
    return transfer.begin(request);
  }

  #dialFor(number: string, stays: Leg, prepare: (leg: Leg) => Promise<Sdp>): Dialling | null {
    const plan = this.#parties.plan(number);
    return plan && dial(this.#options.endpoint, { plan, from: this.#parties.nameAddr(stays.party) }, prepare);
  }

  #legOf(is: (leg: Leg) => boolean): { conversation: Conversation; leg: Leg } | null {
    for (const conversation of this.#calls.values()) {
      const leg = conversation.legs.find(is);
      if (leg) return { conversation, leg };
    }
    return null;
  }

  #onEnded(conversation: Conversation, cause: string): void {
    this.#calls.delete(conversation.id);
    this.#recording.end(conversation, cause);
  }

  #onRecording(conversation: Conversation, recording: NonNullable<SwitchEvent['recording']>): void {
    for (const leg of conversation.legs) conversation.tell('recording', leg, { recording });
  }

  #emit(event: SwitchEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#options.log.error({ err: error }, 'a listener failed');
      }
    }
  }
}

function dial(
  endpoint: SwitchOptions['endpoint'],
  { plan, from }: { plan: Plan; from: string },
  prepare: (leg: Leg) => Promise<Sdp>,
): Dialling {
  return new Dialling({
    ...{ endpoint, targets: plan.targets, setTimer },
    leg: async () => {
      const leg = new Leg(plan.party);
      return { leg, offer: await prepare(leg) };
    },
    invite: { from, to: plan.to },
    onProgress: () => {},
  });
}

function setTimer(inMs: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.min(inMs, 0x7fff_ffff));
  return () => clearTimeout(timer);
}
