/** Pilots and runs as the server tells them, and what can be said about them in a word. */

import type {
  PilotRecord,
  Progress,
  ResponseMarket,
  ResponseOrphans,
  ResponseTimeline,
  RunRecord,
  UnreadableRecord
} from './generated';
import { hasEnded } from './live/status';
import type { ShownState } from './live/status';

export type {
  JobPreview as IJobPreview,
  NodeRecord as INodeRecord,
  ShownService as IService,
  Site as ISite
} from './generated';

/** What every record has, readable or not. */
export interface IRecord {
  readonly name: string;
  /** `unreadable` when its file can't be read; the reason says why. */
  readonly state: ShownState;
  readonly reason: string;
}

/** A record, or what there is of it where it can't be read. */
type OrUnreadable<T> = T | (UnreadableRecord & { readonly [K in MissingFrom<T>]?: undefined });
type MissingFrom<T> = Exclude<keyof T, keyof UnreadableRecord>;

/** A pilot. Times are ISO 8601. */
export type IPilotRecord = OrUnreadable<PilotRecord>;

/** A run. Times are ISO 8601. */
export type IRunRecord = OrUnreadable<RunRecord>;

/** What an answer has in it. */
type Content<T extends { content: { readonly 'application/json': unknown } }> =
  T['content']['application/json'];

/** What a pilot's nodes and runs did when, and what that cost in hours. */
export type ITimeline = Content<ResponseTimeline>;

/** The market, as far as the user takes part in it. Amounts are integers in msat. */
export type IMarket = Content<ResponseMarket>;

/** A call, an offer or a receipt of the market; which fields it has is up to the market. */
export type MarketEntry = IMarket['calls'][number];

/** What was found of orphans. */
export type IOrphans = Content<ResponseOrphans>;

/** Whether a run is an engine that runs until it is stopped. */
export function isService(run: Pick<IRunRecord, 'kind'>): boolean {
  return run.kind === 'service';
}

/** What people call a run: its kind, and of a service its engine. */
export function kindOf(run: Pick<IRunRecord, 'kind' | 'parameters'>): string {
  const engine = isService(run) ? run.parameters?.engine : undefined;
  return typeof engine === 'string' ? engine : (run.kind ?? '');
}

/** Whether the record's thing will change no more. */
export function isOver(record: IRecord): boolean {
  return hasEnded(record.state) || record.state === 'unreadable';
}

/** How far a run is; of a service, while something of it moves. */
export function progressOf(run: IRunRecord): Progress | null {
  const { progress = null } = run;
  return progress && isService(run) && progress.done >= progress.total ? null : progress;
}

/** Whether a new supervisor may still go on with the pilot. */
export function isRecoverable(
  pilot: Pick<IPilotRecord, 'state' | 'lease_end'>,
  now: number
): boolean {
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

/**
 * Records as they were listed, but for those of which there was news while they were on their way: a list is as old as
 * its question.
 */
export function withNews<T extends IRecord>(
  listed: readonly T[],
  known: readonly T[],
  news: ReadonlySet<string>
): readonly T[] {
  const newer = known.filter(({ name }) => news.has(name));
  const found = listed
    .map(record =>
      news.has(record.name) ? newer.find(({ name }) => name === record.name) : record
    )
    .filter(record => record !== undefined);
  return [...newer.filter(record => !found.includes(record)), ...found];
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
