/** Seeded damage for parser tests: the same seed makes the same damage on every machine. */

export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const INTERESTING = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  '--',
  ';',
  '"',
  '<',
  '>',
  '&',
  '=',
  ':',
  '/',
  ' ',
  '\t',
  '4294967296',
  '-1',
  '%s',
  '\xff',
  '__proto__',
];

/** One damaged copy of `bytes`: bytes changed, runs removed, doubled or moved, awkward texts put in. */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let out = Buffer.from(bytes);
  const edits = 1 + Math.floor(random() * 4);
  for (let i = 0; i < edits && out.length > 0; i++) {
    const at = Math.floor(random() * out.length);
    const length = Math.floor(random() * Math.min(64, out.length - at));
    const kind = Math.floor(random() * 5);
    if (kind === 0) out[at] = Math.floor(random() * 256);
    else if (kind === 1) out = Buffer.concat([out.subarray(0, at), out.subarray(at + length)]);
    else if (kind === 2) out = Buffer.concat([out.subarray(0, at + length), out.subarray(at)]);
    else if (kind === 3) {
      const text = INTERESTING[Math.floor(random() * INTERESTING.length)]!;
      out = Buffer.concat([out.subarray(0, at), Buffer.from(text, 'latin1'), out.subarray(at)]);
    } else out = Buffer.concat([out.subarray(at), out.subarray(0, at)]);
  }
  return out;
}

/** CPU time of `run` in milliseconds: unlike elapsed time it does not depend on what else the machine does. */
export function cpuMs(run: () => void): number {
  const start = process.cpuUsage();
  run();
  const used = process.cpuUsage(start);
  return (used.user + used.system) / 1_000;
}
