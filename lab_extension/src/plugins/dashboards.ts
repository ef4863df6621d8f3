import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { InputDialog, MainAreaWidget } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../commands';
import { dashboardIcon } from '../icons';
import { IPilothouse } from '../tokens';
import { DashboardView } from '../views/dashboard';

/** Dask's dashboards as tabs of the main area. They are not restored: by then the pilot may be another one. */
export const dashboards: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:dashboards',
  description: "Opens Dask's dashboard of a pilot as a tab, through the Jupyter server.",
  autoStart: true,
  requires: [IPilothouse],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, model: IPilothouse, translator: ITranslator | null): void => {
    const trans = (translator ?? nullTranslator).load('pilothouse');
    const title = trans.__('Open Dask Dashboard');
    const candidates = (): string[] =>
      model.pilots.filter(pilot => pilot.dashboard).map(pilot => pilot.name);

    app.commands.addCommand(CommandIDs.openDashboard, {
      label: title,
      caption: trans.__("Show what Dask's scheduler and workers of the pilot do"),
      icon: dashboardIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            name: {
              type: 'string',
              description: trans.__('The name of the pilot; asked for when left out')
            }
          },
          additionalProperties: false
        }
      },
      isEnabled: ({ name }) =>
        typeof name === 'string' ? candidates().includes(name) : candidates().length > 0,
      execute: async args => {
        const items = candidates();
        const name =
          args.name?.toString() ??
          (items.length === 1 ? items[0] : (await InputDialog.getItem({ title, items })).value);
        if (!name) {
          return;
        }
        const id = `pilothouse-dashboard-${name}`;
        if (![...app.shell.widgets('main')].some(tab => tab.id === id)) {
          const tab = new MainAreaWidget({ content: new DashboardView(model, name, trans) });
          tab.id = id;
          app.shell.add(tab, 'main', { type: 'Pilothouse' });
        }
        app.shell.activateById(id);
      }
    });
  }
};
