/** The form for a new pilot, made from the server's JSON Schema. */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { ErrorSchema, RJSFSchema, UiSchema } from '@rjsf/utils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import * as React from 'react';

import { ApiError } from '../api';
import { badName, carriedOver, description, fieldOf, formSchema } from '../form';
import type { FormData, ISchema } from '../form';
import type { IJobPreview, IPilotRecord, ISite } from '../records';
import type { IPilothouse } from '../tokens';

import { TEMPLATES, uiSchema } from './fields';
import type { IFormContext } from './fields';
import { PatientDialog } from './patient';
import { Preview } from './preview';

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
    focusNodeSelector: 'input, select',
    submit: () => body.submit()
  });
  await dialog.launch();
  return body.started;
}

/** Checks the form while it is filled in; the server checks it again. */
const VALIDATOR = customizeValidator<ReadonlyJSONObject>();

/** The form and what the server says about it. */
class PilotForm extends ReactWidget {
  constructor(
    private _schema: ISchema,
    private _sites: readonly string[],
    private _model: IPilothouse,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('pilothouse-PilotForm');
  }

  /** The pilot, once the server has taken the form. */
  started?: IPilotRecord;

  /** Send the form. */
  async submit(): Promise<boolean> {
    if (this._busy) {
      return false;
    }
    this._busy = true;
    try {
      this.started = await this._model.startPilot(this._described());
      return true;
    } catch (error) {
      this._error = this._blame(error);
      this.update();
      return false;
    } finally {
      this._busy = false;
    }
  }

  /** Ask what would be submitted, and show it unless the form says something else by then. */
  private async _look(): Promise<void> {
    const data = this._data;
    this._preview = 'asked';
    this.update();
    try {
      const found = await this._model.preview(this._described());
      this._preview = data === this._data ? found : undefined;
    } catch (error) {
      if (data === this._data) {
        const message = this._blame(error);
        this._error = this._blamed ? message : '';
        this._preview = new Error(message);
      } else {
        this._preview = undefined;
      }
    }
    this.update();
  }

  /** The description that the form makes. */
  private _described(): Record<string, unknown> {
    const bad = badName(this._data, this._schema);
    if (bad !== undefined) {
      const message = bad
        ? this._trans.__('The name %1 is there twice.', bad)
        : this._trans.__('Each kind needs a name.');
      throw new ApiError(message, 400, '', 'kinds');
    }
    return description(this._data, this._schema);
  }

  /** What `error` says; the field that it is about is marked. */
  private _blame(error: unknown): string {
    const field = error instanceof ApiError ? error.field : null;
    this._blamed = field ? fieldOf(field, this._schema) : '';
    return error instanceof Error ? error.message : String(error);
  }

  protected override render(): JSX.Element {
    const errors = (
      this._blamed ? { [this._blamed]: { __errors: [this._error] } } : {}
    ) as ErrorSchema;
    return (
      <>
        <p className="pilothouse-Live-notice" role="alert">
          {this._error && !this._blamed
            ? this._trans.__('The pilot was not started: %1', this._error)
            : ''}
        </p>
        <FormComponent
          schema={this._schema as unknown as RJSFSchema}
          uiSchema={uiSchema(this._schema.properties) as UiSchema<ReadonlyJSONObject>}
          formContext={
            {
              more: this._trans.__('More'),
              add: this._trans.__('Add a kind of nodes'),
              remove: number => this._trans.__('Remove kind %1', number)
            } satisfies IFormContext
          }
          templates={TEMPLATES}
          validator={VALIDATOR}
          formData={this._data as ReadonlyJSONObject}
          extraErrors={errors}
          liveValidate
          showErrorList={false}
          onChange={({ formData }) => {
            this._data = formData as FormData;
            void this._follow(`${this._data.site ?? this._site}`);
            if (this._error || this._preview) {
              this._error = this._blamed = '';
              this._preview = undefined; // it was of what the form said before
              this.update();
            }
          }}
        />
        <Preview found={this._preview} ask={() => void this._look()} trans={this._trans} />
      </>
    );
  }

  /** Take the limits and defaults of the site that was chosen. */
  private async _follow(site: string): Promise<void> {
    if (site === this._site) {
      return;
    }
    this._site = site;
    let error = '';
    try {
      const schema = await this._model.api.request<ISchema>(['schema', 'pilot'], {
        query: { site }
      });
      if (site !== this._site) {
        return; // another one was chosen meanwhile
      }
      const next = formSchema(schema, this._sites);
      this._data = carriedOver(this._data, this._schema, next);
      this._schema = next;
    } catch (reason) {
      error = reason instanceof Error ? reason.message : String(reason);
    }
    if (site === this._site) {
      this._error = error;
      this._blamed = error ? 'site' : '';
      this.update();
    }
  }

  private _blamed = '';
  private _busy = false;
  private _data: FormData = {};
  private _error = '';
  private _preview?: readonly IJobPreview[] | Error | 'asked';
  private _site = 'local';
}
