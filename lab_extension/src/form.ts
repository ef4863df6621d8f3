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
  readonly anyOf?: readonly IProperty[];
  readonly pattern?: string;
}

/** The part of JSON Schema that descriptions use. */
export interface ISchema {
  readonly title?: string;
  readonly description?: string;
  readonly type: string;
  readonly properties: Readonly<Record<string, IProperty>>;
  readonly required?: readonly string[];
}

/**
 * The schema as people fill it in: a field that takes several types takes text (the server reads `4 GiB` and
 * `30min`), one that may be null may be left empty, and the site is one of those that exist.
 */
export function formSchema(schema: ISchema, sites: readonly string[]): ISchema {
  const properties = Object.entries(schema.properties).map(([name, property]) => {
    const simple = simplify(property);
    return [name, name === 'site' && sites.length ? { ...simple, enum: sites } : simple];
  });
  return { type: 'object', properties: Object.fromEntries(properties), required: schema.required };
}

/** The description that a form's data make: what was left empty is left to the server. */
export function description(data: FormData, schema: ISchema): Record<string, unknown> {
  const filled = Object.entries(data).filter(
    ([name, value]) =>
      name in schema.properties && value !== undefined && value !== null && value !== ''
  );
  return Object.fromEntries(filled);
}

function simplify(property: IProperty): IProperty {
  const { anyOf, default: value, ...rest } = property;
  if (!anyOf) {
    return property;
  }
  const types = anyOf.filter(({ type }) => type !== 'null');
  const only = types.length === 1 ? types[0] : { type: 'string' };
  if (value === null || value === undefined) {
    return { ...rest, ...only };
  }
  const text = only.type === 'string' && typeof value === 'number' ? seconds(value) : value;
  return { ...rest, ...only, default: text };
}

/** Seconds as the server reads them: `12h`, `30min`, `90s`. */
function seconds(value: number): string {
  if (value % 3600 === 0) {
    return `${value / 3600}h`;
  }
  return value % 60 === 0 ? `${value / 60}min` : `${value}s`;
}
