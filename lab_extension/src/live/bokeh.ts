/** The part of BokehJS that the plots use. It is passed in: the panel and the cells load it in different ways. */

/** Column data of a source. */
export type ColumnData = Record<string, Float64Array>;

/** Properties of a Bokeh model. */
export type Properties = Record<string, unknown>;

/** A Bokeh model. */
export interface IModel {
  /** Set several properties at once. */
  setv(properties: Properties): void;
}

/** A source of column data. */
export interface IColumnDataSource extends IModel {
  data: ColumnData;
}

/** What draws samples; a legend makes it visible and invisible. */
export interface IRenderer extends IModel {
  readonly visible: boolean;
  readonly properties: { visible: { change: { connect(slot: () => void): void } } };
}

/** Several models behind one face. */
export interface IModels {
  each(visit: (model: IModel) => void): void;
}

/** A figure of the plotting API. */
export interface IPlottingFigure extends IModel {
  readonly axis: IModels;
  readonly xaxis: IModels;
  readonly grid: IModels;
  readonly legend: IModel;
  readonly title: IModel;
  readonly toolbar: IModel;
  add_tools(...tools: IModel[]): void;
  line(x: unknown, y: unknown, options: Properties): IRenderer;
  scatter(x: unknown, y: unknown, options: Properties): IRenderer;
}

/** A view of a model in the page. */
export interface IView {
  remove(): void;
}

/** BokehJS with its API plugin. */
export interface IBokeh {
  readonly version: string;
  readonly Plotting: {
    figure(options: Properties): IPlottingFigure;
    show(model: IModel, target: HTMLElement): Promise<IView>;
  };
  readonly Column: new (options: Properties) => IModel;
  readonly ColumnDataSource: new (options: Properties) => IColumnDataSource;
  readonly DataRange1d: new (options: Properties) => IModel;
  readonly DatetimeTickFormatter: new (options: Properties) => IModel;
  readonly HoverTool: new (options: Properties) => IModel;
  readonly Row: new (options: Properties) => IModel;
}
