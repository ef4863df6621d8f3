import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decimate, describe, facts, figures, rate } from '../src/live/figures';
import { SampleWindow } from '../src/live/window';

const windowOf = (columns: Record<string, number[]>, time = [0, 1, 2]): SampleWindow => {
  const window = new SampleWindow();
  const arrays = Object.entries(columns).map(
    ([name, values]) => [name, Float64Array.from(values)] as const
  );
  const frame = { seq: time.length, reset: true, time: Float64Array.from(time) };
  window.merge({ ...frame, columns: new Map(arrays) });
  return window;
};

test('a steady counter has a steady rate, whatever the spacing of its samples', () => {
  const time = Float64Array.from([0, 0.1, 0.35, 1, 1.1, 1.9, 2, 30]);
  const rates = rate(
    time,
    time.map(second => 50 * second)
  );
  assert.ok(Number.isNaN(rates[0]));
  rates.subarray(1).forEach(value => assert.ok(Math.abs(value - 50) < 1e-9));
});

test('a rate is taken over a second: a batch is not a peak', () => {
  const time = Float64Array.from({ length: 31 }, (_, at) => at / 10);
  const batches = time.map(second => 100 * Math.floor(second + 1e-9)); // 100 at once, each second
  const rates = rate(time, batches).subarray(11);
  rates.forEach(value => assert.ok(value > 80 && value < 220, String(value)));
});

test('a counter that goes back makes no rate', () => {
  const rates = rate(Float64Array.from([0, 1, 2, 3]), Float64Array.from([10, 20, 0, 5]));
  assert.deepEqual([...rates], [NaN, 10, NaN, 5]);
});

test('only what has data is shown, a run’s own figures last', () => {
  const window = windowOf({
    produced: [0, 10, 20],
    consumed_bytes: [0, 1e6, 3e6],
    lag: [NaN, NaN, NaN],
    dropped: [0, 0, 0],
    latency_p50: [NaN, 0.002, 0.004],
    latency_p99: [NaN, 0.02, 0.04],
    centre_shift: [3, 2, 1]
  });
  const shown = figures(window);
  assert.deepEqual(
    shown.map(figure => figure.title),
    ['Throughput', 'Data rate', 'Latency', 'Centre shift']
  );
  const [, bytes, latency] = shown;
  assert.deepEqual([...bytes.series[0].values(window)], [NaN, 1, 2]); // MB/s
  assert.deepEqual([...latency.series[1].values(window)], [NaN, 20, 40]); // ms
  assert.equal(latency.scale, 'log');
});

test('dropped messages are shown once there are some', () => {
  const shown = figures(windowOf({ dropped: [0, 0, 2] }));
  assert.deepEqual(
    shown.map(figure => figure.name),
    ['dropped']
  );
});

test('the current values are a line of text', () => {
  const window = windowOf({ produced: [0, 10, 22], lag: [0, 5, 1234.5], loss: [1, 0.5, NaN] });
  const text = describe(window, undefined, 'en');
  assert.equal(text, 'Throughput: 12 messages/s; Lag: 1,235 messages; Loss: 0.5');
});

test('bytes are said in the size in which they are short, and what is used with what there is of it', () => {
  const window = windowOf({
    nodes: [2, 2, 2],
    bytes_in: [0, 2e6, 4e6],
    bytes_out: [0, 512, 1524],
    partitions: [24, 24, 24],
    leaders: [12, 12, 12],
    under_replicated: [0, 0, 0],
    cores: [4, 4, 4],
    cores_used: [0, 1, 2],
    memory: [NaN, NaN, 2 ** 31],
    disk_used: [0, 0, 49_152],
    disk_free: [1.5e11, 1.5e11, 1.5e11]
  });
  assert.deepEqual(facts(window, undefined, 'en'), [
    ['Traffic', 'in 2 MB/s, out 1.01 kB/s'],
    ['Partitions', 'replicas 24, leaders 12'],
    ['Cores', '2 of 4 in use'],
    ['Memory', '2 GiB'],
    ['Disk', 'in use 48 KiB, free 140 GiB']
  ]);
});

test('what never changes is said, not drawn', () => {
  const window = windowOf({ nodes: [2, 2, 2], partitions: [4, 4, 4], words: [1, 1, 1] });
  assert.deepEqual(
    figures(window).map(figure => figure.name),
    ['words']
  );
  assert.equal(describe(window), 'Partitions: 4; Words: 1');
});

test('few samples are all drawn', () => {
  assert.deepEqual([...decimate([new Float64Array(5)], 5, 100)], [0, 1, 2, 3, 4]);
});

test('many samples are thinned to the width, with all peaks and both ends', () => {
  const size = 10_000;
  const line = Float64Array.from({ length: size }, (_, at) => Math.sin(at / 50));
  line[0] = NaN;
  line[4321] = 99;
  line[8765] = -99;
  const kept = decimate([line, new Float64Array(size)], size, 200);
  assert.ok(kept.length <= 200 * 5 + 1);
  assert.ok([0, 4321, 8765, size - 1].every(index => kept.includes(index)));
  assert.deepEqual(
    [...kept],
    [...kept].sort((one, other) => one - other)
  );
});
