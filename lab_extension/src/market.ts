/** The market's entries in words. */

import type { ITranslate } from './live/figures';
import type { IMarket, MarketEntry } from './records';

/** Whether there is nothing to show. */
export function isEmpty({ calls, offers, receipts, ledger, reason }: IMarket): boolean {
  return calls.length + offers.length + receipts.length === 0 && !ledger && !reason;
}

/** What an entry is called. */
export function titleOf(entry: MarketEntry): string {
  const found = [entry.title, entry.name, entry.job, entry.id].find(
    value => typeof value === 'string' && value
  );
  return String(found ?? '?');
}

/** An amount of money for people. */
export function sat(amount: number): string {
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 }).format(amount)} sat`;
}

/** The numbers of an entry: what ends in `_msat` or `_sat` as money, others as they are. */
export function amounts(entry: MarketEntry): [string, string][] {
  return Object.entries(entry).flatMap(([key, value]): [string, string][] => {
    const name = key.replace(/_m?sat$/, '').replaceAll('_', ' ');
    const share = key.endsWith('_msat') ? 1e-3 : 1;
    if (typeof value === 'number' && !HIDDEN.includes(key)) {
      return [
        [name, key.endsWith('sat') ? sat(value * share) : new Intl.NumberFormat().format(value)]
      ];
    }
    if (key.endsWith('sat') && typeof value === 'object' && value !== null) {
      return Object.entries(value).map(([account, amount]) => [
        account,
        sat(Number(amount) * share)
      ]);
    }
    return [];
  });
}

/** What came of a round, for a receipt; nothing for calls and offers. */
export function verdictOf({ accepted, reason }: MarketEntry, trans: ITranslate): string {
  if (typeof accepted !== 'boolean') {
    return '';
  }
  const word = accepted ? `✓ ${trans.__('accepted')}` : `✗ ${trans.__('refused')}`;
  return reason ? `${word}: ${String(reason)}` : word;
}

/** Numbers that say nothing to people. */
const HIDDEN = ['schema_version', 'created_at', 'bids_until', 'expires', 'kind'];
