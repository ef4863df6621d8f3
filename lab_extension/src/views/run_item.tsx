/** What runs and services have in common in the side bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { copyIcon, listIcon } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { pilothouseIcon } from '../icons';
import { howFar } from '../live/status';
import { isOver, progressOf } from '../records';
import type { IRunRecord } from '../records';

import { Action, Reason, State } from './parts';

/** A command: its id, icon and label. */
export type IAction = readonly [id: string, icon: LabIcon, label: string];

/** A run: its name, which opens its plots, its state, what is known of it, and what can be done with it. */
export function RunItem(props: {
  run: IRunRecord;
  /** What is said below its name. */
  facts: readonly (string | undefined)[];
  /** What can be done with it before, and after, what can be done with all runs. */
  before?: readonly IAction[];
  after?: readonly IAction[];
  className?: string;
  label?: string;
  /** What else is known of it. */
  children?: React.ReactNode;
  commands: CommandRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const { run, facts, before = [], after = [], className = '', label, commands, trans } = props;
  const { name, state, reason } = run;
  const progress = progressOf(run);
  const open = trans.__('Open live plots');
  const actions: readonly IAction[] = [
    ...before,
    [CommandIDs.openRun, pilothouseIcon, open],
    [CommandIDs.runLogs, listIcon, trans.__('Show the log')],
    [CommandIDs.copyPython, copyIcon, trans.__('Copy Python line')],
    ...after
  ];
  return (
    <li
      className={`pilothouse-Item pilothouse-mod-run ${className}`}
      data-pilothouse={name}
      aria-label={label}
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
      <div className="pilothouse-Item-facts">{facts.filter(Boolean).join(' · ')}</div>
      {reason && <Reason text={reason} />}
      {progress && !isOver(run) && (
        <div className="pilothouse-Item-progress">
          <progress
            value={progress.done}
            max={progress.total || 1}
            aria-label={trans.__('Progress of %1', name)}
          />
          <span>{howFar(progress)}</span>
        </div>
      )}
      {props.children}
      <div className="pilothouse-Item-actions">
        {actions.map(([id, icon, text]) => (
          <Action key={id} {...{ commands, name, id, icon, label: text }} />
        ))}
      </div>
    </li>
  );
}
