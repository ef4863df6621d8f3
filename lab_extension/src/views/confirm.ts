/** Questions before something is ended for good. */

import { Dialog } from '@jupyterlab/apputils';
import type { ReactWidget } from '@jupyterlab/apputils';

import { SteadyDialog } from './steady';

/** What is asked. */
export interface IQuestion {
  readonly title: string;
  readonly body: string | ReactWidget;
  /** The button that leaves everything as it is. */
  readonly keep: string;
  /** The button that ends it. */
  readonly end: string;
}

/** Ask whether something is to end: the focus is on what keeps it, so that Enter and Escape end nothing. */
export async function confirmEnd({ title, body, keep, end }: IQuestion): Promise<boolean> {
  const buttons = [Dialog.cancelButton({ label: keep }), Dialog.warnButton({ label: end })];
  const { button } = await new SteadyDialog({ title, body, buttons, defaultButton: 0 }).launch();
  return button.accept;
}
