/** BokehJS of the lab extension: a chunk of its own, loaded when the first plot is shown. */

import type { IBokeh } from './live/bokeh';
import { once, page } from './live/page';

/** BokehJS, loaded once a page, for tabs and for cells. */
export function loadBokeh(): Promise<IBokeh> {
  return once('bundled', Private.load);
}

/** Let the widgets in cells have this BokehJS too. */
export function offerBokeh(): void {
  page().bundled = Private.load;
}

namespace Private {
  /** Load the library, then its API, which adds itself to the library. */
  export async function load(): Promise<IBokeh> {
    const { default: bokeh } = await import('@bokeh/bokehjs/build/js/bokeh.esm.min.js');
    await import('@bokeh/bokehjs/build/js/bokeh-api.esm.min.js');
    return bokeh;
  }
}
