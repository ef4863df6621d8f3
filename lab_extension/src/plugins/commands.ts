import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  Clipboard,
  Dialog,
  ICommandPalette,
  InputDialog,
  Notification
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  addIcon,
  closeIcon,
  copyIcon,
  deleteIcon,
  listIcon,
  redoIcon,
  refreshIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { attempt } from '../attempt';
import { CommandIDs } from '../commands';
import { adaptIcon, pilothouseIcon, prolongIcon, shrinkIcon, sweepIcon } from '../icons';
import { isOver, isService, pythonLine } from '../records';
import type { IRecord } from '../records';
import { IPilothouse } from '../tokens';
import { confirmEnd, confirmStop } from '../views/confirm';
import { SteadyDialog } from '../views/steady';

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
    const category = trans.__('Pilothouse');
    const { named, plain } = Private.adder(app, model, trans);

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
        Private.forKind(model, name, trans.__('Add a node to %1', name), trans, kind =>
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
        Private.forKind(model, name, trans.__('Remove a node from %1', name), trans, kind =>
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
    named(CommandIDs.startEngine, {
      of: 'pilots',
      label: trans.__('Start an Engine…'),
      caption: trans.__('Start Kafka, Spark or another framework on nodes of the pilot'),
      icon: runIcon,
      live: true,
      execute: async name => {
        const { askForService } = await import('../views/service_form');
        const started = await askForService(model, name, trans);
        if (started) {
          Notification.success(trans.__('Service %1 is starting.', started.name), {
            autoClose: 3000
          });
        }
      }
    });
    named(CommandIDs.extendService, {
      of: 'services',
      label: trans.__('Extend Service by One Node'),
      caption: trans.__("Have the service on one more of its pilot's nodes"),
      icon: addIcon,
      live: true,
      execute: name => model.extendService(name)
    });
    named(CommandIDs.shrinkService, {
      of: 'services',
      label: trans.__('Shrink Service by One Node'),
      caption: trans.__('Take the service from a node, once what it has there has moved'),
      icon: shrinkIcon,
      live: true,
      execute: name => model.shrinkService(name)
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
      Object.values(CommandIDs).forEach(command => palette.addItem({ command, category }));
    }
  }
};

namespace Private {
  /** A command, without what all have in common. */
  interface ICommand {
    label: string;
    caption: string;
    icon: LabIcon;
  }

  /** A command without arguments. */
  interface IPlain extends ICommand {
    execute: () => Promise<void>;
  }

  /** A command for the pilot or run of a name. */
  interface INamed extends ICommand {
    of: 'pilots' | 'runs' | 'services' | 'both';
    /** Whether only things that have not ended are meant. */
    live?: boolean;
    /** Whether only things that have ended are meant, and can be read. */
    over?: boolean;
    /** Whether only lost pilots are meant. */
    lost?: boolean;
    execute: (name: string) => Promise<void>;
  }

  /** How commands are added. */
  interface IAdder {
    named: (id: string, command: INamed) => void;
    plain: (id: string, command: IPlain) => void;
  }

  /** Functions that add commands to the application: errors are shown with the server's text. */
  export function adder(
    app: JupyterFrontEnd,
    model: IPilothouse,
    trans: TranslationBundle
  ): IAdder {
    const candidates = ({ of, live, lost, over }: INamed): IRecord[] => {
      const pilots = of === 'pilots' || of === 'both' ? model.pilots : [];
      const runs = of === 'services' ? model.runs.filter(isService) : model.runs;
      const all = [...pilots, ...(of === 'pilots' ? [] : runs)];
      if (lost) {
        return all.filter(({ state }) => state === 'lost');
      }
      if (over) {
        return all.filter(record => isOver(record) && record.state !== 'unreadable');
      }
      return live ? all.filter(record => !isOver(record)) : all;
    };

    const plain = (id: string, { execute, ...rest }: IPlain): void => {
      app.commands.addCommand(id, {
        ...rest,
        describedBy: { args: { type: 'object', properties: {}, additionalProperties: false } },
        execute: () => attempt(execute)
      });
    };
    const named = (id: string, command: INamed): void => {
      const { label, caption, icon, execute } = command;
      app.commands.addCommand(id, {
        label,
        caption,
        icon,
        describedBy: { args: argumentsSchema(trans) },
        isEnabled: args => {
          const name = nameIn(app, args);
          const found = candidates(command);
          return name ? found.some(record => record.name === name) : found.length > 0;
        },
        execute: args =>
          attempt(async () => {
            const name = nameIn(app, args) ?? (await ask(label, candidates(command)));
            if (name) {
              await execute(name);
            }
          })
      });
    };
    return { named, plain };
  }

  /** What commands for one pilot or run take. */
  export function argumentsSchema(trans: TranslationBundle): ReadonlyJSONObject {
    return {
      type: 'object',
      properties: {
        name: {
          type: 'string',
          description: trans.__('The name of the pilot or run; asked for when left out')
        },
        here: {
          type: 'boolean',
          description: trans.__('Take what the context menu was opened on')
        }
      },
      additionalProperties: false
    };
  }

  /** The name that is meant: given, or of the item under the context menu. */
  export function nameIn(
    app: JupyterFrontEnd,
    args: ReadonlyPartialJSONObject
  ): string | undefined {
    if (typeof args.name === 'string') {
      return args.name;
    }
    if (args.here) {
      return app.contextMenuHitTest(node => !!node.dataset.pilothouse)?.dataset.pilothouse;
    }
    return undefined;
  }

  /** Do something with a kind of node: the user chooses it where a pilot has several. */
  export async function forKind(
    model: IPilothouse,
    name: string,
    title: string,
    trans: TranslationBundle,
    act: (kind: string) => Promise<void>
  ): Promise<void> {
    const kinds = Object.keys(model.pilots.find(pilot => pilot.name === name)?.wanted ?? {});
    if (kinds.length <= 1) {
      return act(kinds[0] ?? 'node');
    }
    const { button } = await new SteadyDialog({
      title,
      body: trans.__('Of which kind?'),
      buttons: [Dialog.cancelButton(), ...kinds.map(label => Dialog.okButton({ label }))],
      defaultButton: 1
    }).launch();
    if (button.accept) {
      await act(button.label);
    }
  }

  /** Have the user choose; the only candidate is not asked for. */
  async function ask(title: string, found: readonly IRecord[]): Promise<string | null> {
    const items = found.map(({ name }) => name);
    if (items.length <= 1) {
      return items[0] ?? null;
    }
    return (await InputDialog.getItem({ title, items })).value;
  }
}
