/** Which pictures a run's telemetry makes, and the numbers in them. */

import { amount, unitFor } from './amounts';
import { charts, own, RATE_SPAN } from './charts';
import type { IChart, ILine } from './charts';
import type { SampleWindow } from './window';

/** What translates the texts: a Jupyter translation bundle, or {@link english}. */
export interface ITranslate {
  __(text: string, ...values: unknown[]): string;
}

/** Texts as they are written here. */
export const english: ITranslate = {
  __: (text, ...values) => text.replace(/%(\d)/g, (_, at) => String(values[Number(at) - 1]))
};

/** A line of a picture. */
export interface ISeries {
  /** A name for programs. */
  readonly name: string;
  /** A name for people. */
  readonly label: string;
  /** The values, one for each sample of the window. */
  values(window: SampleWindow): Float64Array;
}

/** A picture: lines that share their axes. */
export interface IFigure {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly scale: 'linear' | 'log' | 'from zero';
  readonly series: readonly ISeries[];
}

/**
 * The rate of a cumulative counter, per second.
 *
 * Each value is the difference to the latest sample that is at least `span` seconds older (the first sample,
 * where there is no such one). A counter that goes back, or has no value, makes no rate: NaN.
 */
export function rate(time: Float64Array, count: Float64Array, span = RATE_SPAN): Float64Array {
  const rates = new Float64Array(time.length).fill(NaN);
  let from = 0;
  for (let at = 1; at < time.length; at++) {
    while (from + 1 < at && time[from + 1] <= time[at] - span) {
      from++;
    }
    const seconds = time[at] - time[from];
    const change = count[at] - count[from];
    if (seconds > 0 && change >= 0) {
      rates[at] = change / seconds;
    }
  }
  return rates;
}

/** The pictures that the window has data for. */
export function figures(window: SampleWindow, trans: ITranslate = english): IFigure[] {
  return Private.found(window, trans)
    .filter(
      ({ when, lines }) => when !== 'changed' || lines.some(line => Private.varies(line, window))
    )
    .map(({ name, title, unit, scale, lines }) => {
      const shown = lines.filter(({ drawn = true }) => drawn);
      const highest = Math.max(...shown.map(line => Private.highest(line, window)));
      const { name: unitName, factor } = unitFor(unit, highest);
      const series = shown.map(line => ({
        name: line.column,
        label: line.label,
        values: (now: SampleWindow) => Private.values(line, now, 1 / factor)
      }));
      return { name, title, unit: unitName, scale, series };
    });
}

/** The current values in words: what they are of, and how much it is. */
export function facts(
  window: SampleWindow,
  trans: ITranslate = english,
  locale?: string
): [title: string, words: string][] {
  return Private.found(window, trans)
    .filter(({ told = true }) => told)
    .map(({ title, unit, total, lines }): [string, string] => {
      const latest = lines.flatMap(line => {
        const value = Private.latest(line, window);
        return value === undefined ? [] : [{ ...line, said: amount(value, unit, locale) }];
      });
      const whole = latest.find(({ column }) => column === total);
      const parts = latest.filter(line => line !== whole);
      if (whole && parts.length > 0) {
        return [
          title,
          parts.map(p => trans.__('%1 of %2 %3', p.said, whole.said, p.label)).join(', ')
        ];
      }
      const words = latest.map(({ label, said }) =>
        latest.length > 1 ? `${label} ${said}` : said
      );
      return [title, words.join(', ')];
    })
    .filter(([, words]) => words !== '');
}

/** The current values as one line of text. */
export function describe(
  window: SampleWindow,
  trans: ITranslate = english,
  locale?: string
): string {
  return facts(window, trans, locale)
    .map(([title, words]) => `${title}: ${words}`)
    .join('; ');
}

/**
 * The samples worth drawing in `width` columns of pixels: of each column of samples the first, and the lowest
 * and highest value of each line, so that no peak is lost.
 */
export function decimate(lines: readonly Float64Array[], size: number, width: number): Uint32Array {
  const buckets = Math.max(1, Math.floor(width));
  if (size <= 2 * buckets) {
    return Uint32Array.from({ length: size }, (_, at) => at);
  }
  const keep = new Uint8Array(size);
  keep[size - 1] = 1;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = Math.floor((bucket * size) / buckets);
    const end = Math.floor(((bucket + 1) * size) / buckets);
    keep[start] = 1;
    for (const line of lines) {
      let low = start;
      let high = start;
      for (let at = start + 1; at < end; at++) {
        if (line[at] < line[low] || Number.isNaN(line[low])) {
          low = at;
        }
        if (line[at] > line[high] || Number.isNaN(line[high])) {
          high = at;
        }
      }
      keep[low] = 1;
      keep[high] = 1;
    }
  }
  const indices: number[] = [];
  keep.forEach((kept, at) => kept && indices.push(at));
  return Uint32Array.from(indices);
}

namespace Private {
  /** The charts that the window has something for, with the lines that it has. */
  export function found(window: SampleWindow, trans: ITranslate): IChart[] {
    const known = charts(trans);
    const has = ({ column }: ILine): boolean => window.last(column) !== undefined;
    const used = new Set(known.flatMap(({ lines }) => lines.map(({ column }) => column)));
    const itsOwn = window.names
      .filter(name => !used.has(name) && !name.startsWith('latency_p'))
      .map(name => chartOf(name, trans));
    return [...known, ...itsOwn]
      .map(chart => ({ ...chart, lines: chart.lines.filter(has) }))
      .filter(({ lines }) => lines.length > 0)
      .filter(({ when, lines }) => when !== 'not zero' || lines.some(l => window.last(l.column)));
  }

  /** The chart of a figure of the run's own: how it is shown may be known from how its name ends. */
  function chartOf(name: string, trans: ITranslate): IChart {
    const known = own(trans).find(each => name.endsWith(each.ending));
    const { ending = '', unit = '', factor } = known ?? {};
    const label = name.slice(0, name.length - ending.length).replaceAll('_', ' ');
    const title = label.charAt(0).toUpperCase() + label.slice(1);
    return { name, title, unit, scale: 'linear', lines: [{ column: name, label, factor }] };
  }

  /** The values of a line, in its chart's unit. */
  export function values(
    { column, rate: isCounter = false, factor = 1 }: ILine,
    window: SampleWindow,
    scaled = 1
  ): Float64Array {
    const found = window.column(column) ?? new Float64Array(window.size).fill(NaN);
    const shown = isCounter ? rate(window.time, found) : found;
    return factor * scaled === 1 ? shown : shown.map(value => value * factor * scaled);
  }

  /** The latest value of a line that is a number. */
  export function latest(line: ILine, window: SampleWindow): number | undefined {
    return values(line, window).findLast(value => Number.isFinite(value));
  }

  /** The highest value of a line; 0 where there is none above it. */
  export function highest(line: ILine, window: SampleWindow): number {
    return values(line, window).reduce((high, value) => (value > high ? value : high), 0);
  }

  /** Whether a line has two values that differ. */
  export function varies(line: ILine, window: SampleWindow): boolean {
    const known = values(line, window).filter(value => Number.isFinite(value));
    return known.some(value => value !== known[0]);
  }
}
