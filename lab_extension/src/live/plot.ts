/** The live plots of a run: one picture for each quantity, on one time axis. */

import type {
  ColumnData,
  IBokeh,
  IColumnDataSource,
  IModel,
  IPlottingFigure,
  IView
} from './bokeh';
import { decimate, describe, english, figures } from './figures';
import type { IFigure, ITranslate } from './figures';
import { sameTheme, themeOf } from './theme';
import type { ITheme } from './theme';
import type { SampleWindow } from './window';

/**
 * Draws a window of samples into an element, and draws it again when told that it has changed.
 *
 * Changes are drawn once per animation frame at most, and not while the page is hidden. The element gets a
 * line of text with the current values, which screen readers speak every {@link SPOKEN} ms.
 */
export class LivePlot {
  constructor(private _options: LivePlot.IOptions) {
    const { host, name } = _options;
    this._trans = _options.trans ?? english;
    this._plots = host.appendChild(document.createElement('div'));
    this._plots.className = 'pilothouse-Live-plots';
    this._plots.setAttribute('role', 'img');
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
    cancelAnimationFrame(this._request);
    this._observer.disconnect();
    this._drawn?.view?.remove();
    for (const element of [this._plots, this._values, this._spoken]) {
      element.remove();
    }
  }

  /** Say that the window, or the theme, has changed. */
  update(): void {
    if (!this._request && !this._disposed) {
      this._request = requestAnimationFrame(() => {
        this._request = 0;
        void this._draw();
      });
    }
  }

  private async _draw(): Promise<void> {
    const width = this._plots.clientWidth;
    if (this._building || width === 0 || this._options.window.size === 0) {
      return; // drawn when the build has ended, the element is shown, or samples come
    }
    const shown = figures(this._options.window, this._trans);
    const theme = themeOf(this._plots);
    const layout = Private.layout(shown, width);
    if (!this._drawn || this._drawn.layout !== layout || !sameTheme(this._drawn.theme, theme)) {
      this._building = true;
      try {
        await this._build(shown, theme, layout, width);
      } finally {
        this._building = false;
      }
      this.update(); // what came meanwhile
    } else {
      this._drawn.pictures.forEach((picture, at) =>
        picture.update(shown[at], this._options.window, width)
      );
    }
    this._say(shown);
  }

  private async _build(
    shown: IFigure[],
    theme: ITheme,
    layout: string,
    width: number
  ): Promise<void> {
    const { bokeh, window } = this._options;
    const range = new bokeh.DataRange1d({ range_padding: 0 });
    const pictures = shown.map(figure => new Private.Picture(bokeh, figure, theme, range));
    pictures.forEach((picture, at) => picture.update(shown[at], window, width));
    const ncols = Private.columns(shown.length, width);
    const rows: IModel[] = [];
    for (let at = 0; at < pictures.length; at += ncols) {
      const children = pictures.slice(at, at + ncols).map(picture => picture.figure);
      rows.push(new bokeh.Row({ children, sizing_mode: 'stretch_width' }));
    }
    const grid = new bokeh.Column({ children: rows, sizing_mode: 'stretch_width' });
    const fresh = document.createElement('div');
    this._plots.style.minHeight = `${this._plots.clientHeight}px`; // no jump while one grid replaces another
    this._drawn?.view?.remove();
    this._plots.replaceChildren(fresh);
    const view = await bokeh.Plotting.show(grid, fresh);
    this._plots.style.minHeight = '';
    this._drawn = { view, pictures, layout, theme };
    this._plots.setAttribute(
      'aria-label',
      `${this._options.name}: ${shown.map(figure => figure.title).join(', ')}`
    );
    if (this._disposed) {
      view.remove();
    }
  }

  private _say(shown: IFigure[]): void {
    const now = performance.now();
    if (now - this._saidAt > LivePlot.WRITTEN) {
      this._saidAt = now;
      this._values.textContent = describe(shown, this._options.window);
    }
    if (now - this._spokenAt > LivePlot.SPOKEN) {
      this._spokenAt = now;
      this._spoken.textContent = describe(shown, this._options.window);
    }
  }

  private _building = false;
  private _disposed = false;
  private _drawn?: Private.IDrawn;
  private _observer: ResizeObserver;
  private _plots: HTMLElement;
  private _request = 0;
  private _saidAt = -Infinity;
  private _spoken: HTMLElement;
  private _spokenAt = -Infinity;
  private _trans: ITranslate;
  private _values: HTMLElement;
}

