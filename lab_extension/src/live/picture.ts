/** One picture of the live plots: a caption with a legend, and a Bokeh figure. */

import type {
  ColumnData,
  IBokeh,
  IColumnDataSource,
  IModel,
  IPlottingFigure,
  IRenderer
} from './bokeh';
import { decimate } from './figures';
import type { IFigure } from './figures';
import type { ITheme } from './theme';
import type { SampleWindow } from './window';

const HEIGHT = 150;

const DASHES = ['solid', 'dashed', 'dotted'];

/** As long as the samples are few, each is a dot: a round of training is one sample. */
const FEW = 60;

/** How times are written. */
const CLOCK = {
  milliseconds: '%T.%3N',
  seconds: '%T',
  minsec: '%T',
  minutes: '%R',
  hourmin: '%R',
  hours: '%R',
  strip_leading_zeros: false
};

/**
 * A figure and its samples.
 *
 * The legend is made of buttons, for Bokeh's own is drawn anew with each change of data, and can't be reached
 * by keyboard.
 */
export class Picture {
  constructor(bokeh: IBokeh, picture: IFigure, theme: ITheme, range: IModel) {
    this._source = new bokeh.ColumnDataSource({ data: empty(picture) });
    this._few = new bokeh.ColumnDataSource({ data: empty(picture) });
    this.plot = bokeh.Plotting.figure({
      height: HEIGHT,
      sizing_mode: 'stretch_width',
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
    this._draw(picture, theme);
    const clock = {
      formatter: new bokeh.DatetimeTickFormatter(CLOCK),
      ticker: new bokeh.DatetimeTicker({ desired_num_ticks: 4 }),
      major_label_policy: new bokeh.NoOverlap({ min_distance: 12 })
    };
    this.plot.xaxis.each(axis => axis.setv(clock));
    if (picture.scale === 'log') {
      const decades = {
        formatter: new bokeh.LogTickFormatter({ min_exponent: 4 }),
        major_label_policy: new bokeh.NoOverlap({ min_distance: 2 })
      };
      this.plot.yaxis.each(axis => axis.setv(decades));
    }
    this._paint(theme);
    const tooltips = picture.series.map(({ name, label }) => [label, `@{${name}}{0,0.[000]}`]);
    const renderers = this._lines.slice(0, 1);
    this.plot.add_tools(new bokeh.HoverTool({ renderers, mode: 'vline', tooltips }));

    this.node = document.createElement('figure');
    this.node.className = 'pilothouse-Live-picture';
    this.host = document.createElement('div');
    this.node.append(this._caption(picture, theme), this.host);
  }

  /** The element that is shown. */
  readonly node: HTMLElement;
  /** The element that Bokeh draws into. */
  readonly host: HTMLElement;
  /** Bokeh's figure. */
  readonly plot: IPlottingFigure;

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

  private _draw(picture: IFigure, theme: ITheme): void {
    const x = { field: 'time' };
    picture.series.forEach((series, at) => {
      const y = { field: series.name };
      const color = theme.lines[at % theme.lines.length];
      const line_dash = DASHES[at % DASHES.length];
      const style = { color, line_dash, line_width: 2 };
      this._lines.push(this.plot.line(x, y, { ...style, source: this._source }));
      this._dots.push(this.plot.scatter(x, y, { color, size: 6, source: this._few }));
    });
  }

  private _paint({ text, grid, font }: ITheme): void {
    this.plot.toolbar.setv({ autohide: true, logo: null });
    this.plot.axis.each(axis =>
      axis.setv({
        axis_line_color: grid,
        major_tick_line_color: grid,
        minor_tick_line_color: null,
        major_label_text_color: text,
        major_label_text_font: font
      })
    );
    this.plot.grid.each(lines => lines.setv({ grid_line_color: grid, grid_line_alpha: 0.5 }));
  }

  private _caption(picture: IFigure, theme: ITheme): HTMLElement {
    const caption = document.createElement('figcaption');
    const title = document.createElement('strong');
    title.textContent = picture.title;
    caption.append(title, ` ${picture.unit}`);
    if (picture.series.length > 1) {
      picture.series.forEach((series, at) => caption.append(this._key(series.label, at, theme)));
    }
    return caption;
  }

  private _key(label: string, at: number, theme: ITheme): HTMLElement {
    const key = document.createElement('button');
    key.type = 'button';
    key.className = 'pilothouse-Live-key';
    key.setAttribute('aria-pressed', 'true');
    const stroke = document.createElement('span');
    stroke.style.borderTopColor = theme.lines[at % theme.lines.length];
    stroke.style.borderTopStyle = DASHES[at % DASHES.length];
    key.append(stroke, label);
    key.addEventListener('click', () => {
      const visible = !this._lines[at].visible;
      this._lines[at].visible = this._dots[at].visible = visible;
      key.setAttribute('aria-pressed', String(visible));
    });
    return key;
  }

  private _dots: IRenderer[] = [];
  private _few: IColumnDataSource;
  private _lines: IRenderer[] = [];
  private _source: IColumnDataSource;
}

/** A source without samples. */
function empty(picture: IFigure): ColumnData {
  const names = ['time', ...picture.series.map(series => series.name)];
  return Object.fromEntries(names.map(name => [name, new Float64Array(0)]));
}
