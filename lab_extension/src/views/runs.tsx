/** The runs in the side bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { copyIcon, deleteIcon, listIcon, stopIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { pilothouseIcon } from '../icons';
import { duration, isOver, isService, kindOf } from '../records';
import type { IRunRecord } from '../records';

import { Action, Ended, Notice, State, useNow, useSignal } from './parts';
import type { ISectionProps } from './pilots';

/** All runs: the live ones, and the ended ones folded away. */
export function Runs({ commands, model, trans }: ISectionProps): JSX.Element {
  useSignal(model.changed);
  const now = useNow(5_000);
  const alive = model.runs.filter(run => !isOver(run));
  const live = alive.filter(run => !isService(run)); // those are with their pilots
  const ended = model.runs.filter(isOver);
  const item = (run: IRunRecord): JSX.Element => (
    <Run key={run.name} {...{ run, commands, trans, now }} />
  );
  return (
    <div>
      {!model.problem && model.isReady && live.length === 0 && (
        <Notice>
          {alive.length === 0
            ? trans.__('Nothing is running.')
            : trans.__('Nothing is running but services, which are with their pilots.')}
        </Notice>
      )}
      <ul className="pilothouse-List" aria-label={trans.__('Live runs')}>
        {live.map(item)}
      </ul>
      {ended.length > 0 && (
        <Ended label={trans._n('%1 ended run', '%1 ended runs', ended.length)}>
          {ended.slice(0, MOST).map(item)}
        </Ended>
      )}
    </div>
  );
}

/** The most ended ones that are listed. */
const MOST = 50;

function Run(props: {
  run: IRunRecord;
  commands: CommandRegistry;
  trans: TranslationBundle;
  now: number;
}): JSX.Element {
  const { run, commands, trans, now } = props;
  const { name, pilot, state, reason, progress } = run;
  const over = isOver(run);
  const action = { commands, name };
  const open = trans.__('Open live plots');
  return (
    <li className="pilothouse-Item pilothouse-mod-run" data-pilothouse={name}>
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
        {[kindOf(run), pilot && trans.__('on %1', pilot), elapsed(run, now)]
          .filter(Boolean)
          .join(' · ')}
      </div>
      {reason && <div className="pilothouse-Item-reason">{reason}</div>}
      {progress && !over && (
        <div className="pilothouse-Item-progress">
          <progress
            value={progress.done}
            max={progress.total || 1}
            aria-label={trans.__('Progress of %1', name)}
          />
          <span>
            {`${Math.round(progress.done)} / ${Math.round(progress.total)} ${progress.unit}`}
          </span>
        </div>
      )}
      <div className="pilothouse-Item-actions">
        <Action {...action} id={CommandIDs.openRun} icon={pilothouseIcon} label={open} />
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
        {over && state !== 'unreadable' && (
          <Action
            {...action}
            id={CommandIDs.remove}
            icon={deleteIcon}
            label={trans.__('Remove the run')}
          />
        )}
        {!over && state !== 'stopping' && (
          <Action
            {...action}
            id={CommandIDs.stopRun}
            icon={stopIcon}
            label={trans.__('Stop the run')}
          />
        )}
      </div>
    </li>
  );
}

function elapsed(run: IRunRecord, now: number): string {
  const begin = Date.parse(run.started ?? run.created ?? '');
  const end = run.ended ? Date.parse(run.ended) : isOver(run) ? NaN : now;
  return Number.isFinite(end - begin) ? duration((end - begin) / 1e3) : '';
}
