/**
 * Patterns of the configuration, which are run over what comes from the network: anchored at both ends, and only such whose worst
 * case is cheap. A backtracking matcher tries the ways to split a text among the repetitions; nothing that repeats may hold something
 * that can match in several ways, and the product of what is left is bounded.
 */

export const MAX_PATTERN_CHARACTERS = 256;
/** What is longer matches nothing: numbers, URIs and header values of calls are shorter. */
export const MAX_MATCHED_CHARACTERS = 256;
/** Ways to try; about a millisecond. */
const MAX_WAYS = 100_000;
/** Of a pattern whose counted repetitions are written out. */
const MAX_ATOMS = 10_000;

/** Why a pattern can't be taken. */
export class PatternRefused extends Error {
  override name = 'PatternRefused';
}

/** @throws PatternRefused */
export function compilePattern(source: string): RegExp {
  if (source.length > MAX_PATTERN_CHARACTERS) {
    throw new PatternRefused(`a pattern of ${source.length} characters, more than ${MAX_PATTERN_CHARACTERS}`);
  }
  let pattern: RegExp;
  try {
    new RegExp(source, 'u'); // on its own first: "a)(b" is no pattern, though it is one inside of a group
    pattern = new RegExp(`^(?:${source})$`, 'u');
    pattern.test(''); // one that is too large says so only when it is used
  } catch (error) {
    throw new PatternRefused((error as Error).message.replace(/^Invalid regular expression: /, 'no pattern: '));
  }
  const ways = new WayCount(source).ofAll();
  if (ways > MAX_WAYS) throw new PatternRefused('a pattern with too many repetitions for a quick answer');
  return pattern;
}

/** Of a pattern made by {@link compilePattern}. */
export function matches(pattern: RegExp, text: string): boolean {
  return text.length <= MAX_MATCHED_CHARACTERS && pattern.test(text);
}

/** The groups that `$1` and its like can name. */
export function groupCount(pattern: RegExp): number {
  return new RegExp(`${pattern.source}|`, 'u').exec('')!.length - 1;
}

/** Upper bound of the ways in which a pattern can match the same text; the source is known to be a valid pattern. */
class WayCount {
  readonly #source: string;
  #at = 0;
  #atoms = 0;

  constructor(source: string) {
    this.#source = source;
  }

  ofAll(): number {
    return this.#alternatives();
  }

  #alternatives(): number {
    let ways = this.#sequence();
    while (this.#source[this.#at] === '|') {
      this.#at++;
      ways += this.#sequence();
    }
    return ways;
  }

  #sequence(): number {
    let ways = 1;
    while (this.#at < this.#source.length && this.#source[this.#at] !== '|' && this.#source[this.#at] !== ')') {
      const before = this.#atoms++;
      const ofAtom = this.#atom();
      ways *= this.#repeated(ofAtom, before);
    }
    return ways;
  }

  #atom(): number {
    const source = this.#source;
    const first = source[this.#at++];
    if (first === '\\') {
      if (/[1-9k]/.test(source[this.#at]!)) throw new PatternRefused('a reference to a group, which is not taken');
      const brace = /^(?:u\{|[pP]\{)[^}]*\}/.exec(source.slice(this.#at));
      this.#at += brace ? brace[0].length : 1;
    } else if (first === '[') {
      while (source[this.#at] !== ']') this.#at += source[this.#at] === '\\' ? 2 : 1;
      this.#at++;
    } else if (first === '(') {
      return this.#group();
    }
    return 1;
  }

  #group(): number {
    if (this.#source[this.#at] === '?') {
      if (this.#source[this.#at + 1] !== ':') {
        throw new PatternRefused('a group that looks around or has a name; only ( and (?: are taken');
      }
      this.#at += 2;
    }
    const ways = this.#alternatives();
    this.#at++;
    return ways;
  }

  /** @param before atoms that were there before the one that is repeated, perhaps */
  #repeated(ways: number, before: number): number {
    const quantifier = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.#source.slice(this.#at));
    if (!quantifier) return ways;
    this.#at += quantifier[0].length;
    const [text, least, comma, most] = quantifier;
    if (text[0] === '?') return ways + 1;
    if (ways > 1) {
      throw new PatternRefused(
        'a repetition inside of a repetition, or a choice inside of one, which can take for ever',
      );
    }
    if (text[0] !== '{') return MAX_MATCHED_CHARACTERS + 1;
    const highest = Number(most || (comma === '' ? least : MAX_MATCHED_CHARACTERS));
    this.#atoms = before + (this.#atoms - before) * Math.max(1, highest, Number(least));
    if (this.#atoms > MAX_ATOMS) throw new PatternRefused('a pattern that repeats too much');
    if (comma === '') return 1;
    return Math.min(MAX_MATCHED_CHARACTERS, Math.max(0, highest - Number(least ?? 0))) + 1;
  }
}
