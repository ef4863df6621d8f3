/** Between which numbers of nodes a pilot follows its load. */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ApiError } from '../api';
import type { IPilotRecord } from '../records';
import type { IPilothouse } from '../tokens';

import { PatientDialog } from './patient';

/** Have the user say between which numbers of nodes the pilot follows its load, or end that. */
export async function askForLoad(
  model: IPilothouse,
  pilot: IPilotRecord,
  trans: TranslationBundle
): Promise<void> {
  const body = new LoadForm(model, pilot, trans);
  const stop = Dialog.createButton({
    label: trans.__('Stop adapting'),
    accept: false,
    actions: ['stop']
  });
  const dialog = new PatientDialog({
    title: trans.__('Let %1 follow its load', pilot.name),
    body,
    buttons: [
      Dialog.cancelButton(),
      ...(pilot.adapt ? [stop] : []),
      Dialog.okButton({ label: trans.__('Adapt') })
    ],
    submit: () => body.submit()
  });
  const { button } = await dialog.launch();
  if (button.actions.includes('stop')) {
    await model.stopAdapting(pilot.name);
  }
}

/** Two numbers, and what the server says about them. */
class LoadForm extends ReactWidget {
  constructor(
    private _model: IPilothouse,
    private _pilot: IPilotRecord,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('pilothouse-LoadForm');
    const { adapt, nodes_wanted: wanted = 1 } = _pilot;
    this._minimum = String(adapt?.minimum ?? 0);
    this._maximum = String(adapt?.maximum ?? Math.max(4, wanted));
  }

  /** Send the numbers. */
  async submit(): Promise<boolean> {
    try {
      await this._model.adaptPilot(this._pilot.name, Number(this._minimum), Number(this._maximum));
      return true;
    } catch (error) {
      this._error = error instanceof Error ? error.message : String(error);
      this._blamed = error instanceof ApiError ? (error.field ?? '') : '';
      this.update();
      return false;
    }
  }

  protected override render(): JSX.Element {
    const trans = this._trans;
    const { adapt, nodes_wanted: wanted = 0 } = this._pilot;
    return (
      <>
        <p>
          {adapt
            ? trans.__(
                'Now: adapting %1 to %2. Stop it here, or add or remove a node by hand; the nodes that are there stay.',
                adapt.minimum,
                adapt.maximum
              )
            : trans._n(
                'Now: %1 node, whatever there is to do. Adapting, more come at once when there is work; fewer stay after some calm.',
                'Now: %1 nodes, whatever there is to do. Adapting, more come at once when there is work; fewer stay after some calm.',
                wanted
              )}
        </p>
        {this._field('minimum', trans.__('Fewest nodes'), 0, this._minimum, text => {
          this._minimum = text;
        })}
        {this._field('maximum', trans.__('Most nodes'), 1, this._maximum, text => {
          this._maximum = text;
        })}
        <p id="pilothouse-load-error" className="pilothouse-Live-notice" role="alert">
          {this._error}
        </p>
      </>
    );
  }

  private _field(
    name: string,
    label: string,
    least: number,
    value: string,
    take: (text: string) => void
  ): JSX.Element {
    return (
      <label>
        {label}
        <input
          className="jp-mod-styled"
          type="number"
          required
          min={least}
          max={10_000}
          defaultValue={value}
          aria-invalid={this._blamed === name}
          aria-describedby={this._blamed === name ? 'pilothouse-load-error' : undefined}
          onChange={({ currentTarget }) => take(currentTarget.value)}
        />
      </label>
    );
  }

  private _blamed = '';
  private _error = '';
  private _maximum: string;
  private _minimum: string;
}
