/** The market in the side bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { amounts, isEmpty, titleOf, verdictOf } from '../market';
import type { MarketEntry } from '../records';

import { Notice, useSignal } from './parts';
import type { ISectionProps } from './pilots';

/** Calls, offers, receipts and the ledger. */
export function Market({ model, trans }: Omit<ISectionProps, 'commands'>): JSX.Element {
  useSignal(model.changed);
  const { market } = model;
  if (isEmpty(market)) {
    return <div>{!model.problem && <Notice>{trans.__('No trade yet.')}</Notice>}</div>;
  }
  return (
    <div>
      {market.reason && <Notice problem={market.reason}>{null}</Notice>}
      <Entries title={trans.__('Calls')} entries={market.calls} trans={trans} />
      <Entries title={trans.__('Offers')} entries={market.offers} trans={trans} />
      <Entries title={trans.__('Receipts')} entries={market.receipts} trans={trans} />
      {market.ledger && (
        <>
          <h3 className="pilothouse-Heading">{trans.__('Ledger')}</h3>
          <table className="pilothouse-Ledger">
            <tbody>
              {amounts(market.ledger).map(([name, amount]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{amount}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </div>
  );
}

function Entries(props: {
  title: string;
  entries: readonly MarketEntry[];
  trans: TranslationBundle;
}): JSX.Element | null {
  const { title, entries, trans } = props;
  if (entries.length === 0) {
    return null;
  }
  return (
    <>
      <h3 className="pilothouse-Heading">{title}</h3>
      <ul className="pilothouse-List">
        {entries.map((entry, at) => (
          <li className="pilothouse-Item" key={String(entry.id ?? at)}>
            <div className="pilothouse-Item-head">
              <span className="pilothouse-Item-name">{titleOf(entry)}</span>
            </div>
            {verdictOf(entry, trans) && (
              <div className="pilothouse-Item-reason">{verdictOf(entry, trans)}</div>
            )}
            <div className="pilothouse-Item-facts">
              {amounts(entry)
                .map(([name, amount]) => `${name} ${amount}`)
                .join(' · ')}
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}
