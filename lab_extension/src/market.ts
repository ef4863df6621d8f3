/** The market's entries in words. */

import type { IMarket, MarketEntry } from './records';

/** Whether there is nothing to show. */
export function isEmpty({ calls, offers, receipts, ledger }: IMarket): boolean {
  return calls.length + offers.length + receipts.length === 0 && !ledger;
}

/** What an entry is called. */
export function titleOf(entry: MarketEntry): string {
  const found = [entry.title, entry.name, entry.job, entry.id].find(
    value => typeof value === 'string' && value
  );
  return String(found ?? '?');
}

/** An amount for people: msat as sat. */
export function sat(msat: number): string {
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 }).format(msat / 1000)} sat`;
}

/** The numbers of an entry: what ends in `_msat` as sat, others as they are. */
export function amounts(entry: MarketEntry): [string, string][] {
  return Object.entries(entry).flatMap(([key, value]): [string, string][] => {
    const name = key.replace(/_msat$/, '').replaceAll('_', ' ');
    if (typeof value === 'number' && !HIDDEN.includes(key)) {
      return [[name, key.endsWith('_msat') ? sat(value) : new Intl.NumberFormat().format(value)]];
    }
    if (key.endsWith('_msat') && typeof value === 'object' && value !== null) {
      return Object.entries(value).map(([account, amount]) => [account, sat(Number(amount))]);
    }
    return [];
  });
}

/** Numbers that say nothing to people. */
const HIDDEN = ['schema_version', 'created_at', 'bids_until', 'expires', 'kind'];
