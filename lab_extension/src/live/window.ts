/** What a view holds of a run's telemetry: a bounded window that grows by frames. */

import type { IFrame } from './frame';

/** What became of a frame. */
export type Merge = 'changed' | 'unchanged' | 'gap';

/**
 * A bounded window on the store that the frames come from. When it is full, that is a gap: the store has
 * by then thinned what is old, and its snapshot has room to grow again.
 */
export class SampleWindow {
  /** @param capacity - the most samples kept; more than the store's 4096. */
  constructor(readonly capacity = 8192) {
    this._time = new Float64Array(capacity);
  }

  /** Sequence number of the last sample; 0 while a snapshot is needed. */
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
   * @returns `gap` when samples between the window and the frame are missing, when no snapshot came yet,
   * or when the window is full: nothing is taken in, and the caller should ask for a snapshot.
   */
  merge(frame: IFrame): Merge {
    if (frame.reset) {
      this._columns.clear();
      this._size = 0;
      this._append(frame, Math.max(0, frame.time.length - this.capacity));
      this._seq = frame.seq;
      return 'changed';
    }
    const first = frame.seq - frame.time.length + 1;
    const skip = this._seq + 1 - first;
    if (this._seq === 0 || skip < 0 || this._size + frame.time.length - skip > this.capacity) {
      this._seq = 0; // what is held stays in view until the snapshot comes
      return 'gap';
    }
    if (frame.seq <= this._seq) {
      return 'unchanged';
    }
    this._append(frame, skip);
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
      this._time[this._size] = frame.time[at];
      for (const [name, column] of this._columns) {
        column[this._size] = frame.columns.get(name)?.[at] ?? NaN;
      }
      this._size++;
    }
  }

  private _columns = new Map<string, Float64Array>();
  private _seq = 0;
  private _size = 0;
  private _time: Float64Array;
}
