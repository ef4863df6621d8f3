/** The form for a new pilot, made from the server's JSON Schema. */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { ErrorSchema, RJSFSchema, UiSchema } from '@rjsf/utils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import * as React from 'react';

import { ApiError } from '../api';
import { badName, carriedOver, description, formSchema, placeOf } from '../form';
import type { FormData, ISchema, Place } from '../form';
import type { IJobPreview, IPilotRecord, ISite } from '../records';
import type { IPilothouse } from '../tokens';

import { TEMPLATES, uiSchema } from './fields';
import type { IFormContext } from './fields';
import { PatientDialog } from './patient';
import type { ITrouble } from './patient';
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
    submit: () => body.submit(),
    troubled: body.troubled
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

  /** Emitted with what the server says is wrong, and without when that is no more. */
  get troubled(): ISignal<this, ITrouble | undefined> {
    return this._troubled;
  }

  /** The pilot, once the server has taken the form. */
  started?: IPilotRecord;

  /** Send the form. */
  async submit(): Promise<boolean> {
    if (this._busy) {
      return false;
    }
    this._busy = true;
    const data = this._data;
    try {
      this.started = await this._model.startPilot(this._described());
      return true;
    } catch (error) {
      const { place, message } = this._understand(error);
      const text = this._trans.__('The pilot was not started: %1', message);
      this._blame({ place, message, text, urgent: data === this._data });
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
      this._preview = undefined;
      if (data === this._data) {
        const { place, message } = this._understand(error);
        this._preview = new Error(message);
        this._blame({ place, message, text: message, urgent: false });
      }
    }
    this.update();
  }

  /** The description that the form makes. */
  private _described(): Record<string, unknown> {
    const bad = badName(this._data, this._schema);
    if (bad) {
      const message = bad.name
        ? this._trans.__('The name %1 is there twice.', bad.name)
        : this._trans.__('Each kind needs a name.');
      throw new Misplaced(message, bad.place);
    }
    return description(this._data, this._schema);
  }

  /** What `error` says, and of which place of the form. */
  private _understand(error: unknown): { readonly message: string; readonly place: Place } {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Misplaced) {
      return { message, place: error.place };
    }
    const field = error instanceof ApiError ? error.field : null;
    return { message, place: field ? placeOf(field, this._schema, this._data) : [] };
  }

  /** Show a fault beside its field and, once it is there, with the buttons. */
  private _blame(fault: IFault | undefined): void {
    this._fault = fault;
    this.update();
  }

  private _tell(): void {
    const { place = [], text = '', urgent = false } = this._fault ?? {};
    const found = place.length > 0 ? document.getElementById(['root', ...place].join('_')) : null;
    const field = found?.matches('fieldset') ? found.querySelector<HTMLElement>('input') : found;
    this._troubled.emit(this._fault && { text, field, urgent });
    // Dialogs look again when there is input: with another site, what may be filled in is another.
    this.node.dispatchEvent(new Event('input', { bubbles: true }));
  }

  protected override render(): JSX.Element {
    const { place = [], message = '' } = this._fault ?? {};
    const errors = place.reduceRight<object>((inner, part) => ({ [part]: inner }), {
      __errors: [message]
    });
    return (
      <>
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
          extraErrors={(place.length > 0 ? errors : {}) as ErrorSchema}
          liveValidate
          showErrorList={false}
          onChange={({ formData }) => {
            this._data = formData as FormData;
            void this._follow(`${this._data.site ?? this._site}`);
            if (this._fault || this._preview) {
              this._preview = undefined; // it was of what the form said before
              this._blame(undefined);
            }
          }}
        />
        <Drawn what={this._fault ?? this._schema} then={() => this._tell()} />
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
      this._blame(undefined);
    } catch (error) {
      if (site === this._site) {
        const { message } = this._understand(error);
        this._blame({ place: ['site'], message, text: message, urgent: false });
      }
    }
  }

  private _busy = false;
  private _data: FormData = {};
  private _fault?: IFault;
  private _preview?: readonly IJobPreview[] | Error | 'asked';
  private _site = 'local';
  private _troubled = new Signal<this, ITrouble | undefined>(this);
}

/** What is wrong: where, in the server's words, in those of the form, and whether to go there now. */
interface IFault {
  readonly place: Place;
  readonly message: string;
  readonly text: string;
  readonly urgent: boolean;
}

/** Does something once a change of `what` is in the page. */
function Drawn({ what, then }: { what: unknown; then: () => void }): null {
  React.useLayoutEffect(then, [what]);
  return null;
}

/** Something wrong that is known to be at a place of the form. */
class Misplaced extends Error {
  constructor(
    message: string,
    readonly place: Place
  ) {
    super(message);
  }
}
