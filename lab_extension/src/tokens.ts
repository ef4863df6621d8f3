/** What other extensions can build on. */

import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { Api } from './api';
import type { ITranslate } from './live/figures';
import type {
  IJobPreview,
  IMarket,
  IOrphans,
  IPilotRecord,
  IRunRecord,
  IService,
  ITimeline
} from './records';

/** The user's pilots, runs and market, kept up to date, and what can be done with them. */
export interface IPilothouse extends IDisposable {
  /** Requests to the server extension. */
  readonly api: Api;
  /** All pilots, the youngest first. */
  readonly pilots: readonly IPilotRecord[];
  /** All runs, the youngest first. */
  readonly runs: readonly IRunRecord[];
  /** What is shown of the services that go on: addresses, members, figures. */
  readonly services: readonly IService[];
  /** The latest figures of a service, or of one of its members: what they are of, and how much it is. */
  figures(name: string, trans: ITranslate, member?: number): [title: string, words: string][];
  /** The market. */
  readonly market: IMarket;
  /** Why the lists can't be had; empty when they can. */
  readonly problem: string;
  /** Whether the lists were had once. */
  readonly isReady: boolean;
  /** Emitted when anything above has changed. */
  readonly changed: ISignal<IPilothouse, void>;
  /** Emitted when a pilot or run has entered another state, or was seen to begin. */
  readonly entered: ISignal<IPilothouse, IEntered>;

  /** Ask the server for everything now. */
  refresh(): Promise<void>;
  /** Start a pilot from a description. */
  startPilot(description: Record<string, unknown>): Promise<IPilotRecord>;
  /** Give a pilot one more node of a kind; where a job has several, those of one job. */
  extendPilot(name: string, kind: string): Promise<void>;
  /** Take as many from it. */
  shrinkPilot(name: string, kind: string): Promise<void>;
  /** End a pilot with its nodes and runs. */
  cancelPilot(name: string): Promise<void>;
  /** Let a pilot follow its load between two numbers of nodes. */
  adaptPilot(name: string, minimum: number, maximum: number): Promise<void>;
  /** Let a pilot keep the nodes that it has, whatever its load. */
  stopAdapting(name: string): Promise<void>;
  /** Replace a pilot's nodes before their walltime is over. */
  renewPilot(name: string): Promise<void>;
  /** Have a pilot's lease end later by so much, such as `2h`. */
  prolongPilot(name: string, lease: string): Promise<void>;
  /** Go on with a lost pilot. */
  recoverPilot(name: string): Promise<void>;
  /** Jobs that no pilot wants any more. */
  orphans(): Promise<IOrphans>;
  /** End them, and tell what was ended. */
  sweep(): Promise<IOrphans>;
  /** What a description would submit, a job for each kind of node. */
  preview(description: Record<string, unknown>): Promise<readonly IJobPreview[]>;
  /** What a pilot's nodes and runs did when, drawn `width` pixels wide. */
  timeline(name: string, width: number): Promise<ITimeline>;
  /** Start an engine on a pilot: its name, how many nodes, and its settings. */
  startService(pilot: string, description: Record<string, unknown>): Promise<IRunRecord>;
  /** Have a service on one more node. */
  extendService(name: string): Promise<void>;
  /** Have a service on one node less. */
  shrinkService(name: string): Promise<void>;
  /** Stop a run; what it has done is kept. */
  stopRun(name: string): Promise<void>;
  /** Remove a pilot or run that has ended, with its files. */
  remove(of: 'pilots' | 'runs', record: IPilotRecord | IRunRecord): Promise<void>;
  /** The last lines that a pilot's or a run's processes wrote, or those of them that are on a node. */
  logs(of: 'pilots' | 'runs', name: string, node?: string): Promise<string>;
}

/** A pilot or run in a new state. */
export type IEntered =
  | { readonly of: 'pilots'; readonly record: IPilotRecord }
  | { readonly of: 'runs'; readonly record: IRunRecord };

/** The token of {@link IPilothouse}. */
export const IPilothouse = new Token<IPilothouse>(
  'pilothouse:IPilothouse',
  "The user's pilots, runs and market, kept up to date, and what can be done with them."
);
