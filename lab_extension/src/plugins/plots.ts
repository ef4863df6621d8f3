import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  ICommandPalette,
  InputDialog,
  IThemeManager,
  MainAreaWidget,
  WidgetTracker
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { argumentsSchema, nameIn } from '../actions/adding';
import { loadBokeh, offerBokeh } from '../bokehjs';
import { CommandIDs } from '../commands';
import { pilothouseIcon, timelineIcon } from '../icons';
import { isOver } from '../records';
import { IPilothouse } from '../tokens';
import { RunPlots } from '../views/plots';
import { TimelineView } from '../views/timeline';

/** Runs as tabs of the main area. */
export const plots: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:plots',
  description: "Opens a run's live plots as a tab, and gives its BokehJS to the widgets in cells.",
  autoStart: true,
  requires: [IPilothouse],
  optional: [ITranslator, ILayoutRestorer, IThemeManager, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    model: IPilothouse,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    themes: IThemeManager | null,
    palette: ICommandPalette | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('pilothouse');
    const command = CommandIDs.openRun;
    const namespace = 'pilothouse-runs';
    const tracker = new WidgetTracker<MainAreaWidget<RunPlots>>({ namespace });
    offerBokeh();
    Private.prepare(model);
    themes?.themeChanged.connect(() => tracker.forEach(tab => tab.content.repaint()));

    app.commands.addCommand(command, {
      label: trans.__('Open Live Plots'),
      caption: trans.__("Show the run's throughput, lag, latency and quality as they change"),
      icon: pilothouseIcon,
      describedBy: { args: argumentsSchema(trans) },
      isEnabled: args => typeof args.name === 'string' || model.runs.length > 0,
      execute: async args => {
        const items = model.runs.map(run => run.name);
        const title = trans.__('Open Live Plots');
        const name = nameIn(app, args) ?? (await InputDialog.getItem({ title, items })).value;
        if (!name) {
          return;
        }
        let tab = tracker.find(({ content }) => content.name === name);
        if (!tab) {
          const content = new RunPlots(model, name, trans);
          tab = new MainAreaWidget({ content });
          tab.id = `pilothouse-run-${name}`;
          await tracker.add(tab);
        }
        if (!tab.isAttached) {
          app.shell.add(tab, 'main', { type: 'Pilothouse' });
        }
        app.shell.activateById(tab.id);
      }
    });
    app.commands.addCommand(CommandIDs.openTimeline, {
      label: trans.__('Open Timeline'),
      caption: trans.__("Show what the pilot's nodes and runs did when, and what that cost"),
      icon: timelineIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            name: { type: 'string', description: trans.__('The name of the pilot') }
          },
          additionalProperties: false
        }
      },
      isEnabled: args => typeof args.name === 'string' || model.pilots.length > 0,
      execute: async args => {
        const items = model.pilots.map(pilot => pilot.name);
        const title = trans.__('Open Timeline');
        const name = args.name?.toString() ?? (await InputDialog.getItem({ title, items })).value;
        if (name) {
          const id = `pilothouse-timeline-${name}`;
          const tabs = [...app.shell.widgets('main')];
          if (!tabs.some(tab => tab.id === id)) {
            const tab = new MainAreaWidget({ content: new TimelineView(model, name, trans) });
            tab.id = id;
            app.shell.add(tab, 'main', { type: 'Pilothouse' });
          }
          app.shell.activateById(id);
        }
      }
    });
    palette?.addItem({ command, category: trans.__('Pilothouse') });
    void restorer?.restore(tracker, {
      command,
      args: ({ content }) => ({ name: content.name }),
      name: ({ content }) => content.name
    });
  }
};

namespace Private {
  /** Have BokehJS at hand before the first plot: a user who has a pilot will look at one. */
  export function prepare(model: IPilothouse): void {
    const look = (): void => {
      if (model.pilots.some(pilot => !isOver(pilot))) {
        model.changed.disconnect(look);
        requestIdleCallback(() => void loadBokeh().catch(() => undefined)); // who needs it will be told
      }
    };
    model.changed.connect(look);
  }
}
