/** The form for a new pilot. */

import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { formSchema } from '../form';
import type { ISchema } from '../form';
import type { IJobPreview, IPilotRecord, ISite } from '../records';
import type { IPilothouse } from '../tokens';

import { PatientDialog } from './patient';
import { Preview } from './preview';
import { SchemaForm } from './schema_form';

/**
 * Have the user describe a pilot, and start it.
 *
 * @returns the pilot's record, or nothing when the user went back.
 */
export async function askForPilot(
  model: IPilothouse,
  trans: TranslationBundle
): Promise<IPilotRecord | undefined> {
  const [schema, sites] = await Promise.all([
    model.api
      .request<ISchema>(['schema', 'pilot'], { query: { site: 'local' } })
      .catch(() => model.api.request<ISchema>(['schema', 'pilot'])), // other sites may do
    model.api.request<{ items: ISite[] }>(['sites'])
  ]);
  const names = sites.items.map(site => site.name);
  const body = new PilotForm(formSchema(schema, names), names, model, trans);
  const dialog = new PatientDialog({
    title: trans.__('New pilot'),
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Start') })],
    submit: () => body.submit(),
    troubled: body.troubled
  });
  await dialog.launch();
  return body.started;
}

/** The form, and what its pilot's jobs would be. */
class PilotForm extends SchemaForm<IPilotRecord> {
  constructor(
    schema: ISchema,
    private _sites: readonly string[],
    private _model: IPilothouse,
    trans: TranslationBundle
  ) {
    super(schema, 'site', trans);
  }

  protected override start(described: Record<string, unknown>): Promise<IPilotRecord> {
    return this._model.startPilot(described);
  }

  protected override refused(message: string): string {
    return this.trans.__('The pilot was not started: %1', message);
  }

  protected override async schemaOf(site: string): Promise<ISchema> {
    const query = { site };
    const schema = await this._model.api.request<ISchema>(['schema', 'pilot'], { query });
    return formSchema(schema, this._sites);
  }

  protected override below(): JSX.Element {
    return <Preview found={this._preview} ask={() => void this._look()} trans={this.trans} />;
  }

  protected override changed(): void {
    this._preview = undefined; // it was of what the form said before
  }

  /** Ask what would be submitted, and show it unless the form says something else by then. */
  private async _look(): Promise<void> {
    const data = this.data;
    this._preview = 'asked';
    this.update();
    try {
      const found = await this._model.preview(this.described());
      this._preview = data === this.data ? found : undefined;
    } catch (error) {
      this._preview = data === this.data ? new Error(this.tell(error)) : undefined;
    }
    this.update();
  }

  private _preview?: readonly IJobPreview[] | Error | 'asked';
}
