/** The table of routes and bodies of the reference page, from the OpenAPI document. */

interface Schema {
  type?: string | string[];
  enum?: string[];
  description?: string;
  required?: string[];
  properties?: Record<string, Schema>;
}

export interface Operation {
  operationId?: string;
  summary?: string;
  parameters?: { in: string; name: string; schema: Schema; description?: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Record<string, unknown> }> }>;
}

export interface ApiDocument {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export function operationsOf({ paths }: ApiDocument): { method: string; path: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
}

export function referenceOf(document: ApiDocument): string {
  const rows = operationsOf(document).map(({ method, path, operation }) => {
    const schema = operation.requestBody?.content['application/json']?.schema;
    const statuses = Object.keys(operation.responses).sort();
    return `| \`${method.toUpperCase()} ${path}\` | ${operation.summary} | ${schema ? bodyOf(schema) : queryOf(operation)} | ${statuses.join(' ')} |`;
  });
  const routes = `| route | what | body or query | answers |\n|---|---|---|---|\n${rows.join('\n')}`;
  return [routes, ...fieldTables(document)].join('\n\n');
}

/** What is needed first; the rest in brackets. */
function bodyOf({ required = [], properties = {} }: Schema): string {
  const names = Object.keys(properties);
  const optional = names.filter((name) => !required.includes(name)).map((name) => `[\`${name}\`]`);
  return [...names.filter((name) => required.includes(name)).map((name) => `\`${name}\``), ...optional].join(', ');
}

function queryOf({ parameters = [] }: Operation): string {
  return parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name }) => `[\`${name}\`]`)
    .join(', ');
}

/** Of all bodies together: a name means the same in each. */
function fieldTables(document: ApiDocument): string[] {
  const fields = new Map<string, string>();
  for (const { operation } of operationsOf(document)) {
    const schema = operation.requestBody?.content['application/json']?.schema;
    for (const [name, field] of Object.entries(schema?.properties ?? {})) {
      const values = field.enum ? `one of ${field.enum.map((value) => `\`${value}\``).join(', ')}; ` : '';
      fields.set(name, `${values}${field.description ?? ''}`);
    }
  }
  const rows = [...fields].map(([name, what]) => `| \`${name}\` | ${what} |`);
  return [`| field | what |\n|---|---|\n${rows.join('\n')}`];
}
