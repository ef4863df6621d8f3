import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { TranslationBundle } from '@jupyterlab/translation';

import { CommandIDs } from '../commands';
import { stateName } from '../live/status';
import { isOver, isService } from '../records';
import type { IRecord, IRunRecord } from '../records';
import { Tally } from '../tally';
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
    const tally = new Tally(id => Notification.manager.has(id));
    model.entered.connect((_, { of, record }) => {
      const wished = settings.get('notify').composite;
      const finished = record.state === 'finished';
      if (!isOver(record) || wished === 'never' || (finished && wished !== 'always')) {
        return;
      }
      const kind = `${of} ${record.state}`;
      const { count, notice } = tally.add(kind, record.name);
      const command = of === 'pilots' ? CommandIDs.pilotLogs : CommandIDs.runLogs;
      const showLog = (): void => void app.commands.execute(command, { name: record.name });
      const showAll = (): void => void app.commands.execute(CommandIDs.showPanel);
      const options = {
        autoClose: finished ? 5000 : (false as const),
        actions: [
          {
            label: count > 1 ? trans.__('Show Last Log') : trans.__('Show Log'),
            callback: showLog
          },
          ...(count > 1 ? [{ label: trans.__('Show All'), callback: showAll }] : [])
        ]
      };
      const message = Private.words(of, record, count, trans);
      if (notice === undefined || !Notification.update({ id: notice, message, ...options })) {
        tally.tell(kind, Notification.emit(message, finished ? 'success' : 'error', options));
      }
    });
  }
};

namespace Private {
  /** What a notice says of the last of `count` pilots or runs that have come into a state. */
  export function words(
    of: 'pilots' | 'runs',
    record: IRecord,
    count: number,
    trans: TranslationBundle
  ): string {
    const { name, state, reason } = record;
    const shown = [count, name, stateName(state, trans), reason ? ` (${reason})` : ''] as const;
    if (of === 'pilots') {
      return trans._n('Pilot %2: %3%4', '%1 pilots: %3. The last one is %2%4', ...shown);
    }
    return count === 1 && isService(record as IRunRecord)
      ? trans.__('Service %2: %3%4', ...shown)
      : trans._n('Run %2: %3%4', '%1 runs: %3. The last one is %2%4', ...shown);
  }
}
