/** A YAML file, and where in it each value stands. Error texts name places, never what is written there: it may be a secret. */
import { readFileSync, statSync } from 'node:fs';
import { type Document, isAlias, isMap, isNode, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { ConfigError } from './config-error.ts';

export type YamlPath = readonly (string | number)[];

const MAX_FILE_BYTES = 4 * 1024 * 1024;

export class YamlSource {
  readonly file: string;
  /** As plain data. */
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  /** @throws ConfigError with file, line and column */
  constructor(text: string, file: string) {
    this.file = file;
    this.#document = this.#parse(text);
    const [problem] = this.#document.errors;
    if (problem) throw new ConfigError(`${this.#place(problem.pos[0])} is no YAML: ${problem.message}`);
    this.#checkAliases();
    this.value = this.#plain();
  }

  /**
   * @param onFailure what to check when there is no such file
   * @throws ConfigError
   */
  static read(file: string, onFailure: string): YamlSource {
    return new YamlSource(readText(file, onFailure), file);
  }

  /** `file:line:column` of a value; of the nearest that is there, if it is not. */
  at(path: YamlPath): string {
    for (let length = path.length; length > 0; length--) {
      const node = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.#place(node.range[0]);
    }
    return this.#place(this.#document.contents?.range?.[0] ?? 0);
  }

  /** `file:line:column` of the key that ends a path. */
  atKey(path: YamlPath): string {
    const parent = path.length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, -1), true);
    const pair = isMap(parent) ? parent.items.find(({ key }) => keyText(key) === String(path.at(-1))) : undefined;
    const range = isNode(pair?.key) ? pair.key.range : null;
    return range ? this.#place(range[0]) : this.at(path);
  }

  #parse(text: string): Document.Parsed {
    try {
      return parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, logLevel: 'silent' });
    } catch (error) {
      throw new ConfigError(`${this.file} can't be used: ${(error as Error).message}`); // too deep, for example
    }
  }

  #place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.file}:${line}:${col}`;
  }

  /** The reader's own message would show what stands behind the asterisk: a password that begins with one, perhaps. */
  #checkAliases(): void {
    visit(this.#document, {
      Alias: (_, node, around) => {
        const target = node.resolve(this.#document);
        if (target && around.includes(target)) {
          throw new ConfigError(`${this.#place(node.range?.[0] ?? 0)} refers to what it is itself a part of`);
        }
        if (target) return;
        throw new ConfigError(
          `${this.#place(node.range?.[0] ?? 0)} refers (*) to an anchor (&) that is not there: text that begins with an asterisk needs quotes`,
        );
      },
    });
  }

  #plain(): unknown {
    try {
      return this.#document.toJS();
    } catch (error) {
      throw new ConfigError(`${this.file} can't be used: ${(error as Error).message}`);
    }
  }
}

function keyText(key: unknown): string | null {
  if (isAlias(key)) return null;
  return isScalar(key as Node) ? String((key as { value: unknown }).value) : null;
}

function readText(file: string, onFailure: string): string {
  try {
    const { size } = statSync(file);
    if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes are more than ${MAX_FILE_BYTES}`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`the configuration file can't be read (${(error as Error).message}): ${onFailure}`);
  }
}

/** `extensions[0].dn` */
export function pathText(path: YamlPath): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
}
