/** Services below their pilot in the side bar. */

import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, copyIcon, stopIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { dashboardIcon, shrinkIcon } from '../icons';
import { kindOf } from '../records';
import type { IRunRecord, IService } from '../records';
import type { IPilothouse } from '../tokens';

import { Reason, State } from './parts';
import { RunItem } from './run_item';
import type { IAction } from './run_item';

/** A service that goes on: its engine, address, latest figures and nodes. */
export function Service(props: {
  run: IRunRecord;
  model: IPilothouse;
  commands: CommandRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const { run, model, commands, trans } = props;
  const { name, state, pilot } = run;
  const service = model.services.find(each => each.name === name);
  const stays = state !== 'stopping';
  const before: readonly IAction[] = [
    [CommandIDs.extendService, addIcon, trans.__('One more node')],
    [CommandIDs.shrinkService, shrinkIcon, trans.__('One node less')]
  ];
  const pages: readonly IAction[] = [
    [CommandIDs.openPages, dashboardIcon, trans.__('Show its own pages')]
  ];
  const after: readonly IAction[] = [[CommandIDs.stopRun, stopIcon, trans.__('Stop the service')]];
  return (
    <RunItem
      {...{ run, commands, trans }}
      className="pilothouse-mod-service"
      label={trans.__('Service %1 on pilot %2', name, pilot ?? '')}
      facts={[kindOf(run), service && counted(service, trans)]}
      before={stays ? before : []}
      after={[...(service?.dashboard ? pages : []), ...(stays ? after : [])]}
    >
      {service?.address && <Address address={service.address} name={name} trans={trans} />}
      <Figures figures={model.figures(name, trans)} />
      {service && service.members.length > 0 && <Members {...{ service, model, trans }} />}
    </RunItem>
  );
}

function counted({ members, wanted }: IService, trans: TranslationBundle): string {
  const serving = members.filter(({ state }) => state === 'running').length;
  return trans._n('%2 of %1 node', '%2 of %1 nodes', wanted, serving);
}

/** Figures in words, a line for what each is of. */
function Figures(props: { figures: readonly (readonly [string, string])[] }): JSX.Element | null {
  return props.figures.length === 0 ? null : (
    <dl className="pilothouse-Figures">
      {props.figures.map(([title, words]) => (
        <React.Fragment key={title}>
          <dt>{title}</dt>
          <dd>{words}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

/** The nodes of a service, folded away: of each its role, its state and reason, and its figures. */
function Members(props: {
  service: IService;
  model: IPilothouse;
  trans: TranslationBundle;
}): JSX.Element {
  const { service, model, trans } = props;
  return (
    <details className="pilothouse-Nodes">
      <summary>{trans.__('Nodes')}</summary>
      <ul aria-label={trans.__('Nodes of %1', service.name)}>
        {service.members.map(({ number, node, role, state, reason }) => (
          <li key={number}>
            {node} <State state={state} trans={trans} />{' '}
            <span className="pilothouse-Item-facts">{role}</span>
            {reason && <Reason text={reason} />}
            <Figures figures={model.figures(service.name, trans, number)} />
          </li>
        ))}
      </ul>
    </details>
  );
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
