/** A run's telemetry from the server extension's socket, for as long as it is wanted. */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { Api } from './api';
import { decodeFrame } from './live/frame';
import { SampleWindow } from './live/window';
import type { IRunRecord } from './records';

/** Keeps a window of samples and the run's record; connects again, with back-off, from where it was. */
export class TelemetryFeed implements IDisposable {
  constructor(
    private _api: Api,
    readonly name: string
  ) {
    this._connect();
  }

  /** The samples. */
  readonly window = new SampleWindow();

  /** The run, once it is known. */
  get record(): IRunRecord | undefined {
    return this._record;
  }

  /** Whether the run has ended and everything is here. */
  get isComplete(): boolean {
    return this._complete;
  }

  /** Whether the socket is lost and will be tried again. */
  get isWaiting(): boolean {
    return this._attempts > 0 && !this._complete;
  }

  /** Emitted when the window, the record or the connection have changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    clearTimeout(this._timer);
    this._drop();
    Signal.clearData(this);
  }

  private _connect(): void {
    const socket = (this._socket = this._api.telemetry(this.name, this.window.seq));
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this._attempts = 0;
      if (typeof data === 'string') {
        this._record = JSON.parse(data) as IRunRecord;
      } else if (this.window.merge(decodeFrame(data)) === 'gap') {
        this._drop();
        this._retry();
        return;
      }
      this._changed.emit();
    };
    socket.onclose = ({ code }) => {
      if (code === 1000) {
        this._complete = true;
        this._changed.emit();
      } else {
        this._retry();
      }
    };
  }

  /** Wait longer each time, up to half a minute, with some chance so that tabs don't come at once. */
  private _retry(): void {
    const wait = Math.min(30_000, 500 * 2 ** this._attempts++) * (0.75 + Math.random() / 2);
    this._timer = window.setTimeout(() => this._connect(), wait);
    this._changed.emit();
  }

  private _drop(): void {
    if (this._socket) {
      this._socket.onmessage = null;
      this._socket.onclose = null;
      this._socket.close();
    }
  }

  private _attempts = 0;
  private _changed = new Signal<this, void>(this);
  private _complete = false;
  private _disposed = false;
  private _record?: IRunRecord;
  private _socket?: WebSocket;
  private _timer = 0;
}
