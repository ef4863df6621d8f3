/** The services that go on, asked for again and again while there are some: figures are no events. */

import { Poll } from '@lumino/polling';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { describe, figures } from './live/figures';
import { SampleWindow } from './live/window';
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

  /** The latest figures of a service, in words: counters as rates. */
  figures(name: string): string {
    const window = windowOf(this._samples.get(name) ?? []);
    return describe(figures(window), window);
  }

  private async _load(): Promise<void> {
    if (this._live() === '' && this._items.length === 0) {
      return;
    }
    const { items } = await this._model.api.request<{ items: IService[] }>(['services']);
    const time = Date.now() / 1e3;
    const kept = new Map<string, ISample[]>();
    for (const { name, members } of items) {
      const values = summed(members);
      const before = this._samples.get(name) ?? [];
      kept.set(name, values.size ? [...before, { time, values }].slice(-Services.KEPT) : before);
    }
    const same = JSON.stringify(items) === JSON.stringify(this._items);
    this._items = items;
    this._samples = kept;
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
  private _samples = new Map<string, ISample[]>();
}

/** The namespace of {@link Services}. */
export namespace Services {
  /** Milliseconds between two looks: members tell their figures every two seconds. */
  export const INTERVAL = 3_000;

  /** How many of the latest samples are kept: rates need two. */
  export const KEPT = 3;
}

/** Figures of all members at a time, seconds since 1970. */
interface ISample {
  readonly time: number;
  readonly values: ReadonlyMap<string, number>;
}

/** The sum of all members' figures. */
function summed(members: IService['members']): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { metrics } of members) {
    for (const [name, value] of Object.entries(metrics)) {
      sums.set(name, (sums.get(name) ?? 0) + value);
    }
  }
  return sums;
}

function windowOf(samples: readonly ISample[]): SampleWindow {
  const window = new SampleWindow(Services.KEPT);
  const names = new Set(samples.flatMap(({ values }) => [...values.keys()]));
  const columns = new Map(
    [...names].map(name => [
      name,
      Float64Array.from(samples, ({ values }) => values.get(name) ?? NaN)
    ])
  );
  const time = Float64Array.from(samples, each => each.time);
  window.merge({ seq: samples.length, reset: true, time, columns });
  return window;
}
