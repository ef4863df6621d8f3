/** From the server's JSON Schema of a pilot to a form, and from the form to a description. */

import type { FormSchema, Property } from './generated';

/** What a user has filled in. */
export type FormData = Readonly<Record<string, unknown>>;

/** A property of a description, of the server or of the form. */
export interface IProperty extends Property {
  readonly items?: IProperty;
  readonly properties?: Readonly<Record<string, IProperty>>;
  /** In the form, written a line each: values, or `NAME=VALUE`. */
  readonly 'x-lines'?: 'values' | 'pairs';
  /** In the form, a list of objects, each with its `name`, that are one object by these names. */
  readonly 'x-named'?: boolean;
}

/** The part of JSON Schema that descriptions use. */
export interface ISchema extends FormSchema {
  readonly properties: Readonly<Record<string, IProperty>>;
}

/**
 * The schema as people fill it in: a field that takes several types takes text (the server reads `4 GiB` and
 * `30min`), one that may be null may be left empty, lists and variables are lines of text, the fields of an object
 * stand beside the others as `environment.conda`, objects by name, as further kinds of nodes, are a list of objects
 * with names, and the site is one of those that exist.
 */
export function formSchema(schema: ISchema, sites: readonly string[]): ISchema {
  const properties: Record<string, IProperty> = {};
  const definitions = schema.$defs ?? {};
  for (const [name, property] of Object.entries(flat(schema.properties, definitions))) {
    const simple = named(property, definitions) ?? simplify(property);
    if (simple) {
      properties[name] = name === 'site' && sites.length ? { ...simple, enum: sites } : simple;
    }
  }
  return { type: 'object', properties, required: schema.required };
}

/** The description that a form's data make: what was left empty, or as it was, is left to the server. */
export function description(data: FormData, schema: ISchema): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(changed(data, schema.properties))) {
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
  const kept = Object.entries(changed(data, from.properties)).filter(([name, value]) => {
    const property = to.properties[name];
    return (
      property && !property.readOnly && !(property.enum && !property.enum.includes(`${value}`))
    );
  });
  return Object.fromEntries(kept);
}

/** Where a form holds a value: the name of a field; in a list also the number of the item and its field. */
export type Place = readonly (string | number)[];

/** The first name in a list with names that is missing, or there twice, and where; nothing where all is well. */
export function badName(
  data: FormData,
  schema: ISchema
): { readonly name: string; readonly place: Place } | undefined {
  for (const [field, property] of Object.entries(schema.properties)) {
    const names = namesIn(data, field, property);
    const at = names.findIndex((name, index) => !name || names.indexOf(name) < index);
    if (at >= 0) {
      return { name: names[at], place: [field, at, 'name'] };
    }
  }
  return undefined;
}

/** Where the form holds what an error of the server is about; empty for nowhere. */
export function placeOf(error: string, schema: ISchema, data: FormData): Place {
  const parts = error.split('.');
  const names = parts.map((_, at) => parts.slice(0, parts.length - at).join('.'));
  const field = names.find(name => name in schema.properties);
  if (field === undefined) {
    return [];
  }
  const [name, inner] = parts.slice(field.split('.').length);
  const at = namesIn(data, field, schema.properties[field]).indexOf(name);
  if (at < 0) {
    return [field];
  }
  const known = schema.properties[field].items?.properties ?? {};
  return [field, at, inner in known ? inner : 'name'];
}

/** The names in a list with names; none where the field is something else. */
function namesIn(data: FormData, field: string, property: IProperty): string[] {
  const given = property['x-named'] ? ((data[field] ?? []) as FormData[]) : [];
  return given.map(({ name }) => (typeof name === 'string' ? name : ''));
}

/** What decides which other fields there are: said even where it is as it was. */
const CHOSEN = new Set(['site', 'engine']);

