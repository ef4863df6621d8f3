import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { IPilothouse } from '../tokens';
import { createPanel } from '../views/panel';

/** The side bar. */
export const panel: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:panel',
  description: 'A side bar that shows pilots, runs and the market.',
  autoStart: true,
  requires: [IPilothouse],
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    model: IPilothouse,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const widget = createPanel(model, app.commands, translator ?? nullTranslator);
    app.shell.add(widget, 'left', { rank: 700, type: 'Pilothouse' });
    restorer?.add(widget, widget.id);
  }
};
