import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import type { IRunningSessions } from '@jupyterlab/running';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { attempt } from '../attempt';
import { CommandIDs } from '../commands';
import { pilothouseIcon } from '../icons';
import { stateName } from '../live/status';
import { isOver, runningNodes } from '../records';
import { IPilothouse } from '../tokens';

/** Live pilots among the running terminals and kernels. */
export const running: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:running',
  description: 'Lists live pilots with their runs among what is running.',
  autoStart: true,
  requires: [IPilothouse, IRunningSessionManagers],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IPilothouse,
    managers: IRunningSessionManagers,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('pilothouse');
    const runningChanged = new Signal<IPilothouse, void>(model);
    model.changed.connect(() => runningChanged.emit());

    const items = (): IRunningSessions.IRunningItem[] =>
      model.pilots
        .filter(pilot => !isOver(pilot))
        .map(pilot => ({
          icon: () => pilothouseIcon,
          label: () => pilot.name,
          labelTitle: () =>
            trans.__('%1, %2 nodes', stateName(pilot.state, trans), runningNodes(pilot)),
          open: () => void app.commands.execute(CommandIDs.showPanel),
          shutdown: () => void attempt(() => model.cancelPilot(pilot.name)),
          children: model.runs
            .filter(run => run.pilot === pilot.name && !isOver(run))
            .map(run => ({
              icon: () => pilothouseIcon,
              label: () => run.name,
              labelTitle: () => `${run.kind} · ${stateName(run.state, trans)}`,
              open: () => void app.commands.execute(CommandIDs.openRun, { name: run.name }),
              shutdown: () => void attempt(() => model.stopRun(run.name))
            }))
        }));

    managers.add({
      name: trans.__('Pilots'),
      supportsMultipleViews: false,
      running: items,
      refreshRunning: () => void model.refresh(),
      runningChanged,
      shutdownLabel: trans.__('Cancel'),
      shutdownAllLabel: trans.__('Cancel All'),
      shutdownAllConfirmationText: trans.__('Cancel all pilots, with their nodes and runs?'),
      shutdownAll: () => {
        for (const pilot of model.pilots.filter(found => !isOver(found))) {
          void attempt(() => model.cancelPilot(pilot.name));
        }
      }
    });
  }
};
