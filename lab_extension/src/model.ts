/** The user's pilots, runs and market: listed at first and now and then, kept up to date by the server's events. */

import type { Event, ServerConnection } from '@jupyterlab/services';
import { Poll } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { Api } from './api';
import type { ITranslate } from './live/figures';
import { withNews, withRecord } from './records';
import type {
  IJobPreview,
  IMarket,
  IOrphans,
  IPilotRecord,
  IRecord,
  IRunRecord,
  IService,
  ITimeline
} from './records';
import { Services } from './services';
import type { IEntered, IPilothouse } from './tokens';

/** The model behind the panel, the status bar and the tabs. */
export class PilothouseModel implements IPilothouse {
  constructor(options: PilothouseModel.IOptions) {
    this.api = new Api(options.serverSettings);
    this._events = options.events;
    this._events.stream.connect(this._onEvent, this);
    this._poll = new Poll({
      name: 'pilothouse:lists',
      factory: () => this._load(),
      frequency: { interval: PilothouseModel.INTERVAL, backoff: true, max: 120_000 },
      standby: options.standby ?? 'when-hidden'
    });
    this._services = new Services(this, options.standby ?? 'when-hidden');
    this._services.changed.connect(() => this._changed.emit());
  }

  readonly api: Api;

  get pilots(): readonly IPilotRecord[] {
    return this._pilots;
  }

  get runs(): readonly IRunRecord[] {
    return this._runs;
  }

  get services(): readonly IService[] {
    return this._services.items;
  }

  figures(name: string, trans: ITranslate, member?: number): [title: string, words: string][] {
    return this._services.figures(name, trans, member);
  }

  get market(): IMarket {
    return this._market;
  }

  get problem(): string {
    return this._problem;
  }

