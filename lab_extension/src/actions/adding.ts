/** How commands are added: what all of them have in common. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { attempt } from '../attempt';
import { isOver, isService } from '../records';
import type { IRecord } from '../records';
import type { IPilothouse } from '../tokens';
import { SteadyDialog } from '../views/steady';

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

/** How commands are added, and what they work on. */
export interface IAdder {
  /** Add a command for the pilot or run of a name. */
  named: (id: string, command: INamed) => void;
  /** Add a command without arguments. */
  plain: (id: string, command: IPlain) => void;
  readonly model: IPilothouse;
  readonly trans: TranslationBundle;
}

/** Functions that add commands to the application: errors are shown with the server's text. */
export function adder(app: JupyterFrontEnd, model: IPilothouse, trans: TranslationBundle): IAdder {
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
  return { named, plain, model, trans };
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
export function nameIn(app: JupyterFrontEnd, args: ReadonlyPartialJSONObject): string | undefined {
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
