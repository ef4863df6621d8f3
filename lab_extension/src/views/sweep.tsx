/** Jobs that no pilot wants any more: what, where and why, before they are ended. */

import { Dialog, Notification, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { stateName } from '../live/status';
import type { IOrphans } from '../records';
import type { IPilothouse } from '../tokens';
import { confirmEnd } from './confirm';

/** List the orphans, and end them when the user says so. */
export async function askForSweep(model: IPilothouse, trans: TranslationBundle): Promise<void> {
  const found = await model.orphans();
  const count = found.items.length;
  const body = ReactWidget.create(<Orphans {...{ found, model, trans }} />);
  body.addClass('pilothouse-Orphans');
  if (!count) {
    const buttons = [Dialog.okButton({ label: trans.__('Close') })];
    await showDialog({ title: trans.__('No orphaned jobs'), body, buttons });
    return;
  }
  const sure = await confirmEnd({
    title: trans._n('End %1 orphaned job?', 'End %1 orphaned jobs?', count),
    body,
    keep: trans.__('Keep them'),
    end: trans._n('End the job', 'End %1 jobs', count)
  });
  if (sure) {
    const ended = (await model.sweep()).items.length;
    Notification.success(
      trans._n('%1 orphaned job was ended.', '%1 orphaned jobs were ended.', ended),
      { autoClose: 5000 }
    );
  }
}

function Orphans(props: {
  found: IOrphans;
  model: IPilothouse;
  trans: TranslationBundle;
}): JSX.Element {
  const { found, model, trans } = props;
  const lost = model.pilots.filter(({ name, state }) => {
    return state === 'lost' && found.items.some(orphan => orphan.pilot === name);
  });
  return (
    <>
      {found.items.length > 0 ? (
        <table>
          <caption>{trans.__('Jobs of yours that no pilot wants any more')}</caption>
          <thead>
            <tr>
              {[
                trans.__('Job'),
                trans.__('Site'),
                trans.__('Node'),
                trans.__('State'),
                trans.__('Why')
              ].map(heading => (
                <th key={heading} scope="col">
                  {heading}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.items.map(({ site, job, node, state, why }) => (
              <tr key={`${site} ${job}`}>
                <th scope="row">{job}</th>
                <td>{site}</td>
                <td>{node}</td>
                <td>{stateName(state, trans)}</td>
                <td>{why}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p>{trans.__('All your jobs belong to pilots that go on.')}</p>
      )}
      {lost.length > 0 && (
        <p>
          {trans.__(
            'What is ended cannot be recovered. Recover first what you want to keep: %1.',
            lost.map(({ name }) => name).join(', ')
          )}
        </p>
      )}
      {found.unseen.map(line => (
        <p key={line} className="pilothouse-Live-notice">
          {line}
        </p>
      ))}
    </>
  );
}
