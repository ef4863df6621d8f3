/** The form for a new pilot, made from the server's JSON Schema. */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type {
  ErrorSchema,
  FieldTemplateProps,
  ObjectFieldTemplateProps,
  RJSFSchema
} from '@rjsf/utils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import * as React from 'react';

import { ApiError } from '../api';
import { description, formSchema } from '../form';
import type { FormData, ISchema } from '../form';
import type { IPilotRecord, ISite } from '../records';
import type { IPilothouse } from '../tokens';

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
    model.api.request<ISchema>(['schema', 'pilot']),
    model.api.request<{ items: ISite[] }>(['sites'])
  ]);
  const names = sites.items.map(site => site.name);
  const body = new PilotForm(formSchema(schema, names), model, trans);
  const dialog = new PilotDialog(body, trans);
  await dialog.launch();
  return body.started;
}

/** Checks the form while it is filled in; the server checks it again. */
const VALIDATOR = customizeValidator<ReadonlyJSONObject>();

/** As JupyterLab's own fields look, with labels and descriptions that belong to their inputs. */
const TEMPLATES = { FieldTemplate: Field, ObjectFieldTemplate: Fields };

function Field(props: FieldTemplateProps): JSX.Element {
  const { id, label, schema, description, children, errors } = props;
  if (schema.type === 'object') {
    return (
      <div className="jp-FormGroup-content">
        <div className="jp-root">{children}</div>
      </div>
    );
  }
  return (
    <div className="form-group small-field">
      <div className="jp-FormGroup-content jp-FormGroup-contentNormal">
        <label className="jp-FormGroup-fieldLabel jp-FormGroup-contentItem" htmlFor={id}>
          {label}
        </label>
        <div className="jp-inputFieldWrapper jp-FormGroup-contentItem">{children}</div>
        <div className="jp-FormGroup-description">{description}</div>
        <div className="validationErrors">{errors}</div>
      </div>
    </div>
  );
}

function Fields({ properties }: ObjectFieldTemplateProps): JSX.Element {
  return <fieldset>{properties.map(({ content }) => content)}</fieldset>;
}

/** A dialog that stays open until the server has taken what the form says. */
class PilotDialog extends Dialog<unknown> {
  constructor(
    private _form: PilotForm,
    trans: TranslationBundle
  ) {
    super({
      title: trans.__('New pilot'),
      body: _form,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Start') })],
      focusNodeSelector: 'input, select'
    });
    this.addClass('pilothouse-PilotDialog');
  }

  override resolve(index?: number): void {
    const accept = index === undefined || index === 1; // Enter means the default button
    void (accept ? this._form.submit() : Promise.resolve(true)).then(done => {
      if (done) {
        super.resolve(index);
      }
    });
  }
}

/** The form and what the server says about it. */
class PilotForm extends ReactWidget {
  constructor(
    private _schema: ISchema,
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
      this.started = await this._model.startPilot(description(this._data, this._schema));
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const field = error instanceof ApiError ? error.field : null;
      this._blamed = field && field in this._schema.properties ? field : '';
      this._error = message;
      this.update();
      return false;
    } finally {
      this._busy = false;
    }
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
          templates={TEMPLATES}
          validator={VALIDATOR}
          formData={this._data as ReadonlyJSONObject}
          extraErrors={errors}
          liveValidate
          showErrorList={false}
          onChange={({ formData }) => {
            this._data = formData as FormData;
            if (this._error) {
              this._error = this._blamed = '';
              this.update();
            }
          }}
        />
      </>
    );
  }

  private _blamed = '';
  private _busy = false;
  private _data: FormData = {};
  private _error = '';
}
