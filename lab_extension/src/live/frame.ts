/** The frames in which telemetry travels, as `pilothouse.telemetry.Frame.encode` packs them. */

/** Samples in transit. */
export interface IFrame {
  /** Sequence number of the last sample. */
  readonly seq: number;
  /** Whether these samples replace what the reader has; otherwise they are `seq - n + 1 … seq`. */
  readonly reset: boolean;
  /** Seconds since 1970, UTC. */
  readonly time: Float64Array;
  /** Values by name, as long as `time`; NaN where a sample had no such value. */
  readonly columns: ReadonlyMap<string, Float64Array>;
}

/**
 * Unpack a frame.
 *
 * @throws RangeError or SyntaxError when the bytes are not a frame.
 */
export function decodeFrame(data: ArrayBuffer | ArrayBufferView): IFrame {
  const bytes = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 4 + view.getUint32(0, true);
  const head = Private.head(new TextDecoder().decode(bytes.subarray(4, start)));
  if (bytes.byteLength !== start + 8 * head.n * (1 + head.columns.length)) {
    throw new RangeError(`a frame of ${head.n} samples does not have ${bytes.byteLength} bytes`);
  }
  // Copied, because a message's buffer need not begin at a multiple of 8.
  const body = new Float64Array(bytes.slice(start).buffer);
  const column = (at: number): Float64Array => body.subarray(at * head.n, (at + 1) * head.n);
  return {
    seq: head.seq,
    reset: head.reset,
    time: column(0),
    columns: new Map(head.columns.map((name, at) => [name, column(at + 1)]))
  };
}

namespace Private {
  /** What a frame says before its numbers. */
  export interface IHead {
    seq: number;
    reset: boolean;
    n: number;
    columns: string[];
  }

  /** Read a frame's header. */
  export function head(text: string): IHead {
    const found = JSON.parse(text) as Partial<IHead>;
    if (
      !Number.isInteger(found.seq) ||
      typeof found.reset !== 'boolean' ||
      !Number.isInteger(found.n) ||
      !Array.isArray(found.columns)
    ) {
      throw new RangeError('this is not a telemetry frame');
    }
    return found as IHead;
  }
}
