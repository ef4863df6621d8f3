/** From the server's JSON Schema of a pilot to a form, and from the form to a description. */

/** What a user has filled in. */
export type FormData = Readonly<Record<string, unknown>>;

/** A property of a description. */
export interface IProperty {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly examples?: readonly string[];
  readonly anyOf?: readonly IProperty[];
  readonly pattern?: string;
  readonly readOnly?: boolean;
  readonly $ref?: string;
  readonly items?: IProperty;
  readonly properties?: Readonly<Record<string, IProperty>>;
  readonly additionalProperties?: IProperty | boolean;
  /** What most users never need. */
  readonly 'x-advanced'?: boolean;
  /** Written a line each: values, or `NAME=VALUE`. */
  readonly 'x-lines'?: 'values' | 'pairs';
}

/** The part of JSON Schema that descriptions use. */
export interface ISchema {
  readonly title?: string;
  readonly description?: string;
  readonly type: string;
  readonly properties: Readonly<Record<string, IProperty>>;
  readonly required?: readonly string[];
  readonly $defs?: Readonly<Record<string, IProperty>>;
}

/**
 * The schema as people fill it in: a field that takes several types takes text (the server reads `4 GiB` and
 * `30min`), one that may be null may be left empty, lists and variables are lines of text, the fields of an object
 * stand beside the others as `environment.conda`, and the site is one of those that exist. What has no such form,
 * as further kinds of nodes, is left out.
 */
export function formSchema(schema: ISchema, sites: readonly string[]): ISchema {
  const properties: Record<string, IProperty> = {};
  for (const [name, property] of Object.entries(flat(schema.properties, schema.$defs ?? {}))) {
    const simple = simplify(property);
    if (simple) {
      properties[name] = name === 'site' && sites.length ? { ...simple, enum: sites } : simple;
    }
  }
  return { type: 'object', properties, required: schema.required };
}

/** The description that a form's data make: what was left empty, or as it was, is left to the server. */
export function description(data: FormData, schema: ISchema): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(changed(data, schema))) {
    const [parent, child] = name.split('.');
    const meant = parsed(value, schema.properties[name]);
    if (child === undefined) {
      found[name] = meant;
    } else {
      found[parent] = { ...(found[parent] as object | undefined), [child]: meant };
    }
  }
  return found;
}

/** What of a form's data goes on to the form of another site: what the user changed, and the site itself. */
export function carriedOver(data: FormData, from: ISchema, to: ISchema): FormData {
  const kept = Object.entries(changed(data, from)).filter(([name, value]) => {
    const property = to.properties[name];
    return (
      property && !property.readOnly && !(property.enum && !property.enum.includes(`${value}`))
    );
  });
  return Object.fromEntries(kept);
}

/** The field of the form that an error of the server is about; empty for none. */
export function fieldOf(error: string, schema: ISchema): string {
  const parts = error.split('.');
  const names = parts.map((_, at) => parts.slice(0, parts.length - at).join('.'));
  return names.find(name => name in schema.properties) ?? '';
}

function changed(data: FormData, schema: ISchema): FormData {
  const given = Object.entries(data).filter(([name, value]) => {
    const empty = value === undefined || value === null || value === '';
    const property = schema.properties[name];
    return property && !empty && (name === 'site' || value !== property.default);
  });
  return Object.fromEntries(given);
}

/** `properties` with what references mean, and with the fields of objects beside the others. */
function flat(
  properties: Readonly<Record<string, IProperty>>,
  definitions: Readonly<Record<string, IProperty>>
): Record<string, IProperty> {
  const found: Record<string, IProperty> = {};
  for (const [name, property] of Object.entries(properties)) {
    const meant = property.$ref ? definitions[property.$ref.replace('#/$defs/', '')] : undefined;
    if (!meant?.properties) {
      found[name] = property;
      continue;
    }
    const defaults = (property.default ?? {}) as Record<string, unknown>;
    for (const [child, inner] of Object.entries(meant.properties)) {
      const { readOnly, 'x-advanced': advanced } = property;
      const preset = child in defaults ? { default: defaults[child] } : {};
      found[`${name}.${child}`] = { ...inner, ...preset, readOnly, 'x-advanced': advanced };
    }
  }
  return found;
}

/** A property that one input can hold; nothing where there is none. */
function simplify(property: IProperty): IProperty | undefined {
  const { anyOf, items, additionalProperties, default: value, ...rest } = property;
  if (property.type === 'array' && items?.type === 'string') {
    const lines = ((value ?? []) as string[]).join('\n');
    return { ...rest, type: 'string', 'x-lines': 'values', ...(lines ? { default: lines } : {}) };
  }
  if (property.type === 'object') {
    if (typeof additionalProperties !== 'object' || additionalProperties.type !== 'string') {
      return undefined;
    }
    const lines = Object.entries((value ?? {}) as Record<string, string>)
      .map(([name, text]) => `${name}=${text}`)
      .join('\n');
    return { ...rest, type: 'string', 'x-lines': 'pairs', ...(lines ? { default: lines } : {}) };
  }
  if (!anyOf) {
    return property;
  }
  const types = anyOf.filter(({ type }) => type !== 'null');
  const only = types.length === 1 ? types[0] : { type: 'string' };
  if (value === null || value === undefined) {
    return { ...rest, ...only };
  }
  if (only.type !== 'string' || typeof value !== 'number') {
    return { ...rest, ...only, default: value };
  }
  return { ...rest, ...only, default: property.title === 'Memory' ? `${value}` : seconds(value) };
}

function parsed(value: unknown, property: IProperty): unknown {
  const form = property['x-lines'];
  if (!form || typeof value !== 'string') {
    return value;
  }
  const lines = value
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean);
  if (form === 'values') {
    return lines;
  }
  return Object.fromEntries(
    lines.map(line => {
      const at = line.indexOf('=');
      return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    })
  );
}

/** Seconds as the server reads them: `12h`, `30min`, `90s`. */
function seconds(value: number): string {
  if (value % 3600 === 0) {
    return `${value / 3600}h`;
  }
  return value % 60 === 0 ? `${value / 60}min` : `${value}s`;
}
