/** A pilot's timeline as a tab of the main area. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { loadBokeh } from '../bokehjs';
import { timelineIcon } from '../icons';
import { isOver } from '../records';
import { Standalone } from '../live/standalone';
import type { IPilothouse } from '../tokens';

/** What a pilot's nodes and runs did when, and what that cost: drawn by the server, again when something changes. */
export class TimelineView extends Widget {
  constructor(
    private _model: IPilothouse,
    readonly name: string,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('pilothouse-Timeline');
    this.title.label = name;
    this.title.caption = _trans.__('Timeline of %1', name);
    this.title.icon = timelineIcon;
    this.title.closable = true;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
    this._cost = document.createElement('p');
    this._cost.setAttribute('role', 'status');
    this._plot = document.createElement('div');
    this._plot.setAttribute('role', 'img');
    this._figure = new Standalone(this._plot, loadBokeh);
    this.node.append(this._cost, this._plot);
    _model.entered.connect(this._draw, this);
    this._timer = setInterval(() => {
      const pilot = _model.pilots.find(one => one.name === name);
      if (pilot && !isOver(pilot) && !this._plot.matches(':hover')) {
        this._draw(); // not under somebody's hand
      }
    }, TimelineView.INTERVAL);
  }

  override dispose(): void {
    clearInterval(this._timer);
    this._model.entered.disconnect(this._draw, this);
    this._figure.dispose();
    super.dispose();
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._draw();
  }

  protected override onResize(msg: Widget.ResizeMessage): void {
    super.onResize(msg);
    this._refit();
  }

  /** Draw again where the tab has become wider or narrower. */
  private _refit(): void {
    if (!this.isDisposed && Math.abs(this._fitting() - this._width) > 20) {
      this._draw();
    }
  }

  /** How wide the drawing may be, pixels; 0 before there is room. */
  private _fitting(): number {
    const room = this.node.clientWidth;
    return room && Math.min(Math.max(room - 32, 300), 4000);
  }

  private _draw(): void {
    if (this.isVisible && !this._drawing && this._fitting()) {
      this._drawing = true;
      void this._show().finally(() => {
        this._drawing = false;
        this._refit(); // it may have got another size meanwhile
      });
    }
  }

  private async _show(): Promise<void> {
    const trans = this._trans;
    try {
      const width = (this._width = this._fitting());
      const { figure, text, cost } = await this._model.timeline(this.name, width);
      if (this.isDisposed) {
        return;
      }
      await this._figure.show(figure);
      this._plot.setAttribute('aria-label', text);
      const hours = [cost.node_hours, cost.core_hours, cost.queue_hours].map(n => n.toFixed(2));
      this._cost.textContent = trans.__(
        '%1 node-hours, %2 core-hours used; %3 hours waited in the queue',
        ...hours
      );
    } catch (error) {
      this._cost.textContent = trans.__('The timeline can not be drawn: %1', String(error));
    }
  }

  private _cost: HTMLElement;
  private _drawing = false;
  private _figure: Standalone;
  private _plot: HTMLElement;
  private _timer: ReturnType<typeof setInterval>;
  private _width = 0;
}

/** The namespace of {@link TimelineView}. */
export namespace TimelineView {
  /** Milliseconds between two drawings of a live pilot's timeline. */
  export const INTERVAL = 10_000;
}
