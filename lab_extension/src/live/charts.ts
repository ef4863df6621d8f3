/**
 * Which charts a run's telemetry makes: written by scripts/charts.mjs from widgets/pilothouse_widgets/charts.json.
 */

import type { ITranslate } from './figures';

/** A line of a chart. */
export interface ILine {
  readonly column: string;
  readonly label: string;
  /** Whether the column is a counter, whose rate is drawn. */
  readonly rate: boolean;
  /** What values are multiplied by, to be in the chart's unit. */
  readonly factor: number;
}

/** A chart: lines that share their axes. */
export interface IChart {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly scale: 'linear' | 'log' | 'from zero';
  /** Whether the chart is left out as long as it ends in zero. */
  readonly unlessZero: boolean;
  readonly lines: readonly ILine[];
}

/** How a run's own figures are shown whose names end in some way. */
export interface IEnding {
  readonly ending: string;
  readonly unit: string;
  readonly factor: number;
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
    unlessZero: false,
    lines: [
      { column: 'produced', label: trans.__('produced'), rate: true, factor: 1 },
      { column: 'consumed', label: trans.__('consumed'), rate: true, factor: 1 }
    ]
  },
  {
    name: 'bytes',
    title: trans.__('Data rate'),
    unit: 'MB/s',
    scale: 'from zero',
    unlessZero: false,
    lines: [
      { column: 'produced_bytes', label: trans.__('produced'), rate: true, factor: 0.000001 },
      { column: 'consumed_bytes', label: trans.__('consumed'), rate: true, factor: 0.000001 }
    ]
  },
  {
    name: 'frames',
    title: trans.__('Throughput'),
    unit: trans.__('frames/s'),
    scale: 'from zero',
    unlessZero: false,
    lines: [{ column: 'frames', label: trans.__('frames'), rate: true, factor: 1 }]
  },
  {
    name: 'pairs',
    title: trans.__('Throughput'),
    unit: trans.__('pairs/s'),
    scale: 'from zero',
    unlessZero: false,
    lines: [{ column: 'pairs', label: trans.__('pairs'), rate: true, factor: 1 }]
  },
  {
    name: 'lag',
    title: trans.__('Lag'),
    unit: trans.__('messages'),
    scale: 'from zero',
    unlessZero: false,
    lines: [{ column: 'lag', label: trans.__('waiting'), rate: false, factor: 1 }]
  },
  {
    name: 'latency',
    title: trans.__('Latency'),
    unit: trans.__('ms'),
    scale: 'log',
    unlessZero: false,
    lines: [
      { column: 'latency_p50', label: 'p50', rate: false, factor: 1000 },
      { column: 'latency_p90', label: 'p90', rate: false, factor: 1000 },
      { column: 'latency_p99', label: 'p99', rate: false, factor: 1000 }
    ]
  },
  {
    name: 'dropped',
    title: trans.__('Dropped'),
    unit: trans.__('messages'),
    scale: 'from zero',
    unlessZero: true,
    lines: [{ column: 'dropped', label: trans.__('dropped'), rate: false, factor: 1 }]
  },
  {
    name: 'traffic',
    title: trans.__('Traffic'),
    unit: 'MB/s',
    scale: 'from zero',
    unlessZero: false,
    lines: [
      { column: 'bytes_in', label: trans.__('in'), rate: true, factor: 0.000001 },
      { column: 'bytes_out', label: trans.__('out'), rate: true, factor: 0.000001 }
    ]
  },
  {
    name: 'messages_in',
    title: trans.__('Messages in'),
    unit: trans.__('messages/s'),
    scale: 'from zero',
    unlessZero: false,
    lines: [{ column: 'messages_in', label: trans.__('in'), rate: true, factor: 1 }]
  },
  {
    name: 'partitions',
    title: trans.__('Partitions'),
    unit: '',
    scale: 'from zero',
    unlessZero: false,
    lines: [
      { column: 'partitions', label: trans.__('replicas'), rate: false, factor: 1 },
      { column: 'leaders', label: trans.__('leaders'), rate: false, factor: 1 }
    ]
  },
  {
    name: 'under_replicated',
    title: trans.__('Under-replicated'),
    unit: trans.__('partitions'),
    scale: 'from zero',
    unlessZero: true,
    lines: [{ column: 'under_replicated', label: trans.__('partitions'), rate: false, factor: 1 }]
  },
  {
    name: 'cores',
    title: trans.__('Cores'),
    unit: '',
    scale: 'from zero',
    unlessZero: false,
    lines: [
      { column: 'cores', label: trans.__('there'), rate: false, factor: 1 },
      { column: 'cores_used', label: trans.__('in use'), rate: false, factor: 1 }
    ]
  },
  {
    name: 'memory',
    title: trans.__('Memory'),
    unit: 'GB',
    scale: 'from zero',
    unlessZero: false,
    lines: [
      { column: 'memory', label: trans.__('there'), rate: false, factor: 1e-9 },
      { column: 'memory_used', label: trans.__('in use'), rate: false, factor: 1e-9 }
    ]
  },
  {
    name: 'disk',
    title: trans.__('Disk'),
    unit: 'GB',
    scale: 'from zero',
    unlessZero: false,
    lines: [{ column: 'disk_used', label: trans.__('in use'), rate: false, factor: 1e-9 }]
  },
  {
    name: 'nodes',
    title: trans.__('Nodes'),
    unit: '',
    scale: 'from zero',
    unlessZero: false,
    lines: [{ column: 'nodes', label: trans.__('that serve'), rate: false, factor: 1 }]
  }
];

/** What is known of a run's own figures. */
export const own = (trans: ITranslate): readonly IEnding[] => [
  { ending: '_msat', unit: trans.__('sat'), factor: 0.001 }
];
