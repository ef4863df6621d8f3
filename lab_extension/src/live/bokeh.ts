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

/** Several models behind one face. */
export interface IModels {
  each(visit: (model: IModel) => void): void;
}

/** A figure of the plotting API. */
export interface IPlottingFigure extends IModel {
  readonly axis: IModels;
  readonly grid: IModels;
  readonly legend: IModel;
  readonly title: IModel;
  add_tools(...tools: IModel[]): void;
  line(x: unknown, y: unknown, options: Properties): IModel;
  scatter(x: unknown, y: unknown, options: Properties): IModel;
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
    gridplot(children: (IModel | null)[][], options: Properties): IModel;
    show(model: IModel, target: HTMLElement): Promise<IView>;
  };
  readonly ColumnDataSource: new (options: Properties) => IColumnDataSource;
  readonly DataRange1d: new (options: Properties) => IModel;
  readonly HoverTool: new (options: Properties) => IModel;
}
