/** BokehJS of the lab extension: a chunk of its own, loaded when the first plot is shown. */

import type { IBokeh } from './live/bokeh';
import { once, page } from './live/page';
import { showWhileThere } from './live/standalone';

/** BokehJS, loaded once a page, for tabs and for cells. */
export function loadBokeh(): Promise<IBokeh> {
  return once('bundled', Private.load);
}

/** Let what is in cells have this BokehJS too: widgets, and figures that Python made. */
export function offerBokeh(): void {
  const shared = page();
  shared.bundled = Private.load;
  shared.show = (host, item) => showWhileThere(host, item, loadBokeh);
  shared.waiting?.splice(0).forEach(([host, item]) => shared.show?.(host, item));
}

namespace Private {
  /** Load the library, then its API, which adds itself to the library. */
  export async function load(): Promise<IBokeh> {
    const { default: bokeh } = await import('@bokeh/bokehjs/build/js/bokeh.esm.min.js');
    await import('@bokeh/bokehjs/build/js/bokeh-api.esm.min.js');
    return bokeh;
  }
}
