// BokehJS's prebuilt bundles: the npm package's own modules do not survive the extension's build.

declare module '@bokeh/bokehjs/build/js/bokeh.esm.min.js' {
  const bokeh: import('./live/bokeh').IBokeh;
  export default bokeh;
}

declare module '@bokeh/bokehjs/build/js/bokeh-api.esm.min.js' {
  const plugin: unknown;
  export default plugin;
}
