/** A run's state in words and signs: never by colour alone. */

import type { Progress, RunRecord, ShownMember, State, UnreadableRecord } from '../generated';
import { amount } from './amounts';
import { english } from './figures';
import type { ITranslate } from './figures';

/** A state as it may be shown, of a service's member too. */
export type ShownState = State | ShownMember['state'] | UnreadableRecord['state'];

/** What is told about a run with its samples. */
export interface IRunStatus extends Pick<RunRecord, 'name' | 'kind' | 'progress'> {
  state: ShownState;
  reason: string | null;
  /** Whether it is a service, which keeps nothing when it is stopped. */
  isService?: boolean;
}

/** A sign for a state of a run, a pilot or a node, told apart by shape. */
export function sign(state: ShownState): string {
  switch (state) {
    case 'pending':
      return '◷';
    case 'starting':
      return '◔';
    case 'running':
      return '▶';
    case 'draining':
    case 'leaving':
    case 'stopping':
      return '◕';
    case 'finished':
      return '✓';
    case 'failed':
      return '✗';
    default:
      return '?';
  }
}

/** A state's name. */
export function stateName(state: ShownState, trans: ITranslate = english): string {
  switch (state) {
    case 'pending':
      return trans.__('pending');
    case 'starting':
      return trans.__('starting');
    case 'running':
      return trans.__('running');
    case 'draining':
      return trans.__('draining');
    case 'leaving':
      return trans.__('leaving');
    case 'stopping':
      return trans.__('stopping');
    case 'finished':
      return trans.__('finished');
    case 'failed':
      return trans.__('failed');
    case 'lost':
      return trans.__('lost');
    default:
      return state;
  }
}

/** Whether a run, pilot or node in this state will change no more. */
export function hasEnded(state: ShownState): boolean {
  return state === 'finished' || state === 'failed' || state === 'lost';
}

/** How far something is, in words. */
export function howFar({ done, total, unit = '' }: Progress): string {
  if (unit === 'bytes') {
    return `${amount(done, 'B')} / ${amount(total, 'B')}`;
  }
  const round = (value: number): number => Math.round(value * 100) / 100;
  return `${round(done)} / ${round(total)} ${unit}`.trim();
}

/** The head of a live view: name, state, progress, and a button that stops the run. */
export class StatusHeader {
  constructor(options: StatusHeader.IOptions) {
    this._trans = options.trans ?? english;
    const make = <K extends keyof HTMLElementTagNameMap>(
      tag: K,
      part: string
    ): HTMLElementTagNameMap[K] => {
      const element = document.createElement(tag);
      element.className = `pilothouse-Live-${part}`;
      return element;
    };
    this.node = make('div', 'header');
    this._name = make('strong', 'name');
    this._kind = make('span', 'kind');
    this._state = make('span', 'state');
    this._state.setAttribute('role', 'status');
    this._progress = make('progress', 'progress');
    this._amount = make('span', 'amount');
    this._stop = make('button', 'stop');
    this._stop.type = 'button';
    this._stop.textContent = this._trans.__('Stop');
    this._stop.addEventListener('click', () => {
      this._stop.disabled = true;
      void options.stop().finally(() => (this._stop.disabled = false));
    });
    this.node.append(this._name, this._kind, this._state, this._progress, this._amount, this._stop);
    this._stop.hidden = true;
    this._progress.hidden = true;
    this._name.textContent = options.name;
  }

  readonly node: HTMLElement;

  /** Show a status. */
  update(status: IRunStatus): void {
    const { name, kind, state, reason, progress } = status;
    this._name.textContent = name;
    this._kind.textContent = kind;
    this._state.dataset.state = state;
    const text = `${sign(state)} ${stateName(state, this._trans)}${reason ? `: ${reason}` : ''}`;
    if (this._state.textContent !== text) {
      this._state.textContent = text; // only changes, for they are spoken
    }
    this._stop.hidden = hasEnded(state) || state === 'stopping';
    this._stop.title = status.isService
      ? this._trans.__('Stop this service. Data that it has on its nodes goes, unless it keeps it.')
      : this._trans.__('Stop this run. What it has done is kept.');
    this._progress.hidden = progress === null || hasEnded(state);
    this._amount.textContent = '';
    if (progress) {
      this._progress.max = progress.total || 1;
      this._progress.value = progress.done;
      this._progress.setAttribute('aria-label', this._trans.__('Progress'));
      this._amount.textContent = howFar(progress);
    }
  }

  private _amount: HTMLElement;
  private _kind: HTMLElement;
  private _name: HTMLElement;
  private _progress: HTMLProgressElement;
  private _state: HTMLElement;
  private _stop: HTMLButtonElement;
  private _trans: ITranslate;
}

/** The namespace of {@link StatusHeader}. */
export namespace StatusHeader {
  /** What a header needs. */
  export interface IOptions {
    name: string;
    /** Stops the run; settled when that was asked for, or refused and shown. */
    stop: () => Promise<void>;
    trans?: ITranslate;
  }
}
