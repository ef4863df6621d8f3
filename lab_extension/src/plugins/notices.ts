import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../commands';
import { stateName } from '../live/status';
import { isOver } from '../records';
import { IPilothouse } from '../tokens';

const ID = 'pilothouse:notices';

/** Tells the user when something has ended. */
export const notices: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Tells when a pilot or a run has failed, was lost or, if wished, has finished.',
  autoStart: true,
  requires: [IPilothouse, ISettingRegistry],
  optional: [ITranslator],
  activate: async (
    app: JupyterFrontEnd,
    model: IPilothouse,
    registry: ISettingRegistry,
    translator: ITranslator | null
  ): Promise<void> => {
    const trans = (translator ?? nullTranslator).load('pilothouse');
    const settings = await registry.load(ID);
    model.entered.connect((_, { of, record }) => {
      const wished = settings.get('notify').composite;
      const finished = record.state === 'finished';
      if (!isOver(record) || wished === 'never' || (finished && wished !== 'always')) {
        return;
      }
      const state = stateName(record.state, trans);
      const reason = record.reason ? ` (${record.reason})` : '';
      const text =
        of === 'pilots'
          ? trans.__('Pilot %1: %2%3', record.name, state, reason)
          : trans.__('Run %1: %2%3', record.name, state, reason);
      const command = of === 'pilots' ? CommandIDs.pilotLogs : CommandIDs.runLogs;
      const callback = (): void => void app.commands.execute(command, { name: record.name });
      Notification.emit(text, finished ? 'success' : 'error', {
        autoClose: finished ? 5000 : false,
        actions: [{ label: trans.__('Show Log'), callback }]
      });
    });
  }
};
