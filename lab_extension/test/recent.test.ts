import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Recent, summed } from '../src/live/recent';

test('a counter is a rate over the samples that are kept', () => {
  const recent = new Recent();
  recent.add(0, { bytes_in: 0, partitions: 4 });
  assert.deepEqual(recent.facts(), [['Partitions', '4']]);
  recent.add(2, { bytes_in: 6000, partitions: 8 });
  recent.add(4, { bytes_in: 8000, partitions: 8 });
  assert.deepEqual(recent.facts(), [
    ['Traffic', '2 kB/s'],
    ['Partitions', '8']
  ]);
});

test('figures that nobody has told anew make no rate of zero, but those that stay do', () => {
  const recent = new Recent();
  recent.add(0, { messages_in: 0 });
  recent.add(2, { messages_in: 200 });
  recent.add(3, { messages_in: 200 }); // asked for twice as often as they are told
  assert.deepEqual(recent.facts(), [['Messages', '100 messages/s']]);
  for (let time = 8; time < 40; time++) {
    recent.add(time, { messages_in: 200 });
  }
  assert.deepEqual(recent.facts(), [['Messages', '0 messages/s']]);
});

test('without figures there is nothing to say', () => {
  const recent = new Recent();
  recent.add(0, {});
  assert.deepEqual(recent.facts(), []);
});

test('figures of members are added up', () => {
  assert.deepEqual(summed([{ cores: 2 }, { cores: 4, workers: 2 }, {}]), { cores: 6, workers: 2 });
});
