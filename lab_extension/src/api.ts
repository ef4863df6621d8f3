/** The server extension's REST interface and telemetry socket. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** An answer that says what is wrong. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** A stable word; empty when something else than the extension answered. */
    readonly code: string,
    /** The field to blame. */
    readonly field: string | null
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** Requests to the server extension. */
export class Api {
  constructor(readonly serverSettings: ServerConnection.ISettings) {}

  /**
   * Ask for `path` (its parts, which are escaped), and get JSON.
   *
   * @throws ApiError with the server's own text.
   */
  async request<T>(path: readonly string[], options: Api.IOptions = {}): Promise<T> {
    const { method = 'GET', query = {}, body } = options;
    const url =
      URLExt.join(this.serverSettings.baseUrl, Api.ROOT, ...path.map(encodeURIComponent)) +
      URLExt.objectToQueryString(query);
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    const response = await ServerConnection.makeRequest(url, init, this.serverSettings);
    const text = await response.text();
    if (!response.ok) {
      throw Private.errorOf(response, text);
    }
    return JSON.parse(text) as T;
  }

  /** Open the socket that sends a run's telemetry after the sample `since`. */
  telemetry(name: string, since: number): WebSocket {
    const { wsUrl, token, appendToken, WebSocket } = this.serverSettings;
    const query: Record<string, string> = { since: String(since) };
    if (appendToken && token) {
      query.token = token; // as Jupyter's own sockets do where cookies don't reach the server
    }
    const path = URLExt.join(wsUrl, Api.ROOT, 'runs', encodeURIComponent(name), 'telemetry');
    const socket = new WebSocket(path + URLExt.objectToQueryString(query));
    socket.binaryType = 'arraybuffer';
    return socket;
  }
}

/** The namespace of {@link Api}. */
export namespace Api {
  /** The interface's path below the server's base URL. */
  export const ROOT = 'pilothouse/api/v1';

  /** How to ask. */
  export interface IOptions {
    method?: 'GET' | 'POST' | 'DELETE';
    query?: Record<string, string>;
    body?: Record<string, unknown>;
  }
}

namespace Private {
  /** What an answer that is not OK says. */
  export function errorOf(response: Response, text: string): ApiError {
    let found: { code?: string; message?: string; field?: string | null } = {};
    try {
      found = JSON.parse(text) as typeof found;
    } catch {
      // a proxy's page, or nothing
    }
    const message = found.message || `${response.status} ${response.statusText}`;
    return new ApiError(message, response.status, found.code ?? '', found.field ?? null);
  }
}
