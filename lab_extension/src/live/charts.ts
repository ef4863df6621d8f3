/**
 * Which charts a run's telemetry makes: written by scripts/charts.mjs from widgets/pilothouse_widgets/charts.json.
 */

import type { ITranslate } from './figures';

/** A line of a chart. */
export interface ILine {
  readonly column: string;
  readonly label: string;
  /** Whether the column is a counter, whose rate is drawn. */
  readonly rate?: boolean;
  /** What values are multiplied by, to be in the chart's unit. */
  readonly factor?: number;
  /** Whether it is drawn, and not only said in words. */
  readonly drawn?: boolean;
}

/** A chart: lines that share their axes. */
export interface IChart {
  readonly name: string;
  readonly title: string;
  /** One of {@link prefixes} is shown with the prefix that its values need. */
  readonly unit: string;
  readonly scale: 'linear' | 'log' | 'from zero';
  /** When there is something to see: otherwise a chart that ends in zero is left out, one of constants not drawn. */
  readonly when?: 'not zero' | 'changed';
  /** Whether it is said in words, too. */
  readonly told?: boolean;
  /** The column of which the others are a part. */
  readonly total?: string;
  readonly lines: readonly ILine[];
}

/** How a run's own figures are shown whose names end in some way. */
export interface IEnding {
  readonly ending: string;
  readonly unit: string;
  readonly factor: number;
}

/** A unit, and what it is called when it is as many times larger as a power of the base says. */
export interface IPrefixes {
  readonly unit: string;
  readonly base: number;
  readonly units: readonly string[];
}

/** Seconds over which a rate is taken: samples come ten times a second, messages in batches. */
export const RATE_SPAN = 1;

