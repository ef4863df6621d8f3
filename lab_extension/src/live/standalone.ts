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
