import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { IFrame } from '../src/live/frame';
import { SampleWindow } from '../src/live/window';

/** The samples `from … to`: at second `n`, with the value `10 n`. */
const samples = (from: number, to: number, reset: boolean, name = 'value'): IFrame => {
  const time = Float64Array.from({ length: to - from + 1 }, (_, at) => from + at);
  return { seq: to, reset, time, columns: new Map([[name, time.map(second => 10 * second)]]) };
};

test('increments follow a snapshot', () => {
  const window = new SampleWindow();
  assert.equal(window.merge(samples(1, 3, true)), 'changed');
  assert.equal(window.merge(samples(4, 6, false)), 'changed');
  assert.deepEqual([...window.time], [1, 2, 3, 4, 5, 6]);
  assert.equal(window.last('value'), 60);
  assert.equal(window.seq, 6);
});

test('an increment before the first snapshot is a gap', () => {
  const window = new SampleWindow();
  assert.equal(window.merge(samples(1, 3, false)), 'gap');
  assert.equal(window.size, 0);
});

test('a missing increment is a gap, and nothing is taken in until a snapshot comes', () => {
  const window = new SampleWindow();
  window.merge(samples(1, 3, true));
  assert.equal(window.merge(samples(5, 6, false)), 'gap');
  assert.equal(window.size, 3);
  assert.equal(window.merge(samples(1, 7, true)), 'changed');
  assert.deepEqual([...window.time], [1, 2, 3, 4, 5, 6, 7]);
});

test('what is known already is skipped', () => {
  const window = new SampleWindow();
  window.merge(samples(1, 5, true));
  assert.equal(window.merge(samples(2, 4, false)), 'unchanged');
  assert.equal(window.merge(samples(4, 7, false)), 'changed');
  assert.deepEqual([...window.time], [1, 2, 3, 4, 5, 6, 7]);
});

test('a column that comes later has no values before', () => {
  const window = new SampleWindow();
  window.merge(samples(1, 2, true));
  window.merge(samples(3, 3, false, 'loss'));
  assert.deepEqual([...window.column('loss')!], [NaN, NaN, 30]);
  assert.deepEqual([...window.column('value')!], [10, 20, NaN]);
  assert.equal(window.last('value'), 20);
});

test('a reset forgets the columns that are gone', () => {
  const window = new SampleWindow();
  window.merge(samples(1, 2, true, 'old'));
  window.merge(samples(1, 2, true, 'new'));
  assert.deepEqual(window.names, ['new']);
});

test('a full window asks for the thinned snapshot, and grows again from it', () => {
  const window = new SampleWindow(8);
  window.merge(samples(1, 8, true));
  assert.equal(window.merge(samples(9, 9, false)), 'gap');
  assert.equal(window.size, 8);
  window.merge(samples(5, 9, true));
  assert.equal(window.merge(samples(10, 10, false)), 'changed');
  assert.deepEqual([...window.time], [5, 6, 7, 8, 9, 10]);
});