/** The charts that all runs may have, in their order. */
export const charts = (trans: ITranslate): readonly IChart[] => [
  {
    name: 'messages',
    title: trans.__('Throughput'),
    unit: trans.__('messages/s'),
    scale: 'from zero',
    lines: [
      { column: 'produced', label: trans.__('produced'), rate: true },
      { column: 'consumed', label: trans.__('consumed'), rate: true }
    ]
  },
  {
    name: 'bytes',
    title: trans.__('Data rate'),
    unit: 'B/s',
    scale: 'from zero',
    lines: [
      { column: 'produced_bytes', label: trans.__('produced'), rate: true },
      { column: 'consumed_bytes', label: trans.__('consumed'), rate: true }
    ]
  },
  {
    name: 'frames',
    title: trans.__('Throughput'),
    unit: trans.__('frames/s'),
    scale: 'from zero',
    lines: [{ column: 'frames', label: trans.__('frames'), rate: true }]
  },
  {
    name: 'pairs',
    title: trans.__('Throughput'),
    unit: trans.__('pairs/s'),
    scale: 'from zero',
    lines: [{ column: 'pairs', label: trans.__('pairs'), rate: true }]
  },
  {
    name: 'lag',
    title: trans.__('Lag'),
    unit: trans.__('messages'),
    scale: 'from zero',
    lines: [{ column: 'lag', label: trans.__('waiting') }]
  },
  {
    name: 'latency',
    title: trans.__('Latency'),
    unit: trans.__('ms'),
    scale: 'log',
    lines: [
      { column: 'latency_p50', label: 'p50', factor: 1000 },
      { column: 'latency_p90', label: 'p90', factor: 1000 },
      { column: 'latency_p99', label: 'p99', factor: 1000 }
    ]
  },
  {
    name: 'dropped',
    title: trans.__('Dropped'),
    unit: trans.__('messages'),
    scale: 'from zero',
    when: 'not zero',
    lines: [{ column: 'dropped', label: trans.__('dropped') }]
  },
  {
    name: 'traffic',
    title: trans.__('Traffic'),
    unit: 'B/s',
    scale: 'from zero',
    lines: [
      { column: 'bytes_in', label: trans.__('in'), rate: true },
      { column: 'bytes_out', label: trans.__('out'), rate: true }
    ]
  },
  {
    name: 'messages_in',
    title: trans.__('Messages'),
    unit: trans.__('messages/s'),
    scale: 'from zero',
    lines: [{ column: 'messages_in', label: trans.__('in'), rate: true }]
  },
  {
    name: 'partitions',
    title: trans.__('Partitions'),
    unit: '',
    scale: 'from zero',
    when: 'changed',
    lines: [
      { column: 'partitions', label: trans.__('replicas') },
      { column: 'leaders', label: trans.__('leaders') }
    ]
  },
  {
    name: 'under_replicated',
    title: trans.__('Under-replicated'),
    unit: '',
    scale: 'from zero',
    when: 'not zero',
    lines: [
      { column: 'under_replicated', label: trans.__('partitions') },
      { column: 'blocks_under_replicated', label: trans.__('blocks') }
    ]
  },
  {
    name: 'blocks_missing',
    title: trans.__('Missing'),
    unit: trans.__('blocks'),
    scale: 'from zero',
    when: 'not zero',
    lines: [{ column: 'blocks_missing', label: trans.__('blocks') }]
  },
  {
    name: 'cores',
    title: trans.__('Cores'),
    unit: '',
    scale: 'from zero',
    total: 'cores',
    lines: [
      { column: 'cores', label: trans.__('there') },
      { column: 'cores_used', label: trans.__('in use') }
    ]
  },
  {
    name: 'memory',
    title: trans.__('Memory'),
    unit: 'B',
    scale: 'from zero',
    total: 'memory',
    lines: [
      { column: 'memory', label: trans.__('there') },
      { column: 'memory_used', label: trans.__('in use') }
    ]
  },
  {
    name: 'containers',
    title: trans.__('Containers'),
    unit: '',
    scale: 'from zero',
    lines: [{ column: 'containers', label: trans.__('running') }]
  },
  {
    name: 'executors',
    title: trans.__('Executors'),
    unit: '',
    scale: 'from zero',
    lines: [{ column: 'executors', label: trans.__('running') }]
  },
  {
    name: 'applications',
    title: trans.__('Applications'),
    unit: '',
    scale: 'from zero',
    lines: [
      { column: 'applications', label: trans.__('running') },
      { column: 'applications_pending', label: trans.__('waiting') },
      { column: 'applications_submitted', label: trans.__('submitted'), drawn: false }
    ]
  },
  {
    name: 'objects',
    title: trans.__('Objects'),
    unit: 'B',
    scale: 'from zero',
    lines: [{ column: 'objects_bytes', label: trans.__('in the store') }]
  },
  {
    name: 'disk',
    title: trans.__('Disk'),
    unit: 'B',
    scale: 'from zero',
    lines: [
      { column: 'disk_used', label: trans.__('in use') },
      { column: 'disk_free', label: trans.__('free'), drawn: false }
    ]
  },
  {
    name: 'files',
    title: trans.__('Files'),
    unit: '',
    scale: 'from zero',
    when: 'changed',
    lines: [
      { column: 'files', label: trans.__('files') },
      { column: 'blocks', label: trans.__('blocks') }
    ]
  },
  {
    name: 'nodes',
    title: trans.__('Nodes'),
    unit: '',
    scale: 'from zero',
    when: 'changed',
    told: false,
    lines: [
      { column: 'nodes', label: trans.__('that serve') },
      { column: 'datanodes', label: trans.__('DataNodes') },
      { column: 'nodemanagers', label: trans.__('NodeManagers') },
      { column: 'workers', label: trans.__('workers') }
    ]
  }
];

/** What is known of a run's own figures. */
export const own = (trans: ITranslate): readonly IEnding[] => [
  { ending: '_msat', unit: trans.__('sat'), factor: 0.001 },
  { ending: '_bytes', unit: 'B', factor: 1 }
];

/** The units that have prefixes. */
export const prefixes: readonly IPrefixes[] = [
  { unit: 'B', base: 1024, units: ['B', 'KiB', 'MiB', 'GiB', 'TiB'] },
  { unit: 'B/s', base: 1000, units: ['B/s', 'kB/s', 'MB/s', 'GB/s'] }
];
