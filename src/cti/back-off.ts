/** How long to wait before the next attempt to connect: longer each time, and not the same for all who lost a server at once. */

export interface BackOffOptions {
  firstMs: number;
  maxMs: number;
  /** 0 to 1. */
  random: () => number;
}

export class BackOff {
  readonly #options: BackOffOptions;
  #attempts = 0;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** Half of it is left to chance. */
  nextMs(): number {
    const { firstMs, maxMs, random } = this.#options;
    const fullMs = Math.min(maxMs, firstMs * 2 ** this.#attempts);
    if (fullMs < maxMs) this.#attempts += 1;
    return Math.round(fullMs / 2 + (random() * fullMs) / 2);
  }

  succeeded(): void {
    this.#attempts = 0;
  }
}
