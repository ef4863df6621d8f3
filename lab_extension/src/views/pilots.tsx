/** The pilots in the side bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import {
  addIcon,
  closeIcon,
  copyIcon,
  deleteIcon,
  listIcon,
  redoIcon,
  refreshIcon
} from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { adaptIcon, dashboardIcon, prolongIcon, shrinkIcon, timelineIcon } from '../icons';
import { duration, isOver, isRecoverable, isService, runningNodes, secondsUntil } from '../records';
import type { IPilotRecord } from '../records';
import type { IPilothouse } from '../tokens';

import { Nodes } from './nodes';
import { Action, Ended, Notice, Reason, State, useNow, useSignal } from './parts';
import { Service } from './services';

/** What the sections of the side bar get. */
export interface ISectionProps {
  commands: CommandRegistry;
  model: IPilothouse;
  trans: TranslationBundle;
}

/** All pilots: the live ones, and the ended ones folded away. */
export function Pilots({ commands, model, trans }: ISectionProps): JSX.Element {
  useSignal(model.changed);
  const now = useNow(15_000);
  const isOpen = (pilot: IPilotRecord): boolean => !isOver(pilot) || isRecoverable(pilot, now);
  const live = model.pilots.filter(isOpen);
  const ended = model.pilots.filter(pilot => !isOpen(pilot));
  const alive = model.runs.filter(run => !isOver(run));
  const busy = new Set(alive.map(run => run.pilot));
  const item = (pilot: IPilotRecord): JSX.Element => (
    <React.Fragment key={pilot.name}>
      <Pilot busy={busy.has(pilot.name)} {...{ pilot, commands, trans, now }} />
      {alive
        .filter(run => isService(run) && run.pilot === pilot.name)
        .map(run => (
          <Service key={run.name} {...{ run, model, commands, trans }} />
        ))}
    </React.Fragment>
  );
  return (
    <div>
      {(model.problem || (model.isReady && live.length === 0)) && (
        <Notice problem={model.problem}>
          {trans.__('No pilot is running. Start one here, or in a notebook with ph.submit().')}
        </Notice>
      )}
      <ul className="pilothouse-List" aria-label={trans.__('Live pilots')}>
        {live.map(item)}
      </ul>
      {ended.length > 0 && (
        <Ended label={trans._n('%1 ended pilot', '%1 ended pilots', ended.length)}>
          {ended.slice(0, MOST).map(item)}
        </Ended>
      )}
    </div>
  );
}

/** The most ended ones that are listed. */
const MOST = 50;

function Pilot(props: {
  pilot: IPilotRecord;
  commands: CommandRegistry;
  trans: TranslationBundle;
  now: number;
  busy: boolean;
}): JSX.Element {
  const { pilot, commands, trans, now, busy } = props;
  const { name, state, reason, nodes = [], not_recovered: notRecovered = [] } = pilot;
  const over = isOver(pilot);
  const action = { commands, name };
  return (
    <li className="pilothouse-Item pilothouse-mod-pilot" data-pilothouse={name}>
      <div className="pilothouse-Item-head">
        <span className="pilothouse-Item-name" title={name}>
          {name}
        </span>
        <State state={state} trans={trans} />
      </div>
      <div className="pilothouse-Item-facts">{facts(pilot, trans, now, busy).join(' · ')}</div>
      {reason && <Reason text={reason} />}
      {notRecovered.map(line => (
        <Reason key={line} text={trans.__('Not recovered: %1', line)} />
      ))}
      {!over && nodes.length > 0 && <Nodes {...{ nodes, trans, now }} />}
      {!over && (
        <button
          type="button"
          className="pilothouse-Link pilothouse-Item-more"
          aria-label={trans.__('Start an engine on %1', name)}
          onClick={() => void commands.execute(CommandIDs.startEngine, { name })}
        >
          {trans.__('Start an engine…')}
        </button>
      )}
      <div className="pilothouse-Item-actions">
        {buttons(pilot, trans).map(([id, icon, label]) => (
          <Action key={id} {...{ ...action, id, icon, label }} />
        ))}
        <Action
          {...action}
          id={CommandIDs.pilotLogs}
          icon={listIcon}
          label={trans.__('Show the log')}
        />
        <Action
          {...action}
          id={CommandIDs.copyPython}
          icon={copyIcon}
          label={trans.__('Copy Python line')}
        />
        {!over && (
          <Action
            {...action}
            id={CommandIDs.cancelPilot}
            icon={closeIcon}
            label={trans.__('Cancel the pilot')}
          />
        )}
      </div>
    </li>
  );
}

/** What can be done with the pilot in its state: command, icon, label. */
function buttons(pilot: IPilotRecord, trans: TranslationBundle): [string, LabIcon, string][] {
  const drawn: [string, LabIcon, string] = [
    CommandIDs.openTimeline,
    timelineIcon,
    trans.__('Show the timeline')
  ];
  const dashboard: [string, LabIcon, string] = [
    CommandIDs.openDashboard,
    dashboardIcon,
    trans.__('Show the Dask dashboard')
  ];
  const removal: [string, LabIcon, string] = [
    CommandIDs.remove,
    deleteIcon,
    trans.__('Remove the pilot')
  ];
  if (pilot.state === 'lost') {
    return [
      [CommandIDs.recoverPilot, redoIcon, trans.__('Recover the pilot')],
      [CommandIDs.endPilot, closeIcon, trans.__('End what it has left')],
      drawn,
      removal
    ];
  }
  if (isOver(pilot)) {
    return pilot.state === 'unreadable' ? [] : [drawn, removal];
  }
  return [
    [CommandIDs.extendPilot, addIcon, trans.__('Add a node')],
    [CommandIDs.shrinkPilot, shrinkIcon, trans.__('Remove a node')],
    [
      CommandIDs.adaptPilot,
      adaptIcon,
      pilot.adapt ? trans.__('Change or stop adapting') : trans.__('Follow the load')
    ],
    [CommandIDs.renewPilot, refreshIcon, trans.__('Renew the nodes')],
    [CommandIDs.prolongPilot, prolongIcon, trans.__('Prolong the lease')],
    drawn,
    ...(pilot.dashboard ? [dashboard] : [])
  ];
}

function facts(
  pilot: IPilotRecord,
  trans: TranslationBundle,
  now: number,
  busy: boolean
): string[] {
  const { site, nodes_wanted: wanted = 0, created, ended } = pilot;
  const found = site ? [site] : [];
  if (isOver(pilot)) {
    const took = created && ended ? (Date.parse(ended) - Date.parse(created)) / 1e3 : NaN;
    return Number.isFinite(took) ? [...found, trans.__('lasted %1', duration(took))] : found;
  }
  found.push(trans._n('%2 of %1 node', '%2 of %1 nodes', wanted, runningNodes(pilot)));
  if (pilot.adapt) {
    const { minimum, maximum } = pilot.adapt;
    found.push(trans.__('adapting %1 to %2', minimum, maximum));
  }
  const lease = secondsUntil(pilot.lease_end, now);
  const idle = busy ? undefined : secondsUntil(pilot.idle_end, now);
  if (idle !== undefined && (lease === undefined || idle < lease)) {
    found.push(trans.__('idle, ends in %1', duration(idle)));
  } else if (lease !== undefined) {
    found.push(trans.__('%1 left', duration(lease)));
  }
  return found;
}