function changed(data: FormData, properties: Readonly<Record<string, IProperty>>): FormData {
  const given = Object.entries(data).filter(([name, value]) => {
    const empty = value === undefined || value === null || value === '';
    const property = properties[name];
    const same = JSON.stringify(value) === JSON.stringify(property?.default);
    return property && !empty && (CHOSEN.has(name) || !same);
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

/** What the values of an object by name are like, and the pattern of these names. */
function valuesOf(property: IProperty): [IProperty | undefined, string | undefined] {
  const { additionalProperties, patternProperties } = property;
  const [found] = Object.entries(patternProperties ?? {});
  if (found) {
    return [found[1], found[0]];
  }
  return [typeof additionalProperties === 'object' ? additionalProperties : undefined, undefined];
}

/** An object of objects by name as a list of objects with names; nothing where the property is something else. */
function named(
  property: IProperty,
  definitions: Readonly<Record<string, IProperty>>
): IProperty | undefined {
  const [values, pattern] = valuesOf(property);
  const fields = values?.$ref && definitions[values.$ref.replace('#/$defs/', '')]?.properties;
  if (!fields) {
    return undefined;
  }
  const properties: Record<string, IProperty> = {
    name: { title: 'Name', type: 'string', pattern }
  };
  for (const [name, field] of Object.entries(fields)) {
    const simple = simplify(field);
    if (simple) {
      properties[name] = simple;
    }
  }
  const given = (property.default ?? {}) as Record<string, FormData>;
  const shown = Object.entries(given).map(([name, each]) => ({
    name,
    ...Object.fromEntries(
      Object.entries(each).map(([field, value]) => [field, asText(value, properties[field])])
    )
  }));
  const { title, description, readOnly, 'x-advanced': advanced } = property;
  return {
    ...{ title, description, readOnly, 'x-advanced': advanced, 'x-named': true },
    ...{ type: 'array', default: shown, items: { type: 'object', properties } }
  };
}

/** A value of the server as an input holds it. */
function asText(value: unknown, property: IProperty | undefined): unknown {
  if (Array.isArray(value)) {
    return value.join('\n');
  }
  if (typeof value === 'object' && value) {
    return lines(value as Record<string, unknown>);
  }
  return property?.type === 'string' && typeof value === 'number' ? `${value}` : value;
}

/** A property that one input can hold; nothing where there is none. */
function simplify(property: IProperty): IProperty | undefined {
  const {
    anyOf,
    items,
    additionalProperties,
    patternProperties,
    default: value,
    ...rest
  } = property;
  if (property.type === 'array' && items?.type === 'string') {
    const text = ((value ?? []) as string[]).join('\n');
    return { ...rest, type: 'string', 'x-lines': 'values', ...(text ? { default: text } : {}) };
  }
  if (property.type === 'object') {
    const [values] = valuesOf({ additionalProperties, patternProperties });
    if (!['string', 'number'].includes(values?.type ?? '')) {
      return undefined;
    }
    const text = lines((value ?? {}) as Record<string, unknown>);
    return { ...rest, type: 'string', 'x-lines': 'pairs', ...(text ? { default: text } : {}) };
  }
  if (!anyOf) {
    return property;
  }
  const types = anyOf.flatMap(each => each.anyOf ?? [each]).filter(({ type }) => type !== 'null');
  const only: IProperty = types.length === 1 ? types[0] : { type: 'string' };
  if (only.type === 'array') {
    return simplify({ ...rest, ...only, default: value });
  }
  if (value === null || value === undefined) {
    return { ...rest, ...only };
  }
  return { ...rest, ...only, default: asText(value, only) };
}

/** An object as lines `NAME=VALUE`. */
function lines(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join('\n');
}

function parsed(value: unknown, property: IProperty): unknown {
  const form = property['x-lines'];
  if (property['x-named']) {
    const properties = property.items?.properties ?? {};
    return Object.fromEntries(
      (value as FormData[]).map(({ name, ...fields }) => [
        String(name ?? ''),
        Object.fromEntries(
          Object.entries(changed(fields, properties)).map(([field, each]) => [
            field,
            parsed(each, properties[field])
          ])
        )
      ])
    );
  }
  if (!form || typeof value !== 'string') {
    return value;
  }
  const given = value
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean);
  if (form === 'values') {
    return given;
  }
  return Object.fromEntries(
    given.map(line => {
      const at = line.indexOf('=');
      return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    })
  );
}
