/** The tables of the reference page, from the schema. */
import { CLIENT_SCHEMA } from '../../../src/client/config/index.ts';
import { expectation, type SettingSchema } from '../../../src/settings/index.ts';

interface Row {
  key: string;
  schema: SettingSchema;
  isRequired: boolean;
}

/** One table for the top, one for each section and each kind of list entry. */
export function referenceTables(): string {
  const sections: string[] = [];
  addSection('', CLIENT_SCHEMA, sections);
  return sections.join('\n\n');
}

function addSection(path: string, schema: SettingSchema, into: string[]): void {
  const rows = Object.entries(schema.properties ?? {}).map(
    ([key, inner]): Row => ({ key, schema: inner, isRequired: schema.required?.includes(key) ?? false }),
  );
  const title = path === '' ? '' : `### \`${path}\`\n\n${sentence(schema.description)}\n\n`;
  into.push(`${title}| key | value | default | what |\n|---|---|---|---|\n${rows.map(tableRow).join('\n')}`);
  for (const { key, schema: inner } of rows) {
    const entries = inner.type === 'array' ? inner.items! : inner;
    if (entries.type === 'object')
      addSection(`${path === '' ? '' : `${path}.`}${key}${inner.type === 'array' ? '[]' : ''}`, entries, into);
  }
}

function tableRow({ key, schema, isRequired }: Row): string {
  const cells = [
    `\`${key}\``,
    writtenAs(schema),
    isRequired ? '*needed*' : defaultOf(schema),
    schema.description ?? '',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function writtenAs(schema: SettingSchema): string {
  if (schema.type === 'object') return 'keys, see below';
  if (schema.type === 'array') {
    const { items, minItems = 0, maxItems } = schema;
    const what = items!.type === 'object' ? 'keys, see below' : brief(items!);
    return `list of ${minItems} to ${maxItems}: ${what}`;
  }
  return brief(schema);
}

function brief(schema: SettingSchema): string {
  return expectation(schema).replace(/ \(a number or a word.*\)$/, '');
}

function defaultOf({ default: usual, type }: SettingSchema): string {
  if (usual === undefined || type === 'object') return '';
  return `\`${JSON.stringify(usual).replaceAll(',', ', ')}\``;
}

function sentence(text = ''): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
