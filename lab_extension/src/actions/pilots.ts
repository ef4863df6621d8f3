/** What can be done with pilots. */

import { InputDialog, Notification } from '@jupyterlab/apputils';
import { addIcon, closeIcon, listIcon, redoIcon, refreshIcon } from '@jupyterlab/ui-components';

import { CommandIDs } from '../commands';
import { adaptIcon, pilothouseIcon, prolongIcon, shrinkIcon } from '../icons';
import { isOver } from '../records';
import { confirmEnd } from '../views/confirm';

import { forKind } from './adding';
import type { IAdder } from './adding';

/** Add the commands that start, change and end pilots. */
export function addPilotCommands({ plain, named, model, trans }: IAdder): void {
  plain(CommandIDs.newPilot, {
    label: trans.__('New Pilot…'),
    caption: trans.__('Allocate nodes to work on'),
    icon: pilothouseIcon,
    execute: async () => {
      const { askForPilot } = await import('../views/form');
      const started = await askForPilot(model, trans);
      if (started) {
        Notification.success(trans.__('Pilot %1 is starting.', started.name), {
          autoClose: 3000
        });
      }
    }
  });
  named(CommandIDs.extendPilot, {
    of: 'pilots',
    label: trans.__('Extend Pilot by One Node'),
    caption: trans.__(
      'Give the pilot one more node, or those of one more job where a job has several'
    ),
    icon: addIcon,
    live: true,
    execute: name =>
      forKind(model, name, trans.__('Add a node to %1', name), trans, kind =>
        model.extendPilot(name, kind)
      )
  });
  named(CommandIDs.shrinkPilot, {
    of: 'pilots',
    label: trans.__('Shrink Pilot by One Node'),
    caption: trans.__(
      'Take a node (or the nodes of a job) from the pilot, once its work has moved'
    ),
    icon: shrinkIcon,
    live: true,
    execute: name =>
      forKind(model, name, trans.__('Remove a node from %1', name), trans, kind =>
        model.shrinkPilot(name, kind)
      )
  });
  named(CommandIDs.cancelPilot, {
    of: 'pilots',
    label: trans.__('Cancel Pilot…'),
    caption: trans.__('End the pilot with its nodes and its runs'),
    icon: closeIcon,
    live: true,
    execute: async name => {
      const runs = model.runs.filter(run => run.pilot === name && !isOver(run)).length;
      const sure = await confirmEnd({
        title: trans.__('Cancel pilot %1?', name),
        body: runs
          ? trans._n(
              'Its nodes are given back, and its run ends.',
              'Its nodes are given back, and its %1 runs end.',
              runs
            )
          : trans.__('Its nodes are given back.'),
        keep: trans.__('Keep it'),
        end: trans.__('Cancel the pilot')
      });
      if (sure) {
        await model.cancelPilot(name);
      }
    }
  });
  named(CommandIDs.adaptPilot, {
    of: 'pilots',
    label: trans.__('Adapt Pilot…'),
    caption: trans.__('Let the pilot follow its load between two numbers of nodes, or end that'),
    icon: adaptIcon,
    live: true,
    execute: async name => {
      const pilot = model.pilots.find(each => each.name === name);
      if (pilot) {
        const { askForLoad } = await import('../views/adapt');
        await askForLoad(model, pilot, trans);
      }
    }
  });
  named(CommandIDs.renewPilot, {
    of: 'pilots',
    label: trans.__('Renew Pilot'),
    caption: trans.__('Replace its nodes, one by one, before their walltime is over'),
    icon: refreshIcon,
    live: true,
    execute: name => model.renewPilot(name)
  });
  named(CommandIDs.prolongPilot, {
    of: 'pilots',
    label: trans.__('Prolong Pilot…'),
    caption: trans.__("Have the pilot's lease end later, as far as its site allows"),
    icon: prolongIcon,
    live: true,
    execute: async name => {
      const { value } = await InputDialog.getText({
        title: trans.__('Prolong %1', name),
        label: trans.__('By how much, such as 90min or 2h'),
        text: '1h',
        okLabel: trans.__('Prolong')
      });
      if (value) {
        await model.prolongPilot(name, value);
      }
    }
  });
  named(CommandIDs.recoverPilot, {
    of: 'pilots',
    label: trans.__('Recover Pilot'),
    caption: trans.__('Go on with a lost pilot: its nodes, its jobs, and the runs that can'),
    icon: redoIcon,
    lost: true,
    execute: name => model.recoverPilot(name)
  });
  named(CommandIDs.endPilot, {
    of: 'pilots',
    label: trans.__('End Lost Pilot…'),
    caption: trans.__('End the jobs that a lost pilot has left'),
    icon: closeIcon,
    lost: true,
    execute: async name => {
      const sure = await confirmEnd({
        title: trans.__('End what %1 has left?', name),
        body: trans.__('Its jobs end, with what they hold.'),
        keep: trans.__('Keep it'),
        end: trans.__('End it')
      });
      if (sure) {
        await model.cancelPilot(name);
      }
    }
  });
  named(CommandIDs.pilotLogs, {
    of: 'pilots',
    label: trans.__('Pilot Log'),
    caption: trans.__("Show what the pilot's processes wrote"),
    icon: listIcon,
    execute: async name => {
      const { showLogs } = await import('../views/logs');
      await showLogs(model, 'pilots', name, trans);
    }
  });
}
