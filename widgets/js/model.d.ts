/** The part of anywidget's front end that the widgets use. */

/** A widget's model in the page. */
export interface IWidgetModel {
  get(name: string): unknown;
  on(event: "msg:custom", listener: Listener): void;
  off(event: "msg:custom", listener: Listener): void;
  send(content: unknown): void;
}

/** Gets the custom messages of the kernel. */
export type Listener = (message: unknown, buffers: DataView[]) => void;
