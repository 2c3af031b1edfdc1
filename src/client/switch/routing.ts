/** Whom a dialled number reaches: the dial plan first, then the extensions. */
import type { ClientConfig, DialRule, ExtensionConfig, TrunkConfig } from '../config/types.ts';

export type Route =
  | { kind: 'extension'; extension: ExtensionConfig; number: string }
  | { kind: 'trunk'; trunk: TrunkConfig; number: string }
  | { kind: 'none' };

export interface Numbers extends Pick<ClientConfig, 'trunks' | 'dialPlan'> {
  /** By DN. */
  extensions: ReadonlyMap<string, ExtensionConfig>;
}

export function routeOf(dialled: string, { extensions, trunks, dialPlan }: Numbers): Route {
  for (const rule of dialPlan) {
    const match = rule.match.exec(dialled);
    if (!match) continue;
    const number = rewritten(rule, match);
    const trunk = trunks.find(({ name }) => name === rule.trunk);
    return trunk ? { kind: 'trunk', trunk, number } : toExtension(number, extensions);
  }
  return toExtension(dialled, extensions);
}

function toExtension(number: string, extensions: Numbers['extensions']): Route {
  const extension = extensions.get(number);
  return extension ? { kind: 'extension', extension, number } : { kind: 'none' };
}

function rewritten({ number }: DialRule, match: RegExpExecArray): string {
  return number === null ? match[0] : number.replace(/\$(\d)/g, (_, n: string) => match[Number(n)] ?? '');
}
