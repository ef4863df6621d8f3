/** Questions before something is ended for good. */

import { Dialog } from '@jupyterlab/apputils';
import type { ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

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

/** Ask whether a run is to stop. */
export function confirmStop(
  name: string,
  what: 'run' | 'service',
  trans: TranslationBundle
): Promise<boolean> {
  const keep = trans.__('Keep it running');
  return what === 'run'
    ? confirmEnd({
        title: trans.__('Stop run %1?', name),
        body: trans.__('What it has done is kept.'),
        keep,
        end: trans.__('Stop the run')
      })
    : confirmEnd({
        title: trans.__('Stop service %1?', name),
        body: trans.__(
          'Its clients lose it. Data that it has on its nodes goes, unless it keeps it.'
        ),
        keep,
        end: trans.__('Stop the service')
      });
}

/** Ask whether something is to end: the focus is on what keeps it, so that Enter and Escape end nothing. */
export async function confirmEnd({ title, body, keep, end }: IQuestion): Promise<boolean> {
  const buttons = [Dialog.cancelButton({ label: keep }), Dialog.warnButton({ label: end })];
  const { button } = await new SteadyDialog({ title, body, buttons, defaultButton: 0 }).launch();
  return button.accept;
}
