/** The services that go on, asked for again and again while there are some: figures are no events. */

import { Poll } from '@lumino/polling';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { ITranslate } from './live/figures';
import { Recent, summed } from './live/recent';
import type { Figures } from './live/recent';
import { isOver, isService } from './records';
import type { IService } from './records';
import type { IPilothouse } from './tokens';

/** What is shown of the services that go on. */
export class Services implements IDisposable {
  constructor(
    private _model: Pick<IPilothouse, 'api' | 'runs' | 'changed'>,
    standby: Poll.Standby | (() => boolean | Poll.Standby)
  ) {
    this._poll = new Poll({
      name: 'pilothouse:services',
      factory: () => this._load(),
      frequency: { interval: Services.INTERVAL, backoff: true, max: 60_000 },
      standby
    });
    _model.changed.connect(this._onChanged, this);
  }

  /** The services, the youngest first. */
  get items(): readonly IService[] {
    return this._items;
  }

  /** Emitted when anything about them has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._poll.dispose();
      this._model.changed.disconnect(this._onChanged, this);
      Signal.clearData(this);
    }
  }

  /** The latest figures of a service, of all its members or of one: what they are of, and how much it is. */
  figures(name: string, trans: ITranslate, member?: number): [title: string, words: string][] {
    return this._recent.get(Private.key(name, member))?.facts(trans) ?? [];
  }

  private async _load(): Promise<void> {
    if (this._live() === '' && this._items.length === 0) {
      return;
    }
    const { items } = await this._model.api.request<{ items: IService[] }>(['services']);
    const kept = new Map<string, Recent>();
    for (const { time, name, members } of items) {
      const keep = (at: string, values: Figures): void => {
        const recent = this._recent.get(at) ?? new Recent();
        recent.add(time, values);
        kept.set(at, recent);
      };
      keep(Private.key(name), summed(members.map(({ metrics }) => metrics)));
      members.forEach(({ number, metrics }) => keep(Private.key(name, number), metrics));
    }
    const shown = Private.shown(items, kept);
    const same = shown === this._shown;
    this._items = items;
    this._recent = kept;
    this._shown = shown;
    if (!same) {
      this._changed.emit();
    }
  }

  /** Which services go on, and how: news of them is a reason to ask at once. */
  private _live(): string {
    const live = this._model.runs.filter(run => isService(run) && !isOver(run));
    return live.map(({ name, state, reason }) => `${name} ${state} ${reason}`).join('\n');
  }

  private _onChanged(): void {
    const live = this._live();
    if (live !== this._known) {
      this._known = live;
      void this._poll.refresh();
    }
  }

  private _changed = new Signal<this, void>(this);
  private _items: readonly IService[] = [];
  private _known = '';
  private _poll: Poll;
  private _recent = new Map<string, Recent>();
  private _shown = '';
}

/** The namespace of {@link Services}. */
export namespace Services {
  /** Milliseconds between two looks: members tell their figures every two seconds. */
  export const INTERVAL = 3_000;
}

namespace Private {
  /** What the figures of a service, or of one of its members, are kept by. */
  export function key(name: string, member?: number): string {
    return member === undefined ? name : `${name}/${member}`;
  }

  /** What there is to see of services: rates end a while after the counters have stayed as they are. */
  export function shown(items: readonly IService[], recent: ReadonlyMap<string, Recent>): string {
    const seldom = items.map(({ members, ...service }) => ({
      ...service,
      time: 0,
      members: members.map(member => ({ ...member, metrics: {} }))
    }));
    return JSON.stringify([seldom, [...recent.values()].map(each => each.facts())]);
  }
}
