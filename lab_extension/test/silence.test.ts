import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Silence } from '../src/live/silence';

test('who hears nothing asks, and says so when there is no answer', () => {
  const silence = new Silence(0);
  assert.equal(silence.look(Silence.PATIENCE - 1), 'fine');
  assert.equal(silence.look(Silence.PATIENCE), 'ask');
  assert.equal(silence.look(2 * Silence.PATIENCE - 1), 'fine');
  assert.equal(silence.look(2 * Silence.PATIENCE), 'silent');
  silence.heard(2 * Silence.PATIENCE + 1);
  assert.equal(silence.look(2 * Silence.PATIENCE + 2), 'fine');
});

test('a page that slept asks before it complains', () => {
  const silence = new Silence(0);
  assert.equal(silence.look(100 * Silence.PATIENCE), 'ask');
  silence.heard(100 * Silence.PATIENCE + 1);
  assert.equal(silence.look(100 * Silence.PATIENCE + 2), 'fine');
});

test('it says since when, and what helps', () => {
  const began = new Date(2026, 10, 30, 8, 51, 7).getTime();
  const silence = new Silence(began);
  const words = silence.words('news', began + 60_000);
  assert.ok(words.includes(new Date(began).toLocaleTimeString()));
  assert.ok(words.includes('ph.attach("news")'));
  const later = silence.words('news', began + 86_400_000);
  assert.ok(later.includes(new Date(began).toLocaleString()), 'yesterday is no time of day');
});
