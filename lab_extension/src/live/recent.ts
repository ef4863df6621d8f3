/** The latest figures of something, in words: the few samples that rates need. */

import { facts } from './figures';
import type { ITranslate } from './figures';
import { SampleWindow } from './window';

/** How many samples are kept: rates are taken over all of them, for the times at which they are seen are not exact. */
const KEPT = 4;

/** Seconds for which figures may stay as they are because nobody has told newer ones. */
const STALE = 5;

/** Figures by name, such as a service's member tells them. */
export type Figures = Readonly<Record<string, number>>;

/** Keeps the latest samples of figures. */
export class Recent {
  /**
   * Take a sample in.
   *
   * @param time - seconds, of any clock.
   */
  add(time: number, values: Figures): void {
    const last = this._samples.at(-1);
    const isNews = !last || time - last.time > STALE || !same(last.values, values);
    if (isNews && Object.keys(values).length > 0) {
      this._samples = [...this._samples, { time, values }].slice(-KEPT);
    }
  }

  /** What they are of, and how much it is: counters as rates. */
  facts(trans?: ITranslate): [title: string, words: string][] {
    const [last] = this._samples.slice(-1);
    const samples = this._samples.length > 1 ? [this._samples[0], last] : this._samples;
    const names = new Set(samples.flatMap(({ values }) => Object.keys(values)));
    const columns = new Map(
      [...names].map(name => [name, Float64Array.from(samples, each => each.values[name] ?? NaN)])
    );
    const window = new SampleWindow(samples.length);
    const time = Float64Array.from(samples, each => each.time);
    window.merge({ seq: samples.length, reset: true, time, columns });
    return facts(window, trans);
  }

  private _samples: readonly { time: number; values: Figures }[] = [];
}

/** The sums of figures. */
export function summed(all: readonly Figures[]): Figures {
  const sums: Record<string, number> = {};
  for (const figures of all) {
    for (const [name, value] of Object.entries(figures)) {
      sums[name] = (sums[name] ?? 0) + value;
    }
  }
  return sums;
}

function same(one: Figures, other: Figures): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
