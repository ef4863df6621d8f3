import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { decimate, figures, rate } from '../src/live/figures';
import { SampleWindow } from '../src/live/window';

/** Numbers as JSON has them: null is no value. */
type Numbers = (number | null)[];

/** The cases that Python is tried with too. */
const cases = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures', 'charts.json'), 'utf8')
) as {
  rate: { name: string; time: Numbers; count: Numbers; rates: Numbers }[];
  charts: {
    name: string;
    time: Numbers;
    columns: Record<string, Numbers>;
    charts: [string, string, Record<string, Numbers>][];
  }[];
  decimate: { name: string; lines: Numbers[]; width: number; kept: number[] }[];
};

const floats = (numbers: Numbers): Float64Array =>
  Float64Array.from(numbers, value => value ?? NaN);
const rounded = (values: Float64Array): Numbers =>
  Array.from(values, value => (Number.isNaN(value) ? null : Number(value.toPrecision(12))));

for (const { name, time, count, rates } of cases.rate) {
  test(`rate: ${name}`, () => {
    assert.deepEqual(rounded(rate(floats(time), floats(count))), rounded(floats(rates)));
  });
}

for (const { name, time, columns, charts } of cases.charts) {
  test(`charts: ${name}`, () => {
    const window = new SampleWindow();
    const entries = Object.entries(columns).map(([key, values]) => [key, floats(values)] as const);
    const frame = { seq: time.length, reset: true, time: floats(time), columns: new Map(entries) };
    window.merge(frame);
    const found = figures(window).map(({ title, unit, series }) => {
      const lines = series.map(line => [line.label, rounded(line.values(window))] as const);
      return [title, unit, Object.fromEntries(lines)];
    });
    assert.deepEqual(found, charts);
  });
}

for (const { name, lines, width, kept } of cases.decimate) {
  test(`decimate: ${name}`, () => {
    assert.deepEqual([...decimate(lines.map(floats), lines[0].length, width)], kept);
  });
}
