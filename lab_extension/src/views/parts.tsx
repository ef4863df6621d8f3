/** Small parts of the panel. */

import type { LabIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

import type { ITranslate } from '../live/figures';
import { sign, stateName } from '../live/status';
import type { ShownState } from '../live/status';

/** Draw again when a signal is emitted. */
export function useSignal<T>(signal: ISignal<T, void>): void {
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    signal.connect(draw);
    return () => void signal.disconnect(draw);
  }, [signal]);
}

/** The time, milliseconds since 1970; draws again every `period` milliseconds. */
export function useNow(period: number): number {
  const [now, setNow] = React.useState(Date.now);
  React.useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}

/** A state as a sign and a word. */
export function State(props: { state: ShownState; trans: ITranslate }): JSX.Element {
  const { state, trans } = props;
  return (
    <span className="pilothouse-State" data-state={state}>
      <span aria-hidden="true">{sign(state)}</span> {stateName(state, trans)}
    </span>
  );
}

/** A button with an icon that runs a command for one pilot or run. */
export function Action(props: {
  commands: CommandRegistry;
  id: string;
  icon: LabIcon;
  label: string;
  name: string;
}): JSX.Element {
  const { commands, id, icon: Icon, label, name } = props;
  const text = `${label} (${name})`;
  return (
    <button
      type="button"
      className="pilothouse-Action"
      title={label}
      aria-label={text}
      onClick={() => void commands.execute(id, { name })}
    >
      <Icon.react tag="span" elementSize="normal" />
    </button>
  );
}

/** Why something is as it is; what is long, such as the last lines of a log, is folded. */
export function Reason({ text }: { text: string }): JSX.Element {
  const short = text.split('\n')[0].slice(0, LONG);
  return text.length <= LONG && short === text ? (
    <div className="pilothouse-Item-reason">{text}</div>
  ) : (
    <details className="pilothouse-Item-reason">
      <summary>{`${short.trimEnd()} …`}</summary>
      <div>{text.slice(short.length)}</div>
    </details>
  );
}

/** The most letters of a reason that are not folded: four lines of the side bar. */
const LONG = 140;

/** What has ended, folded away. */
export function Ended(props: { label: string; children: React.ReactNode }): JSX.Element {
  return (
    <details className="pilothouse-Ended">
      <summary>{props.label}</summary>
      <ul className="pilothouse-List">{props.children}</ul>
    </details>
  );
}

/** What is said where there is nothing to list, or nothing can be had. */
export function Notice(props: { problem?: string; children: React.ReactNode }): JSX.Element {
  return (
    <p className="pilothouse-Notice" role={props.problem ? 'alert' : undefined}>
      {props.problem || props.children}
    </p>
  );
}
