// Write src/live/charts.ts from the list of charts that Python reads; with --check, only say whether it is as it was
// written. It is code, for a translator finds texts in code alone.
import { readFileSync, writeFileSync } from 'node:fs';

import { format, resolveConfig } from 'prettier';

const list = new URL('../../widgets/pilothouse_widgets/charts.json', import.meta.url);
const target = new URL('../src/live/charts.ts', import.meta.url);

const { rate_seconds: span, charts, own } = JSON.parse(readFileSync(list, 'utf8'));
const quoted = text => `'${text.replaceAll("'", "\\'")}'`;
const said = text => (/[a-z]{2}/.test(text) ? `trans.__(${quoted(text)})` : quoted(text));

const line = ({ column, label, rate = false, factor = 1 }) =>
  `{ column: ${quoted(column)}, label: ${said(label)}, rate: ${rate}, factor: ${factor} }`;
const chart = ({ name, title, unit, scale, unless_zero: unlessZero = false, lines }) =>
  `{ name: ${quoted(name)}, title: ${said(title)}, unit: ${said(unit)}, scale: ${quoted(scale)},
     unlessZero: ${unlessZero}, lines: [${lines.map(line).join(', ')}] }`;
const ending = ({ ending, unit, factor }) =>
  `{ ending: ${quoted(ending)}, unit: ${said(unit)}, factor: ${factor} }`;

const code = `/**
 * Which charts a run's telemetry makes: written by scripts/charts.mjs from widgets/pilothouse_widgets/charts.json.
 */

import type { ITranslate } from './figures';

/** A line of a chart. */
export interface ILine {
  readonly column: string;
  readonly label: string;
  /** Whether the column is a counter, whose rate is drawn. */
  readonly rate: boolean;
  /** What values are multiplied by, to be in the chart's unit. */
  readonly factor: number;
}

/** A chart: lines that share their axes. */
export interface IChart {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly scale: 'linear' | 'log' | 'from zero';
  /** Whether the chart is left out as long as it ends in zero. */
  readonly unlessZero: boolean;
  readonly lines: readonly ILine[];
}

/** How a run's own figures are shown whose names end in some way. */
export interface IEnding {
  readonly ending: string;
  readonly unit: string;
  readonly factor: number;
}

/** Seconds over which a rate is taken: samples come ten times a second, messages in batches. */
export const RATE_SPAN = ${span};

/** The charts that all runs may have, in their order. */
export const charts = (trans: ITranslate): readonly IChart[] => [${charts.map(chart).join(',\n')}];

/** What is known of a run's own figures. */
export const own = (trans: ITranslate): readonly IEnding[] => [${own.map(ending).join(',\n')}];
`;

const options = await resolveConfig(target);
const written = await format(code, { ...options, parser: 'typescript' });
if (!process.argv.includes('--check')) {
  writeFileSync(target, written);
} else if (readFileSync(target, 'utf8') !== written) {
  console.error('src/live/charts.ts is not what charts.json says: npm run charts');
  process.exitCode = 1;
}
