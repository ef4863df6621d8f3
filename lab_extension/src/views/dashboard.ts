/** Dask's dashboard of a pilot, or the own pages of a service, as a tab of the main area. */

import { IFrame } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { dashboardIcon } from '../icons';
import { isOver } from '../records';
import type { IPilotRecord, IRunRecord } from '../records';
import type { IPilothouse } from '../tokens';

/** The pages as the Jupyter server hands them on; loaded again when its owner has ended, and when it is back. */
export class DashboardView extends IFrame {
  constructor(
    private _model: IPilothouse,
    readonly of: DashboardView.Of,
    readonly name: string,
    trans: TranslationBundle
  ) {
    super({ sandbox: ['allow-scripts', 'allow-same-origin', 'allow-popups'] });
    this.addClass('pilothouse-Dashboard');
    this.title.label = name;
    this.title.caption =
      of === 'pilots' ? trans.__('Dask dashboard of %1', name) : trans.__('Pages of %1', name);
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
    const { pilots, runs, services } = this._model;
    const records: readonly (IPilotRecord | IRunRecord)[] = this.of === 'pilots' ? pilots : runs;
    const record = records.find(({ name }) => name === this.name);
    if (!record || isOver(record)) {
      return 'over';
    }
    const shown: readonly { name: string; dashboard?: string }[] =
      this.of === 'pilots' ? pilots : services;
    return shown.find(({ name }) => name === this.name)?.dashboard ? 'there' : 'away';
  }

  private _show(): void {
    const first = this.of === 'pilots' ? 'status' : '/';
    const pages = ['pilothouse', this.of, encodeURIComponent(this.name), 'dashboard', first];
    this.url = URLExt.join(this._model.api.serverSettings.baseUrl, ...pages);
  }

  private _phase: Private.Phase;
}

/** The namespace of {@link DashboardView}. */
export namespace DashboardView {
  /** What has the pages. */
  export type Of = 'pilots' | 'services';
}

namespace Private {
  /** Where a dashboard is: served, gone with its supervisor while another one starts, or gone. */
  export type Phase = 'there' | 'away' | 'over';
}
