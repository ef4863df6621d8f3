/** The runs in the side bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { deleteIcon, stopIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { duration, isOver, isService, kindOf } from '../records';
import type { IRunRecord } from '../records';

import { Ended, Notice, useNow, useSignal } from './parts';
import type { ISectionProps } from './pilots';
import { RunItem } from './run_item';
import type { IAction } from './run_item';

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
  const { pilot, state } = run;
  const over = isOver(run);
  const after: IAction[] = [];
  if (over && state !== 'unreadable') {
    after.push([CommandIDs.remove, deleteIcon, trans.__('Remove the run')]);
  }
  if (!over && state !== 'stopping') {
    after.push([CommandIDs.stopRun, stopIcon, trans.__('Stop the run')]);
  }
  const facts = [kindOf(run), pilot ? trans.__('on %1', pilot) : '', elapsed(run, now)];
  return <RunItem {...{ run, facts, after, commands, trans }} />;
}

function elapsed(run: IRunRecord, now: number): string {
  const begin = Date.parse(run.started ?? run.created ?? '');
  const end = run.ended ? Date.parse(run.ended) : isOver(run) ? NaN : now;
  return Number.isFinite(end - begin) ? duration((end - begin) / 1e3) : '';
}
