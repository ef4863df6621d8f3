import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Tally } from '../src/tally';

test('what fails after another is told of in the same notice, each once', () => {
  const there = new Set(['n1']);
  const tally = new Tally(notice => there.has(notice));
  assert.deepEqual(tally.add('runs failed', 'a').notice, undefined);
  tally.tell('runs failed', 'n1');
  const { count, notice } = tally.add('runs failed', 'b');
  assert.deepEqual([count, notice], [2, 'n1']);
  assert.equal(tally.add('runs failed', 'b').count, 2);
  assert.equal(tally.add('pilots failed', 'p').count, 1);
});

test('a notice that was dismissed is counted no further', () => {
  const there = new Set(['n1']);
  const tally = new Tally(notice => there.has(notice));
  tally.add('runs failed', 'a');
  tally.tell('runs failed', 'n1');
  there.delete('n1');
  const { count, notice } = tally.add('runs failed', 'b');
  assert.deepEqual([count, notice], [1, undefined]);
});
