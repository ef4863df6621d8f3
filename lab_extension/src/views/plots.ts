/** A run as a tab of the main area. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { attempt } from '../attempt';
import { loadBokeh } from '../bokehjs';
import { pilothouseIcon } from '../icons';
import { LivePlot } from '../live/plot';
import { ServiceFacts } from '../live/service';
import { StatusHeader } from '../live/status';
import { isOver, isService, kindOf, progressOf } from '../records';
import { TelemetryFeed } from '../telemetry';
import type { IRunRecord } from '../records';
import type { IPilothouse } from '../tokens';

import { confirmStop } from './confirm';

/** The live plots of one run, from the server's telemetry socket. */
export class RunPlots extends Widget {
  constructor(
    private _model: IPilothouse,
    readonly name: string,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('pilothouse-Live');
    this.addClass('pilothouse-RunPlots');
    this.title.label = name;
    this.title.caption = _trans.__('Live plots of %1', name);
    this.title.icon = pilothouseIcon;
    this.title.closable = true;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
    this._header = new StatusHeader({
      name,
      trans: _trans,
      stop: () => attempt(() => this._stop())
    });
    this._service = new ServiceFacts(_trans);
    this._notice = document.createElement('p');
    this._notice.className = 'pilothouse-Live-notice';
    this._notice.setAttribute('role', 'status');
    this.node.append(this._header.node, this._notice, this._service.node);
    this._feed = new TelemetryFeed(_model.api, name);
    this._feed.changed.connect(this._onChanged, this);
    _model.changed.connect(this._onChanged, this);
    void this._showPlot();
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._model.changed.disconnect(this._onChanged, this);
    this._feed.dispose();
    this._plot?.dispose();
    super.dispose();
  }

  /** Paint in the colours of a new theme. */
  repaint(): void {
    this._plot?.update();
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._plot?.update();
  }

  private async _showPlot(): Promise<void> {
    try {
      const bokeh = await loadBokeh();
      if (this.isDisposed) {
        return;
      }
      const { name, _trans: trans } = this;
      this._plot = new LivePlot({ bokeh, host: this.node, name, trans, window: this._feed.window });
      this._plot.update();
    } catch (error) {
      this._problem = this._trans.__('The plots can not be drawn: %1', String(error));
      this._onChanged();
    }
  }

  private get _record(): IRunRecord | undefined {
    return this._feed.record ?? this._model.runs.find(run => run.name === this.name);
  }

  private async _stop(): Promise<void> {
    const record = this._record;
    if (!record || !isService(record) || (await confirmStop(this.name, 'service', this._trans))) {
      await this._model.stopRun(this.name);
    }
  }

  private _onChanged(): void {
    const record = this._record;
    if (record) {
      const { name, state, reason } = record;
      const progress = progressOf(record);
      const kind = kindOf(record);
      this._header.update({ name, kind, state, reason, progress, isService: isService(record) });
      const known = this._model.services.find(service => service.name === name);
      this._service.update(isOver(record) ? undefined : known);
    }
    this._notice.textContent = this._say(record !== undefined);
    this._plot?.update();
  }

  private _say(known: boolean): string {
    const trans = this._trans;
    if (this._problem) {
      return this._problem;
    }
    if (this._feed.isWaiting) {
      return known || !this._model.isReady
        ? trans.__('The connection is lost; it is tried again.')
        : trans.__('There is no run called %1.', this.name);
    }
    if (this._feed.isComplete && this._feed.window.size === 0) {
      return trans.__('This run has left no telemetry.');
    }
    return '';
  }

  private _feed: TelemetryFeed;
  private _header: StatusHeader;
  private _notice: HTMLElement;
  private _plot?: LivePlot;
  private _problem = '';
  private _service: ServiceFacts;
}
