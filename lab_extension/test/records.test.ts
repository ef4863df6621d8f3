import assert from 'node:assert/strict';
import { test } from 'node:test';

import { english } from '../src/live/figures';
import { howFar } from '../src/live/status';
import { amounts, isEmpty, titleOf, verdictOf } from '../src/market';
import {
  duration,
  isOver,
  isRecoverable,
  progressOf,
  pythonLine,
  secondsUntil,
  withNews,
  withRecord
} from '../src/records';
import type { IPilotRecord, IRecord, IRunRecord } from '../src/records';

const record = (name: string, state: IRecord['state']): IRecord => ({ name, state, reason: '' });

test('events replace, add and remove records', () => {
  const records = [record('b', 'running'), record('a', 'running')];
  const names = (list: readonly { name: string; state: string }[]): string[] =>
    list.map(({ name, state }) => `${name} ${state}`);
  assert.deepEqual(names(withRecord(records, record('a', 'finished'), 'changed')), [
    'b running',
    'a finished'
  ]);
  assert.deepEqual(names(withRecord(records, record('c', 'pending'), 'created')), [
    'c pending',
    'b running',
    'a running'
  ]);
  assert.deepEqual(names(withRecord(records, record('b', 'lost'), 'removed')), ['a running']);
});

test('a list that was asked for before an event came does not take the event back', () => {
  const known = [record('new', 'running'), record('a', 'finished'), record('b', 'running')];
  const listed = [record('gone', 'running'), record('a', 'running'), record('b', 'lost')];
  const found = withNews(listed, known, new Set(['new', 'a', 'gone']));
  assert.deepEqual(
    found.map(({ name, state }) => `${name} ${state}`),
    ['new running', 'a finished', 'b lost']
  );
});

test('a service tells how far it is while something of it moves, and a run always', () => {
  const run = (kind: string, done: number): IRunRecord => {
    const progress = { done, total: 4 << 20, unit: 'bytes' };
    return { ...record('a', 'running'), kind, progress } as IRunRecord;
  };
  assert.equal(progressOf(run('service', 4 << 20)), null);
  assert.equal(howFar(progressOf(run('service', 1536 << 10))!), '1.5 MiB / 4 MiB');
  assert.ok(progressOf(run('task', 4 << 20)));
  assert.equal(howFar({ done: 2.004, total: 3, unit: 'frames' }), '2 / 3 frames');
});

test('a record that can not be read is over', () => {
  assert.ok(isOver(record('a', 'unreadable')));
  assert.ok(!isOver(record('a', 'stopping')));
});

test('a state that is none, and a field that is none, are errors when this is compiled', () => {
  const seen: string[] = [];
  const look = (pilot: IPilotRecord): void => {
    // @ts-expect-error: there is no such state
    if (pilot.state === 'runing') {
      seen.push('state');
    }
    // @ts-expect-error: there is no such field
    if (pilot.lease_ends) {
      seen.push('field');
    }
    if (pilot.state !== 'unreadable') {
      seen.push(`${pilot.site.length} ${pilot.nodes.length}`); // whole where it can be read
    }
  };
  look({ ...record('a', 'unreadable'), state: 'unreadable', path: 'a.json' });
  assert.deepEqual(seen, []);
});

test('a lost pilot can be recovered while its lease lasts', () => {
  const lost = { state: 'lost', lease_end: '1970-01-01T00:01:00Z' } as const;
  assert.ok(isRecoverable(lost, 0));
  assert.ok(!isRecoverable(lost, 61_000));
  assert.ok(!isRecoverable({ ...lost, state: 'running' }, 0));
  assert.ok(!isRecoverable({ state: 'lost', lease_end: null }, 0));
});

test('durations are two words at most', () => {
  assert.deepEqual(
    [-1, 59, 61, 3600, 7500, 90_000].map(seconds => duration(seconds)),
    ['0 s', '59 s', '1 min', '1 h', '2 h 5 min', '1 d 1 h']
  );
  assert.equal(secondsUntil(null, 0), undefined);
  assert.equal(secondsUntil('1970-01-01T00:01:00Z', 0), 60);
});

test('the Python line names the thing', () => {
  assert.equal(pythonLine('alpha'), 'ph.attach("alpha")');
});

test('amounts of the market are shown in sat', () => {
  const entry = { job: 'digits', price_msat: 2_500, rounds: 3, schema_version: 1 };
  assert.equal(titleOf(entry), 'digits');
  assert.deepEqual(amounts(entry), [
    ['price', '2.5 sat'],
    ['rounds', '3']
  ]);
  assert.deepEqual(amounts({ balances_msat: { customer: 4000 } }), [['customer', '4 sat']]);
  assert.deepEqual(amounts({ price_sat: 2.5 }), [['price', '2.5 sat']]);
  assert.equal(verdictOf({ accepted: true, reason: '' }, english), '✓ accepted');
  assert.equal(verdictOf({ accepted: false, reason: 'late' }, english), '✗ refused: late');
  assert.equal(verdictOf(entry, english), '');
  assert.ok(isEmpty({ calls: [], offers: [], receipts: [], ledger: null, reason: '' }));
});
