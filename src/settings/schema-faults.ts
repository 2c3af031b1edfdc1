/**
 * From a JSON Schema to what an operator is told: what was found and what was expected. Schemas carry, beside the usual words, `form`
 * (a pattern said in words); `examples` are shown; what is `writeOnly` is a secret and never is.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { nearestName } from './nearest-name.ts';
import type { YamlPath } from './yaml-source.ts';

export interface SettingSchema {
  type: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  description?: string;
  form?: string;
  enum?: readonly string[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  default?: unknown;
  examples?: readonly unknown[];
  writeOnly?: boolean;
  items?: SettingSchema;
  required?: readonly string[];
  properties?: Record<string, SettingSchema>;
  additionalProperties?: false;
}

/** Something that is wrong, and where. */
export interface Fault {
  path: YamlPath;
  /** The key that ends the path is wrong, not its value. */
  isKey: boolean;
  found: string;
  expected: string;
  example: unknown;
}

/** Checks, and fills in the defaults of the schema. */
export function settingsValidator(schema: SettingSchema): ValidateFunction {
  const ajv = new Ajv({ allErrors: true, verbose: true, useDefaults: true, strict: false });
  return ajv.compile(schema);
}

/** One fault for each place, in the order of the schema. */
export function faultsOf(errors: readonly ErrorObject[], root: unknown): Fault[] {
  const faults = new Map<string, Fault>();
  for (const error of errors) {
    const fault = faultOf(error, root);
    const key = JSON.stringify(fault.path);
    if (!faults.has(key)) faults.set(key, fault);
  }
  return [...faults.values()];
}

function faultOf(error: ErrorObject, root: unknown): Fault {
  const path = pathOf(error.instancePath, root);
  const schema = error.parentSchema as SettingSchema;
  if (error.keyword === 'additionalProperties') {
    return unknownKey([...path, error.params.additionalProperty as string], Object.keys(schema.properties ?? {}));
  }
  if (error.keyword === 'required') {
    const name = error.params.missingProperty as string;
    const missing = schema.properties?.[name] ?? { type: 'string' };
    return { path: [...path, name], isKey: false, found: 'nothing', ...wanted(missing) };
  }
  if (error.keyword === 'uniqueItems') {
    return { path, isKey: false, found: 'the same entry twice', ...wanted(schema) };
  }
  return { path, isKey: false, found: shown(error.data, schema), ...wanted(schema) };
}

function unknownKey(path: YamlPath, known: string[]): Fault {
  const name = String(path.at(-1));
  const near = nearestName(name, known);
  const expected = near === null ? `one of ${known.join(', ')}` : `${near}, perhaps (known are ${known.join(', ')})`;
  return { path, isKey: true, found: `the unknown key ${quoted(name)}`, expected, example: undefined };
}

function wanted(schema: SettingSchema): Pick<Fault, 'expected' | 'example'> {
  return { expected: expectation(schema), example: schema.writeOnly ? undefined : schema.examples?.[0] };
}

/** What a value must be, in words. */
export function expectation(schema: SettingSchema): string {
  if (schema.form !== undefined) return schema.form;
  if (schema.enum) return `one of ${schema.enum.join(', ')}`;
  const { minimum: least, maximum: most } = schema;
  switch (schema.type) {
    case 'integer':
      return `a whole number from ${least} to ${most}`;
    case 'number':
      return `a number from ${least} to ${most}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list of ${schema.minItems ?? 0} to ${schema.maxItems} ${schema.uniqueItems ? 'different ' : ''}entries`;
    case 'object':
      return `keys with values: ${Object.keys(schema.properties ?? {}).join(', ')}`;
    default:
      return `text of ${schema.minLength ?? 0} to ${schema.maxLength} characters (a number or a word such as "on" needs quotes)`;
  }
}

const MAX_SHOWN = 60;

/** What was found, in words; of text where a list or keys belong nothing is told, for it may be a secret. */
export function shown(value: unknown, schema: Pick<SettingSchema, 'type' | 'writeOnly'>): string {
  const isOpen = !schema.writeOnly && schema.type !== 'object' && schema.type !== 'array';
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  switch (typeof value) {
    case 'string':
      return isOpen ? quoted(withoutPassword(value)) : `text of ${value.length} characters`;
    case 'number':
      return isOpen ? `the number ${value}` : 'a number';
    case 'boolean':
      return isOpen ? String(value) : 'true or false';
    default:
      return 'keys with values';
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}

/** `sip:a:b@c` to `sip:a:…@c` */
function withoutPassword(text: string): string {
  return text.replace(/^([a-z]+:[^:@]*:)[^@]*@/i, '$1…@');
}

/** JSON pointer to path; what indexes a list is a number. */
function pathOf(pointer: string, root: unknown): (string | number)[] {
  let node = root;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const key = Array.isArray(node) ? Number(name) : name;
      node = (node as Record<string | number, unknown> | undefined)?.[key];
      return key;
    });
}
