/** Dialogs that wait for the server. */

import type { Dialog } from '@jupyterlab/apputils';
import type { Message } from '@lumino/messaging';
import type { ISignal } from '@lumino/signaling';
import { Panel } from '@lumino/widgets';
import type { Widget } from '@lumino/widgets';

import { complaint, firstInvalid, reveal } from './reveal';
import { SteadyDialog } from './steady';

/** What is wrong with what a dialog says. */
export interface ITrouble {
  readonly text: string;
  /** The field to blame, which may be out of sight. */
  readonly field?: HTMLElement | null;
  /** Whether to go there now. */
  readonly urgent?: boolean;
}

/** What a patient dialog needs. */
export interface IPatientOptions {
  readonly title: string;
  readonly body: Widget;
  readonly buttons: readonly Dialog.IButton[];
  /** Do what was asked for; false keeps the dialog open. */
  readonly submit: () => Promise<boolean>;
  /** Tells what the server said was wrong, or that it is no more. */
  readonly troubled?: ISignal<unknown, ITrouble | undefined>;
}

/**
 * A dialog that stays open until the server has taken what it says.
 *
 * What is wrong is said above its buttons: the field to blame may be folded or scrolled away, and a button that can't
 * be pressed needs a reason.
 */
export class PatientDialog extends SteadyDialog<unknown> {
  constructor({ submit, troubled, body, title, buttons }: IPatientOptions) {
    // In a panel, for of a React widget JupyterLab would move the focus whenever the browser is idle next, perhaps to
    // a field in which Enter accepts the dialog; and it would wrap elements that React believes to be its own.
    const room = new Panel();
    room.addWidget(body);
    super({ title, body: room, buttons });
    this._accepts = buttons.map(({ accept }) => accept);
    this._submit = submit;
    this._summary = document.createElement('p');
    this._summary.className = 'pilothouse-Dialog-trouble';
    this._summary.setAttribute('role', 'alert');
    this.node.querySelector('.jp-Dialog-footer')?.before(this._summary);
    this.node.addEventListener('input', () => this._look());
    troubled?.connect((_, trouble) => {
      this._trouble = trouble;
      this._look();
      if (trouble?.urgent && trouble.field) {
        reveal(trouble.field);
      }
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
      }
    });
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    const body = this.node.querySelector<HTMLElement>('.jp-Dialog-body');
    if (!body) {
      return;
    }
    body.tabIndex = -1;
    body.focus(); // not the button that accepts what nobody has read
    const observer = new MutationObserver(() => {
      const first = body.querySelector<HTMLElement>('input, select, textarea');
      if (first) {
        observer.disconnect();
        if (document.activeElement === body) {
          first.focus();
        }
      }
    });
    observer.observe(body, { childList: true, subtree: true });
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
