import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../commands';

/** A card of the launcher. */
export const launcher: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:launcher',
  description: 'A launcher card that starts a pilot.',
  autoStart: true,
  requires: [ILauncher],
  optional: [ITranslator],
  activate: (_: JupyterFrontEnd, cards: ILauncher, translator: ITranslator | null): void => {
    const category = (translator ?? nullTranslator).load('pilothouse').__('Pilothouse');
    cards.add({ command: CommandIDs.newPilot, category });
  }
};
