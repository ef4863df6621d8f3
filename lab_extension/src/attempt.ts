/** Actions that may be refused. */

import { Notification } from '@jupyterlab/apputils';

/** Milliseconds that a refusal stays in view; it is kept among Jupyter's notifications. */
const READABLE = 15_000;

/** The notifications of refusals, by what they say. */
const shown = new Map<string, string>();

/** Do something; when it is refused, show why, in the server's own words: once, however often it is tried. */
export async function attempt(action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const id = shown.get(message);
    if (id === undefined || !Notification.update({ id, message, autoClose: READABLE })) {
      shown.set(message, Notification.error(message, { autoClose: READABLE }));
    }
  }
}
