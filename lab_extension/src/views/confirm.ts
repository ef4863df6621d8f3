/** Questions before something is ended for good. */

import { Dialog, showDialog } from '@jupyterlab/apputils';

/** What is asked. */
export interface IQuestion {
  readonly title: string;
  readonly body: string;
  /** The button that leaves everything as it is. */
  readonly keep: string;
  /** The button that ends it. */
  readonly end: string;
}

/** Ask whether something is to end: the focus is on what keeps it, so that Enter and Escape end nothing. */
export async function confirmEnd({ title, body, keep, end }: IQuestion): Promise<boolean> {
  const { button } = await showDialog({
    title,
    body,
    buttons: [Dialog.cancelButton({ label: keep }), Dialog.warnButton({ label: end })],
    defaultButton: 0
  });
  return button.accept;
}
