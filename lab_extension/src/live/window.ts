/** What a view holds of a run's telemetry: a bounded window that grows by frames. */

import type { IFrame } from './frame';

/** What became of a frame. */
export type Merge = 'changed' | 'unchanged' | 'gap';

/**
 * A bounded store of samples. When it is full, its older half keeps every second sample: the whole run
 * stays in view, recent samples at full rate (the same rule as the store the frames come from).
 */
export class SampleWindow {
  /** @param capacity - the most samples kept. */
  constructor(readonly capacity = 4096) {
    this._time = new Float64Array(capacity);
  }

  /** Sequence number of the last sample; 0 before the first frame. */
  get seq(): number {
    return this._seq;
  }

  /** The number of samples held. */
  get size(): number {
    return this._size;
  }

  /** Seconds since 1970, UTC, of the samples held. Valid until the next merge. */
  get time(): Float64Array {
    return this._time.subarray(0, this._size);
  }

  /** The names of the columns, in the order in which they came. */
  get names(): string[] {
    return [...this._columns.keys()];
  }

  /** The values of a column; undefined when there is none. Valid until the next merge. */
  column(name: string): Float64Array | undefined {
    return this._columns.get(name)?.subarray(0, this._size);
  }

  /** The latest value of a column that is a number. */
  last(name: string): number | undefined {
    const values = this.column(name);
    for (let at = this._size - 1; values && at >= 0; at--) {
      if (Number.isFinite(values[at])) {
        return values[at];
      }
    }
    return undefined;
  }

  /**
   * Take a frame in.
   *
   * @returns `gap` when samples between the window and the frame are missing, or when no snapshot came
   * yet: nothing is taken in, and the caller should ask for a snapshot.
   */
  merge(frame: IFrame): Merge {
    if (frame.reset) {
      this._columns.clear();
      this._size = 0;
      this._append(frame, Math.max(0, frame.time.length - this.capacity));
      this._seq = frame.seq;
      this._known = true;
      return 'changed';
    }
    const first = frame.seq - frame.time.length + 1;
    if (!this._known || first > this._seq + 1) {
      return 'gap';
    }
    if (frame.seq <= this._seq) {
      return 'unchanged';
    }
    this._append(frame, this._seq + 1 - first);
    this._seq = frame.seq;
    return 'changed';
  }

  private _append(frame: IFrame, skip: number): void {
    for (const name of frame.columns.keys()) {
      if (!this._columns.has(name)) {
        this._columns.set(name, new Float64Array(this.capacity).fill(NaN));
      }
    }
    for (let at = skip; at < frame.time.length; at++) {
      if (this._size === this.capacity) {
        this._thin();
      }
      this._time[this._size] = frame.time[at];
      for (const [name, column] of this._columns) {
        column[this._size] = frame.columns.get(name)?.[at] ?? NaN;
      }
      this._size++;
    }
  }

  private _thin(): void {
    const half = this.capacity >> 1;
    for (const column of [this._time, ...this._columns.values()]) {
      for (let at = 0; 2 * at < half; at++) {
        column[at] = column[2 * at];
      }
      column.copyWithin((half + 1) >> 1, half, this.capacity);
    }
    this._size = ((half + 1) >> 1) + this.capacity - half;
  }

  private _columns = new Map<string, Float64Array>();
  private _known = false;
  private _seq = 0;
  private _size = 0;
  private _time: Float64Array;
}
