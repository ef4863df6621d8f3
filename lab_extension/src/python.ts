/** Python, as people would write what they have clicked. */

/** A call with keyword arguments after the positional ones, such as `ph.attach("anna").start("kafka", nodes=2)`. */
export function pythonCall(
  callee: string,
  positional: readonly unknown[],
  keywords: Readonly<Record<string, unknown>>
): string {
  const given = Object.entries(keywords).map(([name, value]) => `${name}=${literal(value)}`);
  return `${callee}(${[...positional.map(literal), ...given].join(', ')})`;
}

/** A JSON value as a literal. */
export function literal(value: unknown): string {
  if (value === null || value === undefined) {
    return 'None';
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  if (Array.isArray(value)) {
    return `[${value.map(literal).join(', ')}]`;
  }
  if (typeof value === 'object') {
    const items = Object.entries(value).map(([name, each]) => `${literal(name)}: ${literal(each)}`);
    return `{${items.join(', ')}}`;
  }
  return JSON.stringify(value); // a string of JSON is one of Python
}
