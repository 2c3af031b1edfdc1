/** Who calls, and whom a number reaches, by the configuration: extensions that have proved who they are, and trunks by where they call from. */
import { isIP } from 'node:net';
import { type IncomingInvite, parseSipUri, type SipAnswer, unescapeUri } from '../../sip/index.ts';
import type { ClientConfig, ExtensionConfig, TrunkConfig } from '../config/types.ts';
import type { Plan } from './call-setup.ts';
import type { Target } from './dialling.ts';
import type { PartyIdentity } from './leg.ts';
import type { Registrar } from './registrar.ts';
import { type Numbers, routeOf } from './routing.ts';

/** How long a phone may ring when it is not forwarded. */
const RING_MS = 120_000;

export class Parties {
  readonly #config: ClientConfig;
  readonly #numbers: Numbers;
  readonly #registrar: Pick<Registrar, 'authenticate' | 'bindings'>;
  readonly #now: () => number;
  /** Trunks by the addresses that call from there. */
  readonly #sources = new Map<string, TrunkConfig>();

  constructor(config: ClientConfig, registrar: Pick<Registrar, 'authenticate' | 'bindings'>, now: () => number) {
    this.#config = config;
    const { trunks, dialPlan } = config;
    this.#numbers = { trunks, dialPlan, extensions: new Map(config.extensions.map((one) => [one.dn, one])) };
    this.#registrar = registrar;
    this.#now = now;
    for (const trunk of config.trunks) {
      const hosts = trunk.targets.map((target) => parseSipUri(target).host).filter((host) => isIP(host) > 0);
      for (const address of [...trunk.sources, ...hosts]) this.#sources.set(address, trunk);
    }
  }

  /** An extension that says so in From has to prove it, wherever it calls from. */
  caller(invite: IncomingInvite): { party: PartyIdentity } | { refuse: SipAnswer } {
    const { request, source } = invite;
    const user = unescapeUri(parseSipUri(request.from?.uri ?? '').user);
    const { extensions } = this.#numbers;
    const trunk = extensions.has(user) ? undefined : this.#sources.get(source.address);
    if (trunk) return { party: outside(trunk, user, request.from?.display ?? '', this.#host) };
    const proof = this.#registrar.authenticate(request, source, this.#now());
    if ('refuse' in proof) return proof;
    const extension = extensions.get(proof.dn);
    return extension ? { party: this.#inside(extension) } : { refuse: { status: 403, reason: 'Forbidden' } };
  }

  /** Null: the number leads nowhere. */
  plan(number: string): Plan | null {
    const route = routeOf(number, this.#numbers);
    if (route.kind === 'none') return null;
    if (route.kind === 'trunk') {
      const { trunk } = route;
      const party = outside(trunk, route.number, '', this.#host);
      return { party, to: party.aor, targets: trunkTargets(trunk, route.number), onBusy: null, onNoAnswer: null };
    }
    const { extension } = route;
    const { busy, noAnswer, afterSec } = extension.forward;
    const contacts = this.#registrar
      .bindings(extension.dn, this.#now())
      .map(({ contact, nextHop }) => ({ uri: contact, nextHop }));
    const withinMs = noAnswer === null ? RING_MS : afterSec * 1_000;
    const target: Target = { contacts, withinMs, aliveWithinMs: withinMs };
    const party = this.#inside(extension);
    return { party, to: party.aor, targets: contacts.length > 0 ? [target] : [], onBusy: busy, onNoAnswer: noAnswer };
  }

  /** For From headers. */
  nameAddr({ name, aor }: PartyIdentity): string {
    return name === '' ? `<${aor}>` : `"${name.replace(/["\\\r\n]/g, '')}" <${aor}>`;
  }

  numberOf({ dn, aor }: PartyIdentity): string {
    return dn ?? unescapeUri(parseSipUri(aor).user);
  }

  get #host(): string {
    const { address } = this.#config.media;
    return address.includes(':') ? `[${address}]` : address;
  }

  #inside({ dn, name, agentId, srtp }: ExtensionConfig): PartyIdentity {
    return { aor: `sip:${dn}@${this.#host}`, name, dn, trunk: null, agentId, srtp };
  }
}

function outside({ name, srtp }: TrunkConfig, user: string, display: string, host: string): PartyIdentity {
  return { aor: `sip:${user || 'anonymous'}@${host}`, name: display, dn: null, trunk: name, agentId: null, srtp };
}

function trunkTargets({ targets, credentials, tryNextAfterSec }: TrunkConfig, number: string): Target[] {
  return targets.map((target) => {
    const uri = withUser(target, number);
    const contact = credentials ? { uri, credentials } : { uri };
    return { contacts: [contact], withinMs: RING_MS, aliveWithinMs: tryNextAfterSec * 1_000 };
  });
}

/** `sip:192.0.2.1;transport=tcp` to `sip:NUMBER@192.0.2.1;transport=tcp`. */
function withUser(target: string, number: string): string {
  const colon = target.indexOf(':');
  const rest = target.slice(colon + 1);
  const at = rest.indexOf('@');
  return `${target.slice(0, colon)}:${encodeURIComponent(number).replace(/%2B/g, '+')}@${at < 0 ? rest : rest.slice(at + 1)}`;
}
