import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { PilothouseModel } from '../model';
import { IPilothouse } from '../tokens';

/** Keeps the lists of pilots, runs and the market. */
export const records: JupyterFrontEndPlugin<IPilothouse> = {
  id: 'pilothouse:records',
  description: "Keeps the user's pilots, runs and market up to date.",
  autoStart: true,
  provides: IPilothouse,
  activate: (app: JupyterFrontEnd): IPilothouse => {
    const { events, serverSettings } = app.serviceManager;
    return new PilothouseModel({ events, serverSettings });
  }
};
