import assert from 'node:assert/strict';
import { test } from 'node:test';

import { literal, pythonCall } from '../src/python';

test('a call is written as people write Python', () => {
  const line = pythonCall('ph.attach("anna").start', ['kafka'], {
    nodes: 2,
    keep: null,
    fast: true,
    slow: false,
    topics: ['a', 'b'],
    limits: { cpu: 1.5 }
  });
  assert.equal(
    line,
    'ph.attach("anna").start("kafka", nodes=2, keep=None, fast=True, slow=False, ' +
      'topics=["a", "b"], limits={"cpu": 1.5})'
  );
});

test('quotes and line ends stay within their literal', () => {
  assert.equal(literal('a"b\n'), '"a\\"b\\n"');
});
