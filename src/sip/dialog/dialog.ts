/**
 * Dialog state (RFC 3261 12): tags, CSeq numbers, route set and remote target, for either role, and the requests that are
 * sent within it. A peer of RFC 2543 may have no tag; its tag is '' then.
 */
import {
  type HeaderList,
  parseNameAddr,
  parseSipUri,
  type RequestDraft,
  type SipBody,
  type SipRequest,
  type SipResponse,
  splitList,
  uriScheme,
} from '../message/index.ts';

/** What a dialog starts from; addresses and routes are byte strings as they stood in the messages. */
export interface DialogStart {
  callId: string;
  localTag: string;
  remoteTag: string;
  /** From value of our requests, with our tag. */
  localAddress: string;
  /** To value of our requests, with the peer's tag. */
  remoteAddress: string;
  localCSeq: number;
  remoteCSeq: number;
  routes: string[];
  remoteTarget: string;
  secure: boolean;
}

export class Dialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** RFC 3261 12.1: set up by a sips URI, so that nothing of it goes over anything but TLS. */
  readonly secure: boolean;
  #localCSeq: number;
  #remoteCSeq: number;
  #routes: readonly string[];
  #remoteTarget: string;

  constructor(start: DialogStart) {
    this.callId = start.callId;
    this.localTag = start.localTag;
    this.remoteTag = start.remoteTag;
    this.localAddress = start.localAddress;
    this.remoteAddress = start.remoteAddress;
    this.secure = start.secure;
    this.#localCSeq = start.localCSeq;
    this.#remoteCSeq = start.remoteCSeq;
    this.#routes = this.#asSecure(start.routes);
    this.#remoteTarget = start.remoteTarget;
  }

  /** RFC 3261 12.1.1: the dialog of a user agent server, from the request that it accepts. */
  static ofServer(request: SipRequest, localTag: string): Dialog {
    const to = request.rawHeader('to') ?? '';
    return new Dialog({
      callId: request.callId,
      localTag,
      remoteTag: request.fromTag,
      localAddress: request.toTag === '' ? `${to};tag=${localTag}` : to,
      remoteAddress: request.rawHeader('from') ?? '',
      localCSeq: 0,
      remoteCSeq: request.cseq.number,
      routes: routesOf(request),
      // An INVITE without Contact breaks RFC 3261 but not RFC 2543, where From names the peer.
      remoteTarget: request.contact?.uri ?? request.from.uri,
      secure: isSecure(request),
    });
  }

  /** RFC 3261 12.1.2: the dialog of a user agent client, from its request and a response with a To tag. */
  static ofClient(sent: RequestDraft, localTag: string, response: SipResponse): Dialog {
    return new Dialog({
      callId: sent.callId,
      localTag,
      remoteTag: response.toTag,
      localAddress: sent.from,
      remoteAddress: response.rawHeader('to') ?? sent.to,
      localCSeq: sent.cseq,
      remoteCSeq: -1,
      routes: routesOf(response).reverse(),
      remoteTarget: response.contact?.uri ?? sent.uri,
      secure: uriScheme(sent.uri) === 'sips',
    });
  }

  /** Where the next request is routed to: the first route, else the remote target. */
  get nextHop(): string {
    const first = this.#routes[0];
    return first === undefined ? this.#remoteTarget : (parseNameAddr(first)?.uri ?? this.#remoteTarget);
  }

  get remoteTarget(): string {
    return this.#remoteTarget;
  }

  get remoteCSeq(): number {
    return this.#remoteCSeq;
  }

  get hasRoutes(): boolean {
    return this.#routes.length > 0;
  }

  /** Number for the next request of ours; ACK and CANCEL use that of their INVITE instead. */
  nextCSeq(): number {
    return ++this.#localCSeq;
  }

  /**
   * Takes the CSeq of a request of the peer (12.2.2). False when it is below the last one: the request is out of order
   * and gets a 500.
   */
  acceptCSeq(number: number): boolean {
    if (number <= this.#remoteCSeq) return false;
    this.#remoteCSeq = number;
    return true;
  }

  /** RFC 5630 5.1.1: with a sips Request-URI, sip URIs in the route set become sips. */
  #asSecure(routes: string[]): string[] {
    return this.secure ? routes.map((route) => route.replace(/<sip:/i, '<sips:')) : routes;
  }

  /** Target refresh (12.2.1.2, 12.2.2): INVITE and UPDATE and their 2xx move the remote target. The route set stays. */
  refreshTarget(message: SipRequest | SipResponse): void {
    const uri = message.contact?.uri;
    if (uri !== undefined) this.#remoteTarget = uri;
  }

  /** The route set as the 2xx gives it, which counts more than that of an earlier provisional (13.2.2.4). */
  confirmRoutes(response: SipResponse): void {
    this.#routes = this.#asSecure(routesOf(response).reverse());
    this.refreshTarget(response);
  }

  /**
   * A request within the dialog (12.2.1.1). With a strict router first, the Request-URI is that router and the remote target
   * goes to the end of the Route list.
   */
  draft(method: string, cseq: number, headers: HeaderList, body: SipBody | null): RequestDraft {
    const first = this.#routes[0];
    const firstUri = first === undefined ? '' : (parseNameAddr(first)?.uri ?? '');
    const strict = firstUri !== '' && !parseSipUri(firstUri).params.has('lr');
    return {
      method,
      uri: strict ? stripForRequestUri(firstUri) : this.#remoteTarget,
      routes: strict ? [...this.#routes.slice(1), `<${this.#remoteTarget}>`] : this.#routes,
      from: this.localAddress,
      to: this.remoteAddress,
      callId: this.callId,
      cseq,
      headers,
      body,
    };
  }
}

function routesOf(message: SipRequest | SipResponse): string[] {
  const routes: string[] = [];
  for (const line of message.rawHeaders('record-route')) {
    for (const item of splitList(line)) if (parseNameAddr(item)) routes.push(item);
  }
  return routes;
}

/** RFC 3261 12.1.1: a sips URI as Request-URI, or as top Record-Route, or without any as Contact. */
function isSecure(request: SipRequest): boolean {
  const top = routesOf(request)[0];
  const other = top === undefined ? request.contact?.uri : parseNameAddr(top)?.uri;
  return uriScheme(request.uri) === 'sips' || uriScheme(other ?? '') === 'sips';
}

/** RFC 3261 12.2.1.1: what a Request-URI may not hold (headers, the method parameter) is stripped from a strict route. */
function stripForRequestUri(uri: string): string {
  const question = uri.indexOf('?', uri.lastIndexOf('@') + 1);
  return (question < 0 ? uri : uri.slice(0, question)).replace(/;method=[^;]*/i, '');
}

/** RFC 3261 12.1.1: a response that makes a dialog carries the Record-Route of its request. */
export function recordRoutes(request: SipRequest): [string, string][] {
  return request.headers('record-route').map((value) => ['Record-Route', value]);
}
