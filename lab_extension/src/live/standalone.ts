/** A figure that Python made, drawn into an element of the page. */

import { release } from './bokeh';
import type { IBokeh } from './bokeh';

/** Shows one figure after another: of those before, nothing is kept. */
export class Standalone {
  /**
   * @param _host - the element that is drawn into.
   * @param _load - gets BokehJS.
   */
  constructor(
    private _host: HTMLElement,
    private _load: () => Promise<IBokeh>
  ) {}

  /** Draw what Python's `bokeh.embed.json_item` made, in place of what was drawn before. */
  async show(item: unknown): Promise<void> {
    const turn = ++this._turn;
    const bokeh = await this._load();
    if (turn !== this._turn) {
      return; // disposed, or another one is to be shown
    }
    const room = document.createElement('div');
    room.className = 'pilothouse-Live-coming'; // out of sight: the old one stays until the new one is drawn
    this._host.append(room);
    try {
      const views = await bokeh.embed.embed_item(item, room);
      const free = (): void => {
        release(bokeh, views);
        room.remove();
      };
      if (turn !== this._turn) {
        free();
        return;
      }
      this._free?.();
      this._free = free;
      room.className = '';
    } catch (error) {
      room.remove();
      throw error;
    }
  }

  /** Take the figure out of the page. */
  dispose(): void {
    this._turn++;
    this._free?.();
    this._free = undefined;
  }

  private _free?: () => void;
  private _turn = 0;
}

/**
 * Draw a figure into an element for as long as that is in the page: a notebook takes the outputs of a cell out of it
 * when the cell is run again, and may put them back when they were only scrolled away.
 *
 * @param host - its first child, words that say what the figure shows, is hidden once it is drawn.
 */
export function showWhileThere(
  host: HTMLElement,
  item: unknown,
  load: () => Promise<IBokeh>
): void {
  const room = host.appendChild(document.createElement('div'));
  const figure = new Standalone(room, load);
  const words = host.firstElementChild;
  let drawn = false;
  const look = async (): Promise<void> => {
    if (host.isConnected === drawn) {
      return;
    }
    drawn = host.isConnected;
    if (!drawn) {
      figure.dispose();
      return;
    }
    try {
      await figure.show(item);
      words?.setAttribute('hidden', '');
    } catch (error) {
      room.textContent = String(error);
    }
  };
  new ResizeObserver(() => void look()).observe(host); // told too when it leaves the page, and when it is back
}
