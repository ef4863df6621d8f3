/** Dask's dashboard of a pilot as a tab of the main area. */

import { IFrame } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { dashboardIcon } from '../icons';
import { isOver } from '../records';
import type { IEntered, IPilothouse } from '../tokens';

/** The pages as the Jupyter server hands them on; loaded again when the pilot has ended, or is back. */
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
    this._show();
    _model.entered.connect(this._onEntered, this);
  }

  override dispose(): void {
    this._model.entered.disconnect(this._onEntered, this);
    super.dispose();
  }

  private _onEntered(_: IPilothouse, { of, record }: IEntered): void {
    if (of === 'pilots' && record.name === this.name && isOver(record) !== this._over) {
      this._over = !this._over;
      this._show();
    }
  }

  private _show(): void {
    const pages = ['pilothouse', 'pilots', encodeURIComponent(this.name), 'dashboard', 'status'];
    this.url = URLExt.join(this._model.api.serverSettings.baseUrl, ...pages);
  }

  private _over = false;
}