  get isReady(): boolean {
    return this._ready;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get entered(): ISignal<this, IEntered> {
    return this._entered;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._poll.dispose();
    this._services.dispose();
    this._events.stream.disconnect(this._onEvent, this);
    Signal.clearData(this);
  }

  async refresh(): Promise<void> {
    await this._poll.refresh();
    await this._poll.tick;
  }

  async startPilot(description: Record<string, unknown>): Promise<IPilotRecord> {
    const options = { method: 'POST', body: description } as const;
    const record = await this.api.request<IPilotRecord>(['pilots'], options);
    this._take({ of: 'pilots', record }, 'created');
    return record;
  }

  extendPilot(name: string, kind: string): Promise<void> {
    const body = { kind };
    return this._act('pilots', ['pilots', name, 'extend'], { method: 'POST', body });
  }

  shrinkPilot(name: string, kind: string): Promise<void> {
    const body = { kind };
    return this._act('pilots', ['pilots', name, 'shrink'], { method: 'POST', body });
  }

  cancelPilot(name: string): Promise<void> {
    return this._act('pilots', ['pilots', name], { method: 'DELETE' });
  }

  adaptPilot(name: string, minimum: number, maximum: number): Promise<void> {
    const body = { minimum, maximum };
    return this._act('pilots', ['pilots', name, 'adapt'], { method: 'POST', body });
  }

  stopAdapting(name: string): Promise<void> {
    return this._act('pilots', ['pilots', name, 'adapt'], { method: 'DELETE' });
  }

  renewPilot(name: string): Promise<void> {
    return this._act('pilots', ['pilots', name, 'renew'], { method: 'POST', body: {} });
  }

  prolongPilot(name: string, lease: string): Promise<void> {
    return this._act('pilots', ['pilots', name, 'prolong'], { method: 'POST', body: { lease } });
  }

  recoverPilot(name: string): Promise<void> {
    return this._act('pilots', ['pilots', name, 'recover'], { method: 'POST', body: {} });
  }

  orphans(): Promise<IOrphans> {
    return this.api.request(['sweep']);
  }

  sweep(): Promise<IOrphans> {
    return this.api.request(['sweep'], { method: 'POST', body: {} });
  }

  async preview(description: Record<string, unknown>): Promise<readonly IJobPreview[]> {
    const options = { method: 'POST', body: description } as const;
    return (await this.api.request<{ items: IJobPreview[] }>(['preview', 'pilot'], options)).items;
  }

  timeline(name: string, width: number): Promise<ITimeline> {
    return this.api.request(['pilots', name, 'timeline'], { query: { width: String(width) } });
  }

  async startService(pilot: string, description: Record<string, unknown>): Promise<IRunRecord> {
    const options = { method: 'POST', body: description } as const;
    const record = await this.api.request<IRunRecord>(['pilots', pilot, 'start'], options);
    this._take({ of: 'runs', record }, 'created');
    return record;
  }

  extendService(name: string): Promise<void> {
    return this._act('runs', ['runs', name, 'extend'], { method: 'POST', body: {} });
  }

  shrinkService(name: string): Promise<void> {
    return this._act('runs', ['runs', name, 'shrink'], { method: 'POST', body: {} });
  }

  stopRun(name: string): Promise<void> {
    return this._act('runs', ['runs', name, 'stop'], { method: 'POST', body: {} });
  }

  async remove(of: 'pilots' | 'runs', record: IPilotRecord | IRunRecord): Promise<void> {
    const { name, created } = record;
    await this._act(of, [of, name, 'remove'], { method: 'POST', body: { created } }, 'removed');
  }

  async logs(of: 'pilots' | 'runs', name: string, node?: string): Promise<string> {
    const query = { tail: '500', ...(node && { node }) };
    return (await this.api.request<{ text: string }>([of, name, 'logs'], { query })).text;
  }

  private async _act(
    of: 'pilots' | 'runs',
    path: readonly string[],
    options: Api.IOptions,
    action: 'changed' | 'removed' = 'changed'
  ): Promise<void> {
    const record = await this.api.request<IEntered['record']>(path, options);
    this._take({ of, record } as IEntered, action);
  }

  private async _load(): Promise<void> {
    const news = { pilots: new Set<string>(), runs: new Set<string>() };
    this._news = news;
    try {
      const [listedPilots, listedRuns, market] = await Promise.all([
        this.api.request<{ items: IPilotRecord[] }>(['pilots']),
        this.api.request<{ items: IRunRecord[] }>(['runs']),
        this.api.request<IMarket>(['market'])
      ]);
      const pilots = withNews(listedPilots.items, this._pilots, news.pilots);
      const runs = withNews(listedRuns.items, this._runs, news.runs);
      const before = JSON.stringify([this._pilots, this._runs, this._market, this._problem]);
      const entered: readonly IEntered[] = this._ready
        ? [
            ...Private.entered(this._pilots, pilots).map(
              record => ({ of: 'pilots', record }) as const
            ),
            ...Private.entered(this._runs, runs).map(record => ({ of: 'runs', record }) as const)
          ]
        : []; // what there was at the beginning is no news
      this._pilots = pilots;
      this._runs = runs;
      this._market = market;
      this._problem = '';
      const after = JSON.stringify([this._pilots, this._runs, this._market, this._problem]);
      if (!this._ready || before !== after) {
        this._ready = true;
        this._changed.emit();
      }
      entered.forEach(each => this._entered.emit(each));
    } catch (error) {
      this._problem = error instanceof Error ? error.message : String(error);
      this._changed.emit();
      throw error; // the poll backs off
    }
  }

  private _onEvent(_: unknown, emission: Event.Emission): void {
    const of = PilothouseModel.SCHEMAS[emission.schema_id];
    if (of) {
      const { action, record } = emission as unknown as PilothouseModel.IEventData;
      this._take({ of, record } as IEntered, action);
    }
  }

  private _take(entered: IEntered, action: 'created' | 'changed' | 'removed'): void {
    const { of, record } = entered;
    this._news[of].add(record.name);
    const before = this[of].find(({ name }) => name === record.name);
    if (entered.of === 'pilots') {
      this._pilots = withRecord(this._pilots, entered.record, action);
    } else {
      this._runs = withRecord(this._runs, entered.record, action);
    }
    this._changed.emit();
    if (action !== 'removed' && before?.state !== record.state) {
      this._entered.emit(entered);
      if (of === 'runs') {
        void this._poll.refresh(); // the market's own news come with its runs
      }
    }
  }

  private _changed = new Signal<this, void>(this);
  private _disposed = false;
  private _entered = new Signal<this, IEntered>(this);
  private _events: Event.IManager;
  /** The names of which there was news since the latest list was asked for. */
  private _news = { pilots: new Set<string>(), runs: new Set<string>() };
  private _market: IMarket = { calls: [], offers: [], receipts: [], ledger: null, reason: '' };
  private _pilots: readonly IPilotRecord[] = [];
  private _poll: Poll;
  private _problem = '';
  private _ready = false;
  private _runs: readonly IRunRecord[] = [];
  private _services: Services;
}

/** The namespace of {@link PilothouseModel}. */
export namespace PilothouseModel {
  /** Milliseconds between two lists: events bring the news, lists what a lost connection has missed. */
  export const INTERVAL = 15_000;

  /** Which list an event is about. */
  export const SCHEMAS: Readonly<Record<string, 'pilots' | 'runs' | undefined>> = {
    'https://events.pilothouse.dev/pilot/v1': 'pilots',
    'https://events.pilothouse.dev/run/v1': 'runs'
  };

  /** What an event says. */
  export interface IEventData {
    action: 'created' | 'changed' | 'removed';
    record: IEntered['record'];
  }

  /** What the model needs. */
  export interface IOptions {
    events: Event.IManager;
    serverSettings: ServerConnection.ISettings;
    standby?: Poll.Standby | (() => boolean | Poll.Standby);
  }
}

namespace Private {
  /** What has entered another state from one list to the next, which a lost connection may have missed. */
  export function entered<T extends IRecord>(before: readonly T[], after: readonly T[]): T[] {
    const states = new Map(before.map(({ name, state }) => [name, state]));
    return after.filter(({ name, state }) => states.get(name) !== state);
  }
}
