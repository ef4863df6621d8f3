/** The pilots in the side bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, closeIcon, copyIcon, listIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { shrinkIcon } from '../icons';
import { duration, isOver, runningNodes, secondsUntil } from '../records';
import type { IPilotRecord } from '../records';
import type { IPilothouse } from '../tokens';

import { Action, Ended, Notice, State, useNow, useSignal } from './parts';

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
  const live = model.pilots.filter(pilot => !isOver(pilot));
  const ended = model.pilots.filter(isOver);
  const busy = new Set(model.runs.filter(run => !isOver(run)).map(run => run.pilot));
  const item = (pilot: IPilotRecord): JSX.Element => (
    <Pilot key={pilot.name} busy={busy.has(pilot.name)} {...{ pilot, commands, trans, now }} />
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
  const { name, state, reason, nodes = [] } = pilot;
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
      {reason && <div className="pilothouse-Item-reason">{reason}</div>}
      {!over && nodes.length > 0 && (
        <details className="pilothouse-Nodes">
          <summary>{trans.__('Nodes')}</summary>
          <ul>
            {nodes.map(node => (
              <li key={node.name}>
                {node.name} <State state={node.state} trans={trans} />
                {node.host && <span className="pilothouse-Item-facts"> {node.host}</span>}
                {node.reason && <div className="pilothouse-Item-reason">{node.reason}</div>}
              </li>
            ))}
          </ul>
        </details>
      )}
      <div className="pilothouse-Item-actions">
        {!over && (
          <>
            <Action
              {...action}
              id={CommandIDs.extendPilot}
              icon={addIcon}
              label={trans.__('Add a node')}
            />
            <Action
              {...action}
              id={CommandIDs.shrinkPilot}
              icon={shrinkIcon}
              label={trans.__('Remove a node')}
            />
          </>
        )}
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
  const lease = secondsUntil(pilot.lease_end, now);
  const idle = busy ? undefined : secondsUntil(pilot.idle_end, now);
  if (idle !== undefined && (lease === undefined || idle < lease)) {
    found.push(trans.__('idle, ends in %1', duration(idle)));
  } else if (lease !== undefined) {
    found.push(trans.__('%1 left', duration(lease)));
  }
  return found;
}
