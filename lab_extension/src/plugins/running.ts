import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import type { IRunningSessions } from '@jupyterlab/running';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { attempt } from '../attempt';
import { CommandIDs } from '../commands';
import { pilothouseIcon } from '../icons';
import { stateName } from '../live/status';
import { isOver, isService, kindOf, runningNodes } from '../records';
import { IPilothouse } from '../tokens';
import { confirmEnd, confirmStop } from '../views/confirm';

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

    const stop = async (name: string): Promise<void> => {
      const run = model.runs.find(each => each.name === name);
      if (await confirmStop(name, run && isService(run) ? 'service' : 'run', trans)) {
        await model.stopRun(name);
      }
    };

    const cancelAll = async (): Promise<void> => {
      const names = model.pilots.filter(pilot => !isOver(pilot)).map(pilot => pilot.name);
      const runs = model.runs.filter(run => !isOver(run)).length;
      const which = names.join(', ');
      const sure = await confirmEnd({
        title: trans._n('Cancel %1 pilot?', 'Cancel %1 pilots?', names.length),
        body: runs
          ? trans._n(
              'The nodes of %2 are given back, and %1 run ends.',
              'The nodes of %2 are given back, and %1 runs end.',
              runs,
              which
            )
          : trans.__('The nodes of %1 are given back.', which),
        keep: trans.__('Keep them'),
        end: trans._n('Cancel the pilot', 'Cancel %1 pilots', names.length)
      });
      if (sure) {
        await Promise.all(names.map(name => attempt(() => model.cancelPilot(name))));
      }
    };

    const items = (): IRunningSessions.IRunningItem[] =>
      model.pilots
        .filter(pilot => !isOver(pilot))
        .map(pilot => ({
          icon: () => pilothouseIcon,
          label: () => pilot.name,
          labelTitle: () =>
            trans.__('%1, %2 nodes', stateName(pilot.state, trans), runningNodes(pilot)),
          open: () => void app.commands.execute(CommandIDs.showPanel),
          shutdown: () => void app.commands.execute(CommandIDs.cancelPilot, { name: pilot.name }),
          children: model.runs
            .filter(run => run.pilot === pilot.name && !isOver(run))
            .map(run => ({
              icon: () => pilothouseIcon,
              label: () => run.name,
              labelTitle: () => `${kindOf(run)} · ${stateName(run.state, trans)}`,
              open: () => void app.commands.execute(CommandIDs.openRun, { name: run.name }),
              shutdown: () => void attempt(() => stop(run.name))
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
      // JupyterLab's own question has its focus on the button that ends everything: it only leads to ours.
      shutdownAllConfirmationText: trans.__('You will see what ends before anything does.'),
      shutdownAll: () => void cancelAll()
    });
  }
};
