/** Dialogs whose focus stays where it is. */

import { Dialog } from '@jupyterlab/apputils';

/**
 * A dialog in which Enter means what the user has chosen.
 *
 * When something behind it takes the focus, as tabs do that open late, JupyterLab's own gives it to the default button.
 */
export class SteadyDialog<T> extends Dialog<T> {
  override handleEvent(event: Event): void {
    if (event.type !== 'focus') {
      super.handleEvent(event);
    } else if (this.node.contains(event.target as Node)) {
      this._focused = event.target as HTMLElement;
    } else {
      event.stopPropagation();
      this._focused?.focus(); // back to where it was: elsewhere, Enter would mean something else
    }
  }

  private _focused?: HTMLElement;
}
