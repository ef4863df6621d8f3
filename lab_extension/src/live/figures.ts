/** Which pictures a run's telemetry makes, and the numbers in them. */

import { charts, own, RATE_SPAN } from './charts';
import type { ILine } from './charts';
import type { SampleWindow } from './window';

/** What translates the texts: a Jupyter translation bundle, or {@link english}. */
export interface ITranslate {
  __(text: string): string;
}

/** Texts as they are written here. */
export const english: ITranslate = { __: text => text };

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
  const known = charts(trans);
  const has = (name: string): boolean => window.last(name) !== undefined;
  const found = known
    .map(({ lines, ...chart }) => ({
      ...chart,
      series: lines.filter(({ column }) => has(column)).map(Private.series)
    }))
    .filter(({ series }) => series.length > 0)
    .filter(({ unlessZero, series }) => !unlessZero || series.some(line => latest(line, window)));
  const used = new Set(known.flatMap(({ lines }) => lines.map(({ column }) => column)));
  const figuresOfItsOwn = window.names
    .filter(name => !used.has(name) && !name.startsWith('latency_p') && has(name))
    .map(name => {
      const {
        ending = '',
        unit = '',
        factor = 1
      } = own(trans).find(each => name.endsWith(each.ending)) ?? {};
      const label = name.slice(0, name.length - ending.length).replaceAll('_', ' ');
      const title = label.charAt(0).toUpperCase() + label.slice(1);
      const series = [Private.series({ column: name, label, rate: false, factor })];
      return { name, title, unit, scale: 'linear' as const, series };
    });
  return [...found, ...figuresOfItsOwn];
}

/** The latest value of a line that is a number. */
export function latest(series: ISeries, window: SampleWindow): number | undefined {
  return series.values(window).findLast(value => Number.isFinite(value));
}

/** A number for people: four digits, thousands apart. */
export function format(value: number, locale?: string): string {
  return new Intl.NumberFormat(locale, { maximumSignificantDigits: 4 }).format(value);
}

/** The current values as one line of text. */
export function describe(shown: readonly IFigure[], window: SampleWindow, locale?: string): string {
  const parts = shown.map(figure => {
    const values = figure.series.flatMap(series => {
      const value = latest(series, window);
      if (value === undefined) {
        return [];
      }
      return [(figure.series.length > 1 ? `${series.label} ` : '') + format(value, locale)];
    });
    return `${figure.title}: ${values.join(', ')} ${figure.unit}`.trim();
  });
  return parts.join('; ');
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
  /** A line of a chart, for a window. */
  export function series({ column, label, rate: isCounter, factor }: ILine): ISeries {
    const values = (window: SampleWindow): Float64Array => {
      const found = window.column(column) ?? new Float64Array(window.size).fill(NaN);
      const shown = isCounter ? rate(window.time, found) : found;
      return factor === 1 ? shown : shown.map(value => value * factor);
    };
    return { name: column, label, values };
  }
}
