/** What is shown of a service beside its plots: where it is, and its members. */

import type { ShownService } from '../generated';
import { english } from './figures';
import type { ITranslate } from './figures';
import { Recent } from './recent';
import { sign, stateName } from './status';

/** What is told about a service. */
export type IShownService = Pick<ShownService, 'time' | 'address' | 'dashboard' | 'members'>;

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
    this._scroll.className = 'pilothouse-Live-scroll';
    this._scroll.append(this._members);
    this.node.append(this._place, this._pages, this._scroll);
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
    this._scroll.hidden = service.members.length === 0;
    this._show(service);
  }

  private _show({ time, members }: IShownService): void {
    const trans = this._trans;
    const recent = new Map<number, Recent>();
    const known = members.map(({ number, metrics }) => {
      const found = this._recent.get(number) ?? new Recent();
      found.add(time, metrics);
      recent.set(number, found);
      return new Map(found.facts(trans));
    });
    this._recent = recent;
    const titles = [...new Set(known.flatMap(facts => [...facts.keys()]))];
    const rows = members.map(({ node, role, state, reason }, at) => [
      node,
      role,
      `${sign(state)} ${stateName(state, trans)}${reason ? `: ${reason}` : ''}`,
      ...titles.map(title => known[at].get(title) ?? '')
    ]);
    const head = [trans.__('Node'), trans.__('Role'), trans.__('State'), ...titles];
    const text = JSON.stringify([head, rows]);
    if (text !== this._shown) {
      this._shown = text;
      this._members.replaceChildren(line(head, 'col'), ...rows.map(row => line(row, 'row')));
    }
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
  private _recent = new Map<number, Recent>();
  private _place = document.createElement('div');
  private _scroll = document.createElement('div');
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
