/** Numbers for people. */

import { prefixes } from './charts';

/** A unit that was chosen for a size. */
export interface IUnit {
  readonly name: string;
  /** How many of the unit that numbers are in it is. */
  readonly factor: number;
}

/** The unit in which a number up to `size` is short: `MiB` for some millions of `B`. */
export function unitFor(unit: string, size: number): IUnit {
  const { base = 1, units = [unit] } = prefixes.find(each => each.unit === unit) ?? {};
  const steps = units.findLastIndex((_, at) => size >= base ** at);
  const at = Math.max(0, steps);
  return { name: units[at], factor: base ** at };
}

/** A number: four digits, thousands apart. */
export function format(value: number, locale?: string, digits = 4): string {
  return new Intl.NumberFormat(locale, { maximumSignificantDigits: digits }).format(value);
}

/** A number with its unit, in the size in which it is short: three digits of what has prefixes. */
export function amount(value: number, unit: string, locale?: string): string {
  const { name, factor } = unitFor(unit, value);
  const isScaled = prefixes.some(each => each.unit === unit);
  return `${format(value / factor, locale, isScaled ? 3 : 4)} ${name}`.trim();
}
