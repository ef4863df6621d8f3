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

/** What draws samples. */
export interface IRenderer extends IModel {
  visible: boolean;
}

/** Several models behind one face. */
export interface IModels {
  each(visit: (model: IModel) => void): void;
}

/** A figure of the plotting API. */
export interface IPlottingFigure extends IModel {
  readonly axis: IModels;
  readonly xaxis: IModels;
  readonly yaxis: IModels;
  readonly grid: IModels;
  readonly toolbar: IModel;
  add_tools(...tools: IModel[]): void;
  line(x: unknown, y: unknown, options: Properties): IRenderer;
  scatter(x: unknown, y: unknown, options: Properties): IRenderer;
}

/** Models that are shown together: they may share ranges. */
export interface IDocument {
  add_root(model: IModel): void;
}

/** The views of a document. */
export interface IViews {
  readonly roots: readonly { readonly model: { readonly document: IDocument | null } }[];
  /** Take all out of the page. */
  clear(): void;
}

/** BokehJS with its API plugin. */
export interface IBokeh {
  readonly version: string;
  readonly Plotting: {
    figure(options: Properties): IPlottingFigure;
  };
  readonly embed: {
    /** Show each root in the element of the same place. */
    add_document_standalone(
      document: IDocument,
      element: HTMLElement,
      roots: HTMLElement[]
    ): Promise<IViews>;
    /** Show what Python's `bokeh.embed.json_item` made. */
    embed_item(item: unknown, target: HTMLElement): Promise<IViews>;
  };
  readonly ColumnDataSource: new (options: Properties) => IColumnDataSource;
  /** All documents of the page: one that is not taken out is never freed. */
  readonly documents: IDocument[];
  readonly DataRange1d: new (options: Properties) => IModel;
  readonly DatetimeTickFormatter: new (options: Properties) => IModel;
  readonly DatetimeTicker: new (options: Properties) => IModel;
  readonly Document: new () => IDocument;
  readonly HoverTool: new (options: Properties) => IModel;
  readonly LogTickFormatter: new (options: Properties) => IModel;
  readonly NoOverlap: new (options: Properties) => IModel;
}

/** Take views out of the page, and have Bokeh forget their documents: it keeps them of its own accord. */
export function release({ documents }: IBokeh, views: IViews): void {
  const shown = new Set(views.roots.map(({ model }) => model.document));
  views.clear();
  const kept = documents.filter(document => !shown.has(document));
  documents.splice(0, documents.length, ...kept);
}
