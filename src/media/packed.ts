/**
 * Plain data for another thread: one text and one run of octets. Structured cloning takes several times as long for thousands of small objects,
 * and longest for octets in small arrays.
 */

/** The octets are transferred, so that keys are not left behind. */
export interface Packed {
  text: string;
  octets: Uint8Array<ArrayBuffer>;
}

/** Stands for octets in the text. */
interface Place {
  octetsAt: number;
  length: number;
}

/** Of objects, arrays, strings, numbers, booleans, null, and Uint8Arrays. */
export function pack(value: object): Packed {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const placed = (octets: Uint8Array): Place => {
    chunks.push(octets);
    length += octets.length;
    return { octetsAt: length - octets.length, length: octets.length };
  };
  const text = JSON.stringify(replaced(value, (part) => (part instanceof Uint8Array ? placed(part) : undefined)));
  const octets = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    octets.set(chunk, at);
    at += chunk.length;
  }
  return { text, octets };
}

/** Uint8Arrays in it are views of the packed ones. */
export function unpack<T>({ text, octets }: Packed): T {
  const place = (part: Partial<Place>) => {
    if (part.octetsAt === undefined) return undefined;
    return octets.subarray(part.octetsAt, part.octetsAt + part.length!);
  };
  return replaced(JSON.parse(text), place) as T;
}

/** A copy, with something else for the objects that `by` gives something for. */
function replaced(value: unknown, by: (part: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const other = by(value);
  if (other !== undefined) return other;
  if (Array.isArray(value)) return value.map((part) => replaced(part, by));
  const copy: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(value)) copy[key] = replaced(part, by);
  return copy;
}
