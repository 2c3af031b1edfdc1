/** Collects what is wrong with a configuration, so that an operator sees all of it at once, in the order of the file. */
import { ConfigError, type Fault, pathText, type YamlPath, type YamlSource } from '../../settings/index.ts';

const MAX_TOLD = 20;

export class ConfigReport {
  readonly #source: YamlSource;
  readonly #faults: Fault[] = [];

  constructor(source: YamlSource) {
    this.#source = source;
  }

  get isClean(): boolean {
    return this.#faults.length === 0;
  }

  add(fault: Fault): void {
    this.#faults.push(fault);
  }

  /** @param found must not tell a secret */
  wrong(path: YamlPath, found: string, expected: string, example?: unknown): void {
    this.add({ path, isKey: false, found, expected, example });
  }

  /** @throws ConfigError with one line for each fault, if there are any */
  check(): void {
    if (this.isClean) return;
    const lines = this.#faults
      .map((fault) => ({ place: this.#placeOf(fault), fault }))
      .sort((a, b) => order(a.place) - order(b.place))
      .map(({ place, fault }) => `${place}: ${this.#text(fault)}`);
    const more = lines.length > MAX_TOLD ? [`and ${lines.length - MAX_TOLD} more`] : [];
    throw new ConfigError([...lines.slice(0, MAX_TOLD), ...more].join('\n'));
  }

  #placeOf({ path, isKey }: Fault): string {
    return isKey ? this.#source.atKey(path) : this.#source.at(path);
  }

  #text({ path, found, expected, example }: Fault): string {
    const where = path.length === 0 ? '' : `${pathText(path)}: `;
    const name = typeof path.at(-1) === 'string' ? `${path.at(-1)}: ` : '';
    const shown = example === undefined ? '' : `; for example ${name}${JSON.stringify(example)}`;
    return `${where}found ${found}, expected ${expected}${shown}`;
  }
}

/** `file:line:column` as a number. */
function order(place: string): number {
  const [column = 0, line = 0] = place.split(':').reverse().map(Number);
  return line * 1e6 + column;
}
