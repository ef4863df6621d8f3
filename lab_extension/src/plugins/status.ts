import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../commands';
import { IPilothouse } from '../tokens';
import { LiveCount } from '../views/status';

/** An item of the status bar. */
export const status: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:status',
  description: 'Shows in the status bar how many pilots and runs are live.',
  autoStart: true,
  requires: [IPilothouse, IStatusBar],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IPilothouse,
    bar: IStatusBar,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('pilothouse');
    const show = (): void => void app.commands.execute(CommandIDs.showPanel);
    const item = new LiveCount(model, show, trans);
    bar.registerStatusItem('pilothouse:status', {
      item,
      align: 'left',
      rank: 100,
      isActive: () => item.isActive,
      activeStateChanged: item.activeChanged
    });
  }
};
