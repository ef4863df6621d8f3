/** A form made from a JSON Schema of the server, and what the server says about what is filled in. */

import { ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { ErrorSchema, RJSFSchema, UiSchema } from '@rjsf/utils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import * as React from 'react';

import { ApiError } from '../api';
import { badName, carriedOver, description, placeOf } from '../form';
import type { FormData, ISchema, Place } from '../form';

import { TEMPLATES, uiSchema } from './fields';
import type { IFormContext } from './fields';
import type { ITrouble } from './patient';

/** Checks the form while it is filled in; the server checks it again. */
const VALIDATOR = customizeValidator<ReadonlyJSONObject>();

/** The form of a new thing, and what the server says about it. */
export abstract class SchemaForm<T> extends ReactWidget {
  /**
   * @param _chooser - the field that decides which other fields there are.
   */
  constructor(
    private _schema: ISchema,
    private _chooser: string,
    protected trans: TranslationBundle
  ) {
    super();
    this.addClass('pilothouse-PilotForm');
    this._chosen = String(_schema.properties[_chooser]?.default ?? '');
  }

  /** Emitted with what the server says is wrong, and without when that is no more. */
  get troubled(): ISignal<this, ITrouble | undefined> {
    return this._troubled;
  }

  /** What was started, once the server has taken the form. */
  started?: T;

  /** Send the form. */
  async submit(): Promise<boolean> {
    if (this._busy) {
      return false;
    }
    this._busy = true;
    const data = this._data;
    try {
      this.started = await this.start(this.described());
      return true;
    } catch (error) {
      const { place, message } = this._understand(error);
      this._blame({ place, message, text: this.refused(message), urgent: data === this._data });
      return false;
    } finally {
      this._busy = false;
    }
  }

  /** Start what is described. */
  protected abstract start(described: Record<string, unknown>): Promise<T>;

  /** That it was not started, and why. */
  protected abstract refused(message: string): string;

  /** The form where another thing is chosen. */
  protected abstract schemaOf(chosen: string): Promise<ISchema>;

  /** What is below the fields. */
  protected abstract below(): JSX.Element;

  /** Called when something else is filled in. */
  protected changed(): void {
    // nothing more than the form shows it
  }

  /** The form's schema, of what is chosen. */
  protected get schema(): ISchema {
    return this._schema;
  }

  /** What is filled in; another object once something else is. */
  protected get data(): FormData {
    return this._data;
  }

  /** The description that the form makes. */
  protected described(): Record<string, unknown> {
    const bad = badName(this._data, this._schema);
    if (bad) {
      const message = bad.name
        ? this.trans.__('The name %1 is there twice.', bad.name)
        : this.trans.__('Each kind needs a name.');
      throw new Misplaced(message, bad.place);
    }
    return description(this._data, this._schema);
  }

  /** Show what `error` says, beside its field where it has one; its text. */
  protected tell(error: unknown): string {
    const { place, message } = this._understand(error);
    this._blame({ place, message, text: message, urgent: false });
    return message;
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
              more: this.trans.__('More'),
              add: this.trans.__('Add a kind of nodes'),
              remove: number => this.trans.__('Remove kind %1', number)
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
            void this._follow(`${this._data[this._chooser] ?? this._chosen}`);
            this.changed();
            if (this._fault) {
              this._blame(undefined);
            }
            this.update();
          }}
        />
        <Drawn what={this._fault ?? this._schema} then={() => this._tell()} />
        {this.below()}
      </>
    );
  }

  /** Take the limits and defaults, or the fields, of what was chosen. */
  private async _follow(chosen: string): Promise<void> {
    if (chosen === this._chosen) {
      return;
    }
    this._chosen = chosen;
    try {
      const next = await this.schemaOf(chosen);
      if (chosen !== this._chosen) {
        return; // another one was chosen meanwhile
      }
      this._data = carriedOver(this._data, this._schema, next);
      this._schema = next;
      this._blame(undefined);
    } catch (error) {
      if (chosen === this._chosen) {
        const { message } = this._understand(error);
        this._blame({ place: [this._chooser], message, text: message, urgent: false });
      }
    }
  }

  private _busy = false;
  private _chosen: string;
  private _data: FormData = {};
  private _fault?: IFault;
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
