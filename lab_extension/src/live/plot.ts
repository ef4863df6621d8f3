/** The live plots of a run: one picture for each quantity, on one time axis. */

import { release } from './bokeh';
import type { IBokeh, IViews } from './bokeh';
import { describe, english, figures } from './figures';
import type { IFigure, ITranslate } from './figures';
import { Picture } from './picture';
import { sameTheme, themeOf } from './theme';
import type { ITheme } from './theme';
import type { SampleWindow } from './window';

/**
 * Draws a window of samples into an element, and draws it again when told that it has changed.
 *
 * Changes are drawn in animation frames, four times a second or as often as a quarter of the time allows, and not while
 * the page is hidden. The element gets a line of text with the current values, which screen readers speak every {@link SPOKEN} ms.
 */
export class LivePlot {
  constructor(private _options: LivePlot.IOptions) {
    const { host, name } = _options;
    this._trans = _options.trans ?? english;
    this._plots = host.appendChild(document.createElement('div'));
    this._plots.className = 'pilothouse-Live-plots';
    this._plots.setAttribute('role', 'group');
    this._plots.setAttribute('aria-label', name);
    this._values = host.appendChild(document.createElement('p'));
    this._values.className = 'pilothouse-Live-values';
    this._values.setAttribute('aria-hidden', 'true');
    this._spoken = host.appendChild(document.createElement('p'));
    this._spoken.className = 'pilothouse-Live-spoken';
    this._spoken.setAttribute('aria-live', 'polite');
    this._observer = new ResizeObserver(() => this.update());
    this._observer.observe(this._plots);
  }

  /** Whether the plot was disposed. */
  get isDisposed(): boolean {
    return this._disposed;
  }

  /** End drawing and take everything out of the element. */
  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    clearTimeout(this._timer);
    cancelAnimationFrame(this._request);
    this._observer.disconnect();
    this._free();
    for (const element of [this._plots, this._values, this._spoken]) {
      element.remove();
    }
  }

  /** Say that the window, or the theme, has changed. */
  update(): void {
    if (this._timer || this._request || this._disposed) {
      return;
    }
    const wait = Math.max(0, this._next - performance.now());
    this._timer = window.setTimeout(() => {
      this._timer = 0;
      this._request = requestAnimationFrame(() => {
        this._request = 0;
        this._pace();
        void this._draw();
      });
    }, wait);
  }

  /** Leave most of the time to others: the next drawing comes after four times what this one takes. */
  private _pace(): void {
    const began = performance.now();
    this._next = began + LivePlot.SLOWEST;
    requestAnimationFrame(() =>
      setTimeout(() => {
        const took = performance.now() - began; // Bokeh paints in the frame after the change
        this._next = began + Math.min(LivePlot.SLOWEST, Math.max(LivePlot.QUICKEST, 4 * took));
        if (this._timer) {
          clearTimeout(this._timer);
          this._timer = 0;
          this.update();
        }
      })
    );
  }

  private async _draw(): Promise<void> {
    const width = this._plots.clientWidth;
    if (this._building || width === 0 || this._options.window.size === 0) {
      return; // drawn when the build has ended, the element is shown, or samples come
    }
    const shown = figures(this._options.window, this._trans);
    const theme = themeOf(this._plots);
    const names = Private.names(shown);
    if (!this._drawn || this._drawn.names !== names || !sameTheme(this._drawn.theme, theme)) {
      this._building = true;
      try {
        await this._build(shown, theme, names, width);
      } finally {
        this._building = false;
      }
      this.update(); // what came meanwhile
    } else {
      this._drawn.pictures.forEach((picture, at) =>
        picture.update(shown[at], this._options.window, width)
      );
    }
    this._say();
  }

  private async _build(
    shown: IFigure[],
    theme: ITheme,
    names: string,
    width: number
  ): Promise<void> {
    const { bokeh, window, name } = this._options;
    const range = new bokeh.DataRange1d({ range_padding: 0 });
    const pictures = shown.map(figure => new Picture(bokeh, figure, theme, range));
    pictures.forEach((picture, at) => picture.update(shown[at], window, width));
    const document = new bokeh.Document(); // one for all: they share the time axis
    pictures.forEach(picture => document.add_root(picture.plot));
    this._plots.style.minHeight = `${this._plots.clientHeight}px`; // no jump while one set replaces another
    this._free();
    this._plots.replaceChildren(...pictures.map(picture => picture.node));
    const hosts = pictures.map(picture => picture.host);
    const views = await bokeh.embed.add_document_standalone(document, this._plots, hosts);
    this._plots.style.minHeight = '';
    this._drawn = { views, pictures, names, theme };
    const titles = shown.map(figure => figure.title).join(', ');
    this._plots.setAttribute('aria-label', `${name}: ${titles}`);
    if (this._disposed) {
      this._free();
    }
  }

  private _free(): void {
    if (this._drawn) {
      release(this._options.bokeh, this._drawn.views);
      this._drawn = undefined;
    }
  }

  private _say(): void {
    const now = performance.now();
    if (now - this._saidAt > LivePlot.WRITTEN) {
      this._saidAt = now;
      this._values.textContent = describe(this._options.window, this._trans);
    }
    if (now - this._spokenAt > LivePlot.SPOKEN) {
      this._spokenAt = now;
      this._spoken.textContent = describe(this._options.window, this._trans);
    }
  }

  private _building = false;
  private _disposed = false;
  private _drawn?: Private.IDrawn;
  private _observer: ResizeObserver;
  private _plots: HTMLElement;
  private _next = 0;
  private _request = 0;
  private _saidAt = -Infinity;
  private _spoken: HTMLElement;
  private _spokenAt = -Infinity;
  private _timer = 0;
  private _trans: ITranslate;
  private _values: HTMLElement;
}

/** The namespace of {@link LivePlot}. */
export namespace LivePlot {
  /** Milliseconds between two drawings, at most, where drawing is slow. */
  export const SLOWEST = 1_500;

  /** And at least: more drawings show nobody more, for samples come two to ten times a second. */
  export const QUICKEST = 250;

  /** Milliseconds between two changes of the line of text. */
  export const WRITTEN = 1_000;

  /** Milliseconds between two readings by a screen reader. */
  export const SPOKEN = 15_000;

  /** What a live plot needs. */
  export interface IOptions {
    bokeh: IBokeh;
    host: HTMLElement;
    /** The run's name, for people who can't see the plots. */
    name: string;
    window: SampleWindow;
    trans?: ITranslate;
  }
}

namespace Private {
  /** What is in the page. */
  export interface IDrawn {
    views: IViews;
    pictures: Picture[];
    names: string;
    theme: ITheme;
  }

  /** What has to be the same for the pictures to stay. */
  export function names(shown: readonly IFigure[]): string {
    return JSON.stringify(
      shown.map(({ name, unit, series }) => [name, unit, ...series.map(line => line.name)])
    );
  }
}
