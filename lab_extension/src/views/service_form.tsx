/** The form for an engine on a pilot. */

import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { description, formSchema } from '../form';
import type { ISchema } from '../form';
import { pythonCall } from '../python';
import { pythonLine } from '../records';
import type { IRunRecord } from '../records';
import type { IPilothouse } from '../tokens';

import { PatientDialog } from './patient';
import { SchemaForm } from './schema_form';

/**
 * Have the user choose an engine and its settings, and start it on a pilot.
 *
 * @returns the record of its run, or nothing when the user went back.
 */
export async function askForService(
  model: IPilothouse,
  pilot: string,
  trans: TranslationBundle
): Promise<IRunRecord | undefined> {
  const query = { pilot };
  const schema = await model.api.request<ISchema>(['schema', 'service'], { query });
  const body = new ServiceForm(formSchema(schema, []), pilot, model, trans);
  const dialog = new PatientDialog({
    title: trans.__('Start an engine on %1', pilot),
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Start') })],
    submit: () => body.submit(),
    troubled: body.troubled
  });
  await dialog.launch();
  return body.started;
}

/** The form, and the Python line that it stands for. */
class ServiceForm extends SchemaForm<IRunRecord> {
  constructor(
    schema: ISchema,
    private _pilot: string,
    private _model: IPilothouse,
    trans: TranslationBundle
  ) {
    super(schema, 'engine', trans);
    this._engine = String(schema.properties.engine.default ?? '');
  }

  protected override start(described: Record<string, unknown>): Promise<IRunRecord> {
    return this._model.startService(this._pilot, { engine: this._engine, ...described });
  }

  protected override refused(message: string): string {
    return this.trans.__('The engine was not started: %1', message);
  }

  protected override async schemaOf(engine: string): Promise<ISchema> {
    const query = { engine, pilot: this._pilot };
    const schema = await this._model.api.request<ISchema>(['schema', 'service'], { query });
    this._engine = engine;
    return formSchema(schema, []);
  }

  protected override below(): JSX.Element {
    const { engine = this._engine, ...given } = description(this.data, this.schema);
    const order = Object.keys(this.schema.properties); // not that in which they were filled in
    const settings = Object.fromEntries(
      Object.entries(given).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    );
    const line = pythonCall(`${pythonLine(this._pilot)}.start`, [engine], settings);
    return (
      <pre className="pilothouse-PilotForm-python" aria-label={this.trans.__('The same in Python')}>
        {line}
      </pre>
    );
  }

  private _engine: string;
}
