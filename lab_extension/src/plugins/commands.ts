import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';

import { adder } from '../actions/adding';
import { addPilotCommands } from '../actions/pilots';
import { addRunCommands } from '../actions/runs';
import { addServiceCommands } from '../actions/services';
import { CommandIDs } from '../commands';
import { pilothouseIcon, sweepIcon } from '../icons';
import { IPilothouse } from '../tokens';

/** What can be done with pilots and runs, for the panel, the palette and the menus. */
export const commands: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:commands',
  description: 'Commands that start, extend, shrink, cancel and stop pilots and runs.',
  autoStart: true,
  requires: [IPilothouse],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    model: IPilothouse,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('pilothouse');
    const adding = adder(app, model, trans);
    const { plain } = adding;
    addPilotCommands(adding);
    addServiceCommands(adding);
    addRunCommands(adding);
    plain(CommandIDs.sweep, {
      label: trans.__('End Orphaned Jobs…'),
      caption: trans.__('List jobs of yours that no pilot wants any more, and end them'),
      icon: sweepIcon,
      execute: async () => {
        const { askForSweep } = await import('../views/sweep');
        await askForSweep(model, trans);
      }
    });
    plain(CommandIDs.refresh, {
      label: trans.__('Refresh Pilots and Runs'),
      caption: trans.__('Ask the server again'),
      icon: refreshIcon,
      execute: () => model.refresh()
    });
    plain(CommandIDs.showPanel, {
      label: trans.__('Show Pilots and Runs'),
      caption: trans.__('Show the Pilothouse side bar'),
      icon: pilothouseIcon,
      execute: async () => app.shell.activateById('pilothouse-panel')
    });

    if (palette) {
      const category = trans.__('Pilothouse');
      Object.values(CommandIDs).forEach(command => palette.addItem({ command, category }));
    }
  }
};
