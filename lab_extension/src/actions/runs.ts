/** What can be done with runs, and with whatever has ended. */

import { Clipboard, Notification } from '@jupyterlab/apputils';
import { copyIcon, deleteIcon, listIcon, stopIcon } from '@jupyterlab/ui-components';

import { CommandIDs } from '../commands';
import { isService, pythonLine } from '../records';
import { confirmEnd, confirmStop } from '../views/confirm';

import type { IAdder } from './adding';

/** Add the commands that stop, remove and show runs. */
export function addRunCommands({ named, model, trans }: IAdder): void {
  named(CommandIDs.stopRun, {
    of: 'runs',
    label: trans.__('Stop Run'),
    caption: trans.__('Stop the run; what it has done is kept'),
    icon: stopIcon,
    live: true,
    execute: async name => {
      const run = model.runs.find(each => each.name === name);
      if (!run || !isService(run) || (await confirmStop(name, 'service', trans))) {
        await model.stopRun(name);
      }
    }
  });
  named(CommandIDs.remove, {
    of: 'both',
    label: trans.__('Remove…'),
    caption: trans.__('Remove a pilot or run that has ended, with its files'),
    icon: deleteIcon,
    over: true,
    execute: async name => {
      const pilot = model.pilots.find(each => each.name === name);
      const record = pilot ?? model.runs.find(each => each.name === name);
      if (!record) {
        return;
      }
      const sure = await confirmEnd({
        title: trans.__('Remove %1?', name),
        body: pilot
          ? trans.__('Its logs and its history are deleted. Its runs stay.')
          : trans.__('Its logs, its result and the files in its folder are deleted.'),
        keep: trans.__('Keep it'),
        end: trans.__('Remove it')
      });
      if (sure) {
        await model.remove(pilot ? 'pilots' : 'runs', record);
      }
    }
  });
  named(CommandIDs.runLogs, {
    of: 'runs',
    label: trans.__('Run Log'),
    caption: trans.__("Show what the run's processes wrote"),
    icon: listIcon,
    execute: async name => {
      const { showLogs } = await import('../views/logs');
      await showLogs(model, 'runs', name, trans);
    }
  });
  named(CommandIDs.copyPython, {
    of: 'both',
    label: trans.__('Copy Python Line'),
    caption: trans.__('Copy the line that gives this pilot or run in a notebook'),
    icon: copyIcon,
    execute: async name => {
      Clipboard.copyToSystem(pythonLine(name));
      Notification.info(trans.__('Copied: %1', pythonLine(name)), { autoClose: 2000 });
    }
  });
}
