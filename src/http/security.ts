/**
 * What protects the interface while it has no access control: it listens on loopback alone, answers only to loopback
 * names (a web page elsewhere can point a name of its own at 127.0.0.1), and takes no orders from other sites' pages.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** For an address without brackets. */
export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** The server was told to listen where anybody could reach it. The message says what to do. */
export class ListenRefused extends Error {
  override name = 'ListenRefused';
}

/** @throws ListenRefused unless every address of `host` is a loopback address. */
export async function requireLoopback(host: string): Promise<void> {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const addresses = isIP(bare) ? [bare] : (await lookup(bare, { all: true })).map((found) => found.address);
  if (addresses.length > 0 && addresses.every(isLoopbackAddress)) return;
  throw new ListenRefused(
    `HTTP will not listen on ${host}: without access control anybody who reaches it could hear calls and control them. ` +
      'Listen on 127.0.0.1 and put a reverse proxy that checks who asks in front of it.',
  );
}

/** Host header to name: `[::1]:80` to `::1`, `localhost:80` to `localhost`. */
function hostName(header: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header);
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || isLoopbackAddress(name);
}

function refuseForeign(request: FastifyRequest): void {
  const { host } = request.headers;
  if (host !== undefined && !isLoopbackName(hostName(host))) {
    throw new HttpProblem(
      421,
      'this server answers only to localhost while it has no access control; a reverse proxy in front of it has to send the Host header "localhost"',
    );
  }
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new HttpProblem(403, "a page of another site can't control this server");
  }
}

/** @param styleHash CSP source of the one style sheet of the page; without it there is no page. */
export function registerSecurity(app: FastifyInstance, styleHash?: string): void {
  const policy = [
    "default-src 'none'",
    ...(styleHash === undefined
      ? []
      : [`style-src '${styleHash}'`, "media-src 'self'", "img-src 'self'", "form-action 'self'"]),
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    refuseForeign(request);
  });
}
