import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { decodeFrame } from '../src/live/frame';

const bytes = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, 'fixtures', `${name}.bin`)));

test('a frame that Python encoded has the same numbers', () => {
  const frame = decodeFrame(bytes('snapshot'));
  assert.equal(frame.seq, 3);
  assert.equal(frame.reset, true);
  assert.deepEqual([...frame.time], [1000, 1000.1, 1000.2]);
  assert.deepEqual([...frame.columns.keys()], ['produced', 'lag', 'latency_p50']);
  assert.deepEqual([...frame.columns.get('lag')!], [0, 4, 2]);
  assert.deepEqual([...frame.columns.get('latency_p50')!], [NaN, NaN, 0.004]);
});

test('an increment says that it follows', () => {
  const frame = decodeFrame(bytes('increment'));
  assert.deepEqual([frame.seq, frame.reset, frame.time.length], [5, false, 2]);
});

test('a frame may have no samples', () => {
  const frame = decodeFrame(bytes('empty'));
  assert.deepEqual([frame.seq, frame.time.length, frame.columns.size], [5, 0, 0]);
});

test('a frame may begin anywhere in its buffer', () => {
  const data = bytes('snapshot');
  for (const offset of [1, 3, 8]) {
    const buffer = new Uint8Array(data.length + offset + 5);
    buffer.set(data, offset);
    const frame = decodeFrame(new DataView(buffer.buffer, offset, data.length));
    assert.deepEqual([...frame.time], [1000, 1000.1, 1000.2]);
  }
});

test('what is not a whole frame is refused', () => {
  const data = bytes('snapshot');
  assert.throws(() => decodeFrame(data.subarray(0, data.length - 8)), RangeError);
  assert.throws(() => decodeFrame(new Uint8Array(2)), RangeError);
  const text = new TextEncoder().encode('{"seq": 1}  ');
  assert.throws(() => decodeFrame(new Uint8Array([text.length, 0, 0, 0, ...text])), RangeError);
});
