/** Dialogs that wait for the server. */

import { Dialog } from '@jupyterlab/apputils';
import type { ISignal } from '@lumino/signaling';

import { complaint, firstInvalid, reveal } from './reveal';

/** What is wrong with what a dialog says. */
export interface ITrouble {
  readonly text: string;
  /** The field to blame, which may be out of sight. */
  readonly field?: HTMLElement | null;
}

/** What a patient dialog needs. */
export interface IPatientOptions extends Partial<Dialog.IOptions<unknown>> {
  readonly buttons: readonly Dialog.IButton[];
  /** Do what was asked for; false keeps the dialog open. */
  readonly submit: () => Promise<boolean>;
  /** Tells what the server said was wrong, or that it is no more. */
  readonly troubled?: ISignal<unknown, ITrouble | undefined>;
}

/**
 * A dialog that stays open until the server has taken what it says.
 *
 * What is wrong is said beside its buttons: the field to blame may be folded or scrolled away, and a button that can't
 * be pressed needs a reason.
 */
export class PatientDialog extends Dialog<unknown> {
  constructor({ submit, troubled, ...options }: IPatientOptions) {
    super(options);
    this._accepts = options.buttons.map(({ accept }) => accept);
    this._submit = submit;
    this._summary = document.createElement('p');
    this._summary.className = 'pilothouse-Dialog-trouble';
    this._summary.setAttribute('role', 'alert');
    this.node.querySelector('.jp-Dialog-footer')?.prepend(this._summary);
    this.node.addEventListener('input', () => this._look());
    troubled?.connect((_, trouble) => {
      this._trouble = trouble;
      this._look();
    });
  }

  override resolve(index?: number): void {
    const accepts = index === undefined || this._accepts[index]; // Enter means the default button
    const invalid = accepts ? firstInvalid(this.node) : null;
    if (invalid) {
      this._look();
      reveal(invalid);
      return;
    }
    void (accepts ? this._submit() : Promise.resolve(true)).then(done => {
      if (done) {
        super.resolve(index);
      } else if (this._trouble?.field) {
        reveal(this._trouble.field);
      }
    });
  }

  /** Say what is wrong, the browser's word before the server's. */
  private _look(): void {
    const invalid = firstInvalid(this.node);
    const trouble = invalid ? { text: complaint(invalid), field: invalid } : this._trouble;
    const { text = '', field } = trouble ?? {};
    if (this._summary.textContent === text) {
      return; // only changes, for they are spoken
    }
    if (field) {
      const link = document.createElement('button');
      link.type = 'button';
      link.className = 'pilothouse-Link';
      link.textContent = text;
      link.addEventListener('click', () => reveal(firstInvalid(this.node) ?? field));
      this._summary.replaceChildren(link);
    } else {
      this._summary.textContent = text;
    }
  }

  private _accepts: readonly boolean[];
  private _submit: () => Promise<boolean>;
  private _summary: HTMLElement;
  private _trouble?: ITrouble;
}
