/** Actions that may be refused. */

import { Notification } from '@jupyterlab/apputils';

/** Do something; when it is refused, show why, in the server's own words. */
export async function attempt(action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    Notification.error(error instanceof Error ? error.message : String(error));
  }
}
