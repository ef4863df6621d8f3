/** Dask's dashboard of a pilot as a tab of the main area. */

import { IFrame } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { dashboardIcon } from '../icons';
import { isOver } from '../records';
import type { IPilothouse } from '../tokens';

/** The pages as the Jupyter server hands them on; loaded again when the pilot has ended, and when it is back. */
export class DashboardView extends IFrame {
  constructor(
    private _model: IPilothouse,
    readonly name: string,
    trans: TranslationBundle
  ) {
    super({ sandbox: ['allow-scripts', 'allow-same-origin', 'allow-popups'] });
    this.addClass('pilothouse-Dashboard');
    this.title.label = name;
    this.title.caption = trans.__('Dask dashboard of %1', name);
    this.title.icon = dashboardIcon;
    this.title.closable = true;
    this.node.querySelector('iframe')?.setAttribute('title', this.title.caption);
    this._phase = this._now();
    this._show();
    _model.changed.connect(this._onChanged, this);
  }

  override dispose(): void {
    this._model.changed.disconnect(this._onChanged, this);
    super.dispose();
  }

  /** Load the pages again when they have gone, and when they are there again. */
  private _onChanged(): void {
    const phase = this._now();
    if (phase !== this._phase) {
      this._phase = phase;
      if (phase !== 'away') {
        this._show();
      }
    }
  }

  /** Whether there are pages: a lost pilot has none, until a new supervisor has its own. */
  private _now(): Private.Phase {
    const pilot = this._model.pilots.find(({ name }) => name === this.name);
    if (!pilot || isOver(pilot)) {
      return 'over';
    }
    return pilot.dashboard ? 'there' : 'away';
  }

  private _show(): void {
    const pages = ['pilothouse', 'pilots', encodeURIComponent(this.name), 'dashboard', 'status'];
    this.url = URLExt.join(this._model.api.serverSettings.baseUrl, ...pages);
  }

  private _phase: Private.Phase;
}

namespace Private {
  /** Where a dashboard is: served, gone with its supervisor while another one starts, or gone. */
  export type Phase = 'there' | 'away' | 'over';
}
