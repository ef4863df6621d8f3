/** What the Pilothouse code of one page shares: BokehJS, loaded once for each version. */

import type { IBokeh } from './bokeh';

/** The page-global table. */
export interface IPage {
  /** How the lab extension loads its own BokehJS; missing where there is no lab extension. */
  bundled?: () => Promise<IBokeh>;
  /** Draw a figure that Python made into an element, for as long as that is in the page. */
  show?: (host: HTMLElement, item: unknown) => void;
  /** What was to be shown before there was somebody to do it. */
  waiting?: [host: HTMLElement, item: unknown][];
  /** BokehJS that is loaded, or being loaded, by version. */
  readonly loaded: Map<string, Promise<IBokeh>>;
}

/** The table of this page, made when it is asked for first. */
export function page(): IPage {
  const root = globalThis as typeof globalThis & { pilothousePage?: IPage };
  root.pilothousePage ??= { loaded: new Map() };
  return root.pilothousePage;
}

/** Load a version of BokehJS once; a loader that failed may be tried again. */
export function once(version: string, load: () => Promise<IBokeh>): Promise<IBokeh> {
  const { loaded } = page();
  const found = loaded.get(version);
  if (found) {
    return found;
  }
  const promise = load();
  loaded.set(version, promise);
  promise.catch(() => loaded.delete(version));
  return promise;
}
