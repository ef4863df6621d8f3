/** Services below their pilot in the side bar. */

import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, copyIcon, listIcon, stopIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { dashboardIcon, pilothouseIcon, shrinkIcon } from '../icons';
import { kindOf } from '../records';
import type { IRunRecord, IService } from '../records';

import { Action, State } from './parts';

/** A service that goes on: its engine, nodes, address and latest figures. */
export function Service(props: {
  run: IRunRecord;
  /** Once it is known. */
  service?: IService;
  figures: string;
  commands: CommandRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const { run, service, figures, commands, trans } = props;
  const { name, state, reason } = run;
  const action = { commands, name };
  const open = trans.__('Open live plots');
  return (
    <li
      className="pilothouse-Item pilothouse-mod-run pilothouse-mod-service"
      data-pilothouse={name}
      aria-label={trans.__('Service %1 on pilot %2', name, run.pilot ?? '')}
    >
      <div className="pilothouse-Item-head">
        <button
          type="button"
          className="pilothouse-Item-name pilothouse-Link"
          title={`${open}: ${name}`}
          onClick={() => void commands.execute(CommandIDs.openRun, { name })}
        >
          {name}
        </button>
        <State state={state} trans={trans} />
      </div>
      <div className="pilothouse-Item-facts">
        {[kindOf(run), service && nodes(service, trans)].filter(Boolean).join(' · ')}
      </div>
      {service?.address && <Address address={service.address} name={name} trans={trans} />}
      {figures && <div className="pilothouse-Item-facts">{figures}</div>}
      {reason && <div className="pilothouse-Item-reason">{reason}</div>}
      <div className="pilothouse-Item-actions">
        {state !== 'stopping' && (
          <>
            <Action
              {...action}
              id={CommandIDs.extendService}
              icon={addIcon}
              label={trans.__('One more node')}
            />
            <Action
              {...action}
              id={CommandIDs.shrinkService}
              icon={shrinkIcon}
              label={trans.__('One node less')}
            />
          </>
        )}
        <Action {...action} id={CommandIDs.openRun} icon={pilothouseIcon} label={open} />
        {service?.dashboard && (
          <Action
            {...action}
            id={CommandIDs.openPages}
            icon={dashboardIcon}
            label={trans.__('Show its own pages')}
          />
        )}
        <Action
          {...action}
          id={CommandIDs.runLogs}
          icon={listIcon}
          label={trans.__('Show the log')}
        />
        <Action
          {...action}
          id={CommandIDs.copyPython}
          icon={copyIcon}
          label={trans.__('Copy Python line')}
        />
        {state !== 'stopping' && (
          <Action
            {...action}
            id={CommandIDs.stopRun}
            icon={stopIcon}
            label={trans.__('Stop the service')}
          />
        )}
      </div>
    </li>
  );
}

function nodes({ members, wanted }: IService, trans: TranslationBundle): string {
  const serving = members.filter(({ state }) => state === 'running').length;
  return trans._n('%2 of %1 node', '%2 of %1 nodes', wanted, serving);
}

function Address(props: { address: string; name: string; trans: TranslationBundle }): JSX.Element {
  const { address, name, trans } = props;
  const label = trans.__('Copy the address');
  const copy = (): void => {
    Clipboard.copyToSystem(address);
    Notification.info(trans.__('Copied: %1', address), { autoClose: 2000 });
  };
  return (
    <div className="pilothouse-Address">
      <code title={address}>{address}</code>
      <button
        type="button"
        className="pilothouse-Action"
        title={label}
        aria-label={`${label} (${name})`}
        onClick={copy}
      >
        <copyIcon.react tag="span" elementSize="small" />
      </button>
    </div>
  );
}
