/** Pilots and runs as the server tells them, and what can be said about them in a word. */

import { hasEnded } from './live/status';
import type { IProgress } from './live/status';

/** A node of a pilot. */
export interface INodeRecord {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  /** Which kind of the pilot's nodes; `node` where there is one. */
  readonly kind?: string;
  /** The batch system's id. */
  readonly job?: string;
  readonly host: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly since: string | null;
  /** When the batch system expects to start it; ISO 8601. */
  readonly expected_start?: string | null;
  /** When its walltime is over; ISO 8601. */
  readonly ends?: string | null;
}

/** What every record has, readable or not. */
export interface IRecord {
  readonly name: string;
  /** `unreadable` when its file can't be read; the reason says why. */
  readonly state: string;
  readonly reason: string;
}

/** A pilot. Times are ISO 8601. */
export interface IPilotRecord extends IRecord {
  readonly site?: string;
  readonly created?: string;
  readonly ended?: string | null;
  readonly nodes_wanted?: number;
  /** How many of each kind. */
  readonly wanted?: Readonly<Record<string, number>>;
  readonly nodes?: readonly INodeRecord[];
  readonly adapt?: { readonly minimum: number; readonly maximum: number } | null;
  /** What a new supervisor could not go on with, a line each. */
  readonly not_recovered?: readonly string[];
  /** Where Dask's pages are, for the server; empty when there are none. */
  readonly dashboard?: string;
  readonly lease_end?: string | null;
  readonly idle_end?: string | null;
}

/** A run. Times are ISO 8601. */
export interface IRunRecord extends IRecord {
  readonly kind?: string;
  readonly pilot?: string;
  readonly created?: string;
  readonly started?: string | null;
  readonly ended?: string | null;
  readonly progress?: IProgress | null;
}

/** What a pilot's nodes and runs did when, and what that cost in hours. */
export interface ITimeline {
  /** An item for BokehJS. */
  readonly figure: unknown;
  /** The same in letters. */
  readonly text: string;
  readonly cost: Readonly<
    Record<'node_hours' | 'core_hours' | 'gpu_hours' | 'queue_hours', number>
  >;
}

/** A call, an offer or a receipt of the market; which fields it has is up to the market. */
export type MarketEntry = Readonly<Record<string, unknown>>;

/** The market, as far as the user takes part in it. Amounts are integers in msat. */
export interface IMarket {
  readonly calls: readonly MarketEntry[];
  readonly offers: readonly MarketEntry[];
  readonly receipts: readonly MarketEntry[];
  readonly ledger: MarketEntry | null;
  /** Why there may be more than the lists hold; empty when there is not. */
  readonly reason?: string;
}

/** The job of the first node of one kind of a pilot, before it is submitted. */
export interface IJobPreview {
  readonly kind: string;
  readonly script: string;
  /** ISO 8601; none where the batch system can't tell. */
  readonly expected_start: string | null;
  /** Why there is no expected start. */
  readonly reason: string;
}

/** A job that no pilot wants any more. */
export interface IOrphan {
  readonly site: string;
  /** The batch system's id. */
  readonly job: string;
  readonly pilot: string;
  readonly node: string;
  readonly state: string;
  readonly why: string;
}

/** What was found of orphans. */
export interface IOrphans {
  readonly items: readonly IOrphan[];
  /** Which sites could not be asked, and why. */
  readonly unseen: readonly string[];
}

/** Where pilots can be had. */
export interface ISite {
  readonly name: string;
}

/** Whether the record's thing will change no more. */
export function isOver(record: IRecord): boolean {
  return hasEnded(record.state) || record.state === 'unreadable';
}

/** Whether a new supervisor may still go on with the pilot. */
export function isRecoverable(pilot: IPilotRecord, now: number): boolean {
  return pilot.state === 'lost' && (secondsUntil(pilot.lease_end, now) ?? 0) > 0;
}

/** How many of a pilot's nodes are running. */
export function runningNodes(pilot: IPilotRecord): number {
  return (pilot.nodes ?? []).filter(node => node.state === 'running').length;
}

/** The Python line that gives the thing of a name in any notebook. */
export function pythonLine(name: string): string {
  return `ph.attach("${name}")`;
}

/** `records` with one replaced, added in front, or taken out. */
export function withRecord<T extends IRecord>(
  records: readonly T[],
  record: T,
  action: 'created' | 'changed' | 'removed'
): readonly T[] {
  if (action === 'removed') {
    return records.filter(({ name }) => name !== record.name);
  }
  const known = records.some(({ name }) => name === record.name);
  return known
    ? records.map(old => (old.name === record.name ? record : old))
    : [record, ...records];
}

/** Seconds in few words for people, such as `2 h 5 min`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) {
    return `${s} s`;
  }
  if (s < 3600) {
    return `${Math.floor(s / 60)} min`;
  }
  const [big, bigUnit, small, smallUnit] =
    s < 86_400
      ? [Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min']
      : [Math.floor(s / 86_400), 'd', Math.floor((s % 86_400) / 3600), 'h'];
  return small ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`;
}

/** Seconds until an ISO 8601 time; undefined when there is none. */
export function secondsUntil(time: string | null | undefined, now: number): number | undefined {
  const end = time ? Date.parse(time) : NaN;
  return Number.isNaN(end) ? undefined : (end - now) / 1e3;
}
