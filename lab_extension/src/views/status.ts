/** How many pilots and runs are live, in the status bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { pilothouseIcon } from '../icons';
import { isOver } from '../records';
import type { IPilothouse } from '../tokens';

/** A button that is there only while something lives. */
export class LiveCount extends Widget {
  constructor(
    private _model: IPilothouse,
    show: () => void,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-mod-highlighted');
    this._button = document.createElement('button');
    this._button.type = 'button';
    this._button.className = 'pilothouse-LiveCount';
    this._button.addEventListener('click', show);
    this.node.appendChild(this._button);
    _model.changed.connect(this._draw, this);
    this._draw();
  }

  /** Whether there is anything to show. */
  get isActive(): boolean {
    return this._active;
  }

  /** Emitted when {@link isActive} has changed. */
  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  override dispose(): void {
    this._model.changed.disconnect(this._draw, this);
    super.dispose();
  }

  private _draw(): void {
    const pilots = this._model.pilots.filter(pilot => !isOver(pilot)).length;
    const runs = this._model.runs.filter(run => !isOver(run)).length;
    const parts = [this._trans._n('%1 pilot', '%1 pilots', pilots)];
    if (runs) {
      parts.push(this._trans._n('%1 run', '%1 runs', runs));
    }
    const text = parts.join(', ');
    if (this._button.textContent !== text) {
      const label = document.createElement('span');
      label.textContent = text;
      this._button.replaceChildren(
        pilothouseIcon.element({ tag: 'span', elementSize: 'normal' }),
        label
      );
      this._button.title = this._trans.__('Show pilots and runs');
      this._button.setAttribute('aria-label', this._trans.__('Pilothouse: %1', text));
    }
    const active = pilots + runs > 0;
    if (active !== this._active) {
      this._active = active;
      this._activeChanged.emit();
    }
  }

  private _active = false;
  private _activeChanged = new Signal<this, void>(this);
  private _button: HTMLButtonElement;
}
