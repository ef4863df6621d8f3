// Write src/live/charts.ts from the list of charts that Python reads; with --check, only say whether it is as it was
// written. It is code, for a translator finds texts in code alone.
import { readFileSync, writeFileSync } from 'node:fs';

import { format, resolveConfig } from 'prettier';

const list = new URL('../../widgets/pilothouse_widgets/charts.json', import.meta.url);
const target = new URL('../src/live/charts.ts', import.meta.url);

const { rate_seconds: span, charts, own, prefixes } = JSON.parse(readFileSync(list, 'utf8'));
const quoted = text => `'${text.replaceAll("'", "\\'")}'`;
const isWord = text => /[a-z]{2}/.test(text) && !/^[kKMGT]?i?B/.test(text);
const said = text => (isWord(text) ? `trans.__(${quoted(text)})` : quoted(text));

// As JSON has it, but for texts that people read; what is left out there is left out here.
const SAID = ['title', 'label', 'unit'];
const value = (key, found) =>
  Array.isArray(found)
    ? `[${found.map(each => value(key, each)).join(', ')}]`
    : typeof found === 'object'
      ? object(found)
      : typeof found === 'string'
        ? (SAID.includes(key) ? said : quoted)(found)
        : String(found);
const object = found =>
  `{ ${Object.entries(found)
    .map(([key, each]) => `${key}: ${value(key, each)}`)
    .join(', ')} }`;

const code = `/**
 * Which charts a run's telemetry makes: written by scripts/charts.mjs from widgets/pilothouse_widgets/charts.json.
 */

import type { ITranslate } from './figures';

/** A line of a chart. */
export interface ILine {
  readonly column: string;
  readonly label: string;
  /** Whether the column is a counter, whose rate is drawn. */
  readonly rate?: boolean;
  /** What values are multiplied by, to be in the chart's unit. */
  readonly factor?: number;
  /** Whether it is drawn, and not only said in words. */
  readonly drawn?: boolean;
}

/** A chart: lines that share their axes. */
export interface IChart {
  readonly name: string;
  readonly title: string;
  /** One of {@link prefixes} is shown with the prefix that its values need. */
  readonly unit: string;
  readonly scale: 'linear' | 'log' | 'from zero';
  /** When there is something to see: otherwise a chart that ends in zero is left out, one of constants not drawn. */
  readonly when?: 'not zero' | 'changed';
  /** Whether it is said in words, too. */
  readonly told?: boolean;
  /** The column of which the others are a part. */
  readonly total?: string;
  readonly lines: readonly ILine[];
}

/** How a run's own figures are shown whose names end in some way. */
export interface IEnding {
  readonly ending: string;
  readonly unit: string;
  readonly factor: number;
}

/** A unit, and what it is called when it is as many times larger as a power of the base says. */
export interface IPrefixes {
  readonly unit: string;
  readonly base: number;
  readonly units: readonly string[];
}

/** Seconds over which a rate is taken: samples come ten times a second, messages in batches. */
export const RATE_SPAN = ${span};

/** The charts that all runs may have, in their order. */
export const charts = (trans: ITranslate): readonly IChart[] => ${value('', charts)};

/** What is known of a run's own figures. */
export const own = (trans: ITranslate): readonly IEnding[] => ${value('', own)};

/** The units that have prefixes. */
export const prefixes: readonly IPrefixes[] = ${JSON.stringify(prefixes)};
`;

const options = await resolveConfig(target);
const written = await format(code, { ...options, parser: 'typescript' });
if (!process.argv.includes('--check')) {
  writeFileSync(target, written);
} else if (readFileSync(target, 'utf8') !== written) {
  console.error('src/live/charts.ts is not what charts.json says: npm run charts');
  process.exitCode = 1;
}
