/** The form for a new pilot, made from the server's JSON Schema. */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type {
  ErrorSchema,
  FieldTemplateProps,
  ObjectFieldTemplateProps,
  RJSFSchema,
  UiSchema
} from '@rjsf/utils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import * as React from 'react';

import { ApiError } from '../api';
import { carriedOver, description, fieldOf, formSchema } from '../form';
import type { FormData, IProperty, ISchema } from '../form';
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
    model.api
      .request<ISchema>(['schema', 'pilot'], { query: { site: 'local' } })
      .catch(() => model.api.request<ISchema>(['schema', 'pilot'])), // other sites may do
    model.api.request<{ items: ISite[] }>(['sites'])
  ]);
  const names = sites.items.map(site => site.name);
  const body = new PilotForm(formSchema(schema, names), names, model, trans);
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

function Fields({ properties, schema, formContext }: ObjectFieldTemplateProps): JSX.Element {
  const { more } = formContext as IFormContext;
  const advanced = (name: string): boolean =>
    Boolean((schema.properties?.[name] as IProperty | undefined)?.['x-advanced']);
  const folded = properties.filter(({ name }) => advanced(name));
  return (
    <fieldset>
      {properties.filter(({ name }) => !advanced(name)).map(({ content }) => content)}
      {folded.length > 0 && (
        <details className="pilothouse-PilotForm-more">
          <summary>{more}</summary>
          {folded.map(({ content }) => content)}
        </details>
      )}
    </fieldset>
  );
}

/** What templates get. */
interface IFormContext {
  /** The heading of what is folded away. */
  readonly more: string;
}

/** How the inputs look where their type does not say it. */
function uiSchema(schema: ISchema): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(schema.properties).map(([name, property]) => [
      name,
      property['x-lines']
        ? { 'ui:widget': 'textarea', 'ui:options': { rows: 2 } }
        : { 'ui:options': { label: property.type !== 'boolean' } }
    ])
  );
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
      this.started = await this._model.startPilot(description(this._data, this._schema));
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const field = error instanceof ApiError ? error.field : null;
      this._blamed = field ? fieldOf(field, this._schema) : '';
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
          uiSchema={uiSchema(this._schema) as UiSchema<ReadonlyJSONObject>}
          formContext={{ more: this._trans.__('More') } satisfies IFormContext}
          templates={TEMPLATES}
          validator={VALIDATOR}
          formData={this._data as ReadonlyJSONObject}
          extraErrors={errors}
          liveValidate
          showErrorList={false}
          onChange={({ formData }) => {
            this._data = formData as FormData;
            void this._follow(`${this._data.site ?? this._site}`);
            if (this._error) {
              this._error = this._blamed = '';
              this.update();
            }
          }}
        />
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
  private _site = 'local';
}
