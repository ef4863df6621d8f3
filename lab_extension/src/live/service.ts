/** What is shown of a service beside its plots: where it is, and its members. */

import type { ShownService } from '../generated';
import { english } from './figures';
import type { ITranslate } from './figures';

/** What is told about a service. */
export type IShownService = Pick<ShownService, 'address' | 'dashboard' | 'members'>;

/** Address and members of a service; nothing for runs that are none. */
export class ServiceFacts {
  constructor(private _trans: ITranslate = english) {
    this.node.className = 'pilothouse-Live-service';
    this.node.hidden = true;
    this._address.className = 'pilothouse-Live-address';
    this._copy.type = 'button';
    this._copy.className = 'pilothouse-Live-stop';
    this._copy.textContent = _trans.__('Copy');
    this._copy.title = _trans.__('Copy the address');
    this._copy.setAttribute('aria-label', this._copy.title);
    this._copy.addEventListener('click', () => void this._take());
    this._place.append(`${_trans.__('Address')}: `, this._address, ' ', this._copy);
    this._pages.textContent = _trans.__('Pages');
    this._pages.title = _trans.__("The framework's own pages");
    this._pages.target = '_blank';
    this._members.className = 'pilothouse-Live-members';
    this._members.setAttribute('aria-label', _trans.__('Nodes of the service'));
    this.node.append(this._place, this._pages, this._members);
  }

  readonly node = document.createElement('div');

  /** Show a service, or nothing. */
  update(service: IShownService | null | undefined): void {
    this.node.hidden = !service;
    if (!service) {
      return;
    }
    this._place.hidden = !service.address;
    if (this._address.textContent !== service.address) {
      this._address.textContent = service.address; // what is selected in it stays so
    }
    this._pages.hidden = !service.dashboard;
    this._pages.setAttribute('href', service.dashboard);
    this._members.hidden = service.members.length === 0;
    this._show(service.members);
  }

  private _show(members: IShownService['members']): void {
    const trans = this._trans;
    const head = [trans.__('node'), trans.__('role'), trans.__('state'), trans.__('figures')];
    const rows = members.map(({ node, role, state, reason, figures }) => [
      node,
      role,
      reason ? `${state}: ${reason}` : state,
      figures
    ]);
    const text = JSON.stringify(rows);
    if (text === this._shown) {
      return;
    }
    this._shown = text;
    this._members.replaceChildren(line(head, 'col'), ...rows.map(row => line(row, 'row')));
  }

  private async _take(): Promise<void> {
    const text = this._address.textContent ?? '';
    try {
      await navigator.clipboard.writeText(text);
      this._copy.textContent = this._trans.__('Copied');
      setTimeout(() => (this._copy.textContent = this._trans.__('Copy')), 2000);
    } catch {
      getSelection()?.selectAllChildren(this._address); // a page that is not secure has no clipboard
    }
  }

  private _address = document.createElement('code');
  private _copy = document.createElement('button');
  private _members = document.createElement('table');
  private _pages = document.createElement('a');
  private _place = document.createElement('div');
  private _shown = '';
}

/** A line of a table: all its cells are heads, or the first is. */
function line(texts: readonly string[], scope: 'col' | 'row'): HTMLTableRowElement {
  const row = document.createElement('tr');
  texts.forEach((text, at) => {
    const cell = document.createElement(scope === 'col' || at === 0 ? 'th' : 'td');
    if (cell.tagName === 'TH') {
      cell.setAttribute('scope', scope);
    }
    cell.textContent = text;
    row.append(cell);
  });
  return row;
}
