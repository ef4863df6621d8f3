import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { InputDialog, MainAreaWidget } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../commands';
import { dashboardIcon } from '../icons';
import { IPilothouse } from '../tokens';
import { DashboardView } from '../views/dashboard';

/** Dask's dashboards and pages of services as tabs. They are not restored: by then it may be another one. */
export const dashboards: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:dashboards',
  description:
    "Opens Dask's dashboard of a pilot, or a service's own pages, as a tab, through the Jupyter server.",
  autoStart: true,
  requires: [IPilothouse],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, model: IPilothouse, translator: ITranslator | null): void => {
    const trans = (translator ?? nullTranslator).load('pilothouse');

    const add = (id: string, of: DashboardView.Of, words: Private.IWords): void => {
      const candidates = (): string[] => {
        const all: readonly { name: string; dashboard?: string }[] = model[of];
        return all.filter(each => each.dashboard).map(each => each.name);
      };
      app.commands.addCommand(id, {
        label: words.title,
        caption: words.caption,
        icon: dashboardIcon,
        describedBy: {
          args: {
            type: 'object',
            properties: { name: { type: 'string', description: words.name } },
            additionalProperties: false
          }
        },
        isEnabled: ({ name }) =>
          typeof name === 'string' ? candidates().includes(name) : candidates().length > 0,
        execute: async args => {
          const { title } = words;
          const items = candidates();
          const name =
            args.name?.toString() ??
            (items.length === 1 ? items[0] : (await InputDialog.getItem({ title, items })).value);
          if (!name) {
            return;
          }
          const id = `pilothouse-dashboard-${of}-${name}`;
          if (![...app.shell.widgets('main')].some(tab => tab.id === id)) {
            const content = new DashboardView(model, of, name, trans);
            const tab = new MainAreaWidget({ content });
            tab.id = id;
            app.shell.add(tab, 'main', { type: 'Pilothouse' });
          }
          app.shell.activateById(id);
        }
      });
    };

    add(CommandIDs.openDashboard, 'pilots', {
      title: trans.__('Open Dask Dashboard'),
      caption: trans.__("Show what Dask's scheduler and workers of the pilot do"),
      name: trans.__('The name of the pilot; asked for when left out')
    });
    add(CommandIDs.openPages, 'services', {
      title: trans.__('Open Pages of a Service'),
      caption: trans.__("Show the framework's own pages, such as those of Spark"),
      name: trans.__('The name of the service; asked for when left out')
    });
  }
};

namespace Private {
  /** What a command says of itself, and of its argument. */
  export interface IWords {
    readonly title: string;
    readonly caption: string;
    readonly name: string;
  }
}
