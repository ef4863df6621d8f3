/** The JupyterLab extension of Pilothouse: small plugins around one model of pilots and runs. */

import { cells } from './plugins/cells';
import { commands } from './plugins/commands';
import { dashboards } from './plugins/dashboards';
import { launcher } from './plugins/launcher';
import { notices } from './plugins/notices';
import { panel } from './plugins/panel';
import { plots } from './plugins/plots';
import { records } from './plugins/records';
import { running } from './plugins/running';
import { status } from './plugins/status';

export { IPilothouse } from './tokens';
export type { IEntered } from './tokens';

export default [
  records,
  commands,
  panel,
  plots,
  cells,
  dashboards,
  launcher,
  status,
  running,
  notices
];
