/** What can be done with engines on pilots. */

import { Notification } from '@jupyterlab/apputils';
import { addIcon, runIcon } from '@jupyterlab/ui-components';

import { CommandIDs } from '../commands';
import { shrinkIcon } from '../icons';

import type { IAdder } from './adding';

/** Add the commands that start and change services. */
export function addServiceCommands({ named, model, trans }: IAdder): void {
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
}