/** The namespace of {@link LivePlot}. */
export namespace LivePlot {
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
    view: IView;
    pictures: Picture[];
    layout: string;
    theme: ITheme;
  }

  const HEIGHT = 170;
  const DASHES = ['solid', 'dashed', 'dotted'];
  const CLOCK = {
    milliseconds: '%T.%3N',
    seconds: '%T',
    minsec: '%T',
    minutes: '%R',
    hourmin: '%R',
    hours: '%R',
    strip_leading_zeros: false
  };
  /** As long as the samples are few, each is a dot: a round of training is one sample. */
  const FEW = 60;

  /** Pictures beside each other. */
  export function columns(count: number, width: number): number {
    return count > 2 && width >= 900 ? 2 : 1;
  }

  /** What has to be the same for the pictures to stay. */
  export function layout(shown: readonly IFigure[], width: number): string {
    const lines = shown.map(figure => [figure.name, ...figure.series.map(series => series.name)]);
    return JSON.stringify([lines, columns(shown.length, width)]);
  }

  /** One figure and its source. */
  export class Picture {
    constructor(bokeh: IBokeh, picture: IFigure, theme: ITheme, range: IModel) {
      this._source = new bokeh.ColumnDataSource({ data: empty(picture) });
      this._few = new bokeh.ColumnDataSource({ data: empty(picture) });
      this.figure = bokeh.Plotting.figure({
        height: HEIGHT,
        sizing_mode: 'stretch_width',
        title: picture.unit ? `${picture.title} (${picture.unit})` : picture.title,
        x_axis_type: 'datetime',
        y_axis_type: picture.scale === 'log' ? 'log' : 'linear',
        x_range: range,
        y_range: new bokeh.DataRange1d(picture.scale === 'from zero' ? { start: 0 } : {}),
        tools: 'xpan,box_zoom,xwheel_zoom,reset,save',
        background_fill_color: theme.background,
        border_fill_color: theme.background,
        outline_line_color: theme.grid,
        min_border_left: 60,
        min_border_right: 12
      });
      const lines = this._draw(picture, theme);
      const formatter = new bokeh.DatetimeTickFormatter(CLOCK);
      this.figure.xaxis.each(axis => axis.setv({ formatter }));
      this._paint(theme, picture.series.length > 1);
      const tooltips = picture.series.map(series => [series.label, `@{${series.name}}{0,0.[000]}`]);
      const options = { renderers: lines.slice(0, 1), mode: 'vline', tooltips };
      this.figure.add_tools(new bokeh.HoverTool(options));
    }

    readonly figure: IPlottingFigure;

    /** Draw the window's samples. */
    update(picture: IFigure, window: SampleWindow, width: number): void {
      const lines = picture.series.map(series => series.values(window));
      const kept = decimate(lines, window.size, width);
      const time = window.time;
      const zone = new Date().getTimezoneOffset() * 60; // Bokeh shows UTC, people read their clock
      const data: ColumnData = { time: Float64Array.from(kept, at => (time[at] - zone) * 1e3) };
      picture.series.forEach((series, at) => {
        data[series.name] = Float64Array.from(kept, index => lines[at][index]);
      });
      this._source.data = data;
      this._few.data = window.size <= FEW ? data : empty(picture);
    }

    private _draw(picture: IFigure, theme: ITheme): IModel[] {
      const x = { field: 'time' };
      return picture.series.map((series, at) => {
        const y = { field: series.name };
        const color = theme.lines[at % theme.lines.length];
        const line_dash = DASHES[at % DASHES.length];
        const legend_label = series.label;
        const style = { color, line_dash, line_width: 2, legend_label };
        const line = this.figure.line(x, y, { ...style, source: this._source });
        const dots = this.figure.scatter(x, y, { color, size: 6, source: this._few });
        line.properties.visible.change.connect(() => dots.setv({ visible: line.visible }));
        return line;
      });
    }

    private _paint(theme: ITheme, legend: boolean): void {
      const { text, grid, font } = theme;
      const face = { text_color: text, text_font: font };
      this.figure.toolbar.setv({ autohide: true, logo: null });
      this.figure.title.setv({ ...face, text_font_size: '12px' });
      this.figure.axis.each(axis =>
        axis.setv({
          axis_line_color: grid,
          major_tick_line_color: grid,
          minor_tick_line_color: null,
          major_label_text_color: text,
          major_label_text_font: font
        })
      );
      this.figure.grid.each(lines => lines.setv({ grid_line_color: grid, grid_line_alpha: 0.5 }));
      this.figure.legend.setv({
        visible: legend,
        location: 'top_left',
        orientation: 'horizontal',
        click_policy: 'hide',
        padding: 2,
        label_text_color: text,
        label_text_font: font,
        label_text_font_size: '11px',
        background_fill_color: theme.background,
        background_fill_alpha: 0.7,
        border_line_color: null
      });
    }

    private _few: IColumnDataSource;
    private _source: IColumnDataSource;
  }

  /** A source without samples. */
  function empty(picture: IFigure): ColumnData {
    const names = ['time', ...picture.series.map(series => series.name)];
    return Object.fromEntries(names.map(name => [name, new Float64Array(0)]));
  }
}
