/** Dialogs that wait for the server. */

import { Dialog } from '@jupyterlab/apputils';

/** What a patient dialog needs. */
export interface IPatientOptions extends Partial<Dialog.IOptions<unknown>> {
  readonly buttons: readonly Dialog.IButton[];
  /** Do what was asked for; false keeps the dialog open. */
  readonly submit: () => Promise<boolean>;
}

/** A dialog that stays open until the server has taken what it says. */
export class PatientDialog extends Dialog<unknown> {
  constructor({ submit, ...options }: IPatientOptions) {
    super(options);
    this._accepts = options.buttons.map(({ accept }) => accept);
    this._submit = submit;
  }

  override resolve(index?: number): void {
    const accepts = index === undefined || this._accepts[index]; // Enter means the default button
    void (accepts ? this._submit() : Promise.resolve(true)).then(done => {
      if (done) {
        super.resolve(index);
      }
    });
  }

  private _accepts: readonly boolean[];
  private _submit: () => Promise<boolean>;
}
