/** The live view of a run in a cell. PROTOCOL.md says what it and the kernel tell each other. */

import { decodeFrame } from "../../lab_extension/src/live/frame";
import { LivePlot } from "../../lab_extension/src/live/plot";
import { ServiceFacts } from "../../lab_extension/src/live/service";
import type { IShownService } from "../../lab_extension/src/live/service";
import { Silence } from "../../lab_extension/src/live/silence";
import { StatusHeader, hasEnded } from "../../lab_extension/src/live/status";
import type { IRunStatus } from "../../lab_extension/src/live/status";
import { SampleWindow } from "../../lab_extension/src/live/window";

import { loadBokeh } from "./bokeh";
import type { IWidgetModel, Listener } from "./model";
import { stopRun } from "./server";

/** What the kernel sends to views. */
interface IMessage {
  type: string;
  view?: string | null;
  run?: IRunStatus & { service?: IShownService | null };
  message?: string;
}

/** Milliseconds between two requests for a snapshot. */
const PATIENCE = 2_000;

/** Milliseconds in which a service is stopped by a second press. */
const SURE = 8_000;

/** One view of a run. */
class RunView {
  constructor(
    private _model: IWidgetModel,
    host: HTMLElement,
  ) {
    const name = String(_model.get("run"));
    this._root = host.appendChild(document.createElement("section"));
    this._root.className = "pilothouse-Live pilothouse-mod-cell";
    this._root.setAttribute("aria-label", `Pilothouse run ${name}`);
    this._header = new StatusHeader({ name, stop: () => this._stop(name) });
    this._notice = document.createElement("p");
    this._notice.className = "pilothouse-Live-notice";
    this._notice.setAttribute("role", "alert");
    this._root.append(this._header.node, this._notice, this._service.node);
    this._model.on("msg:custom", this._onMessage);
    this._timer = setInterval(() => this._listen(name), Silence.LOOK);
    this._askSnapshot();
    void this._showPlot(name);
  }

  /** Take everything down. */
  dispose(): void {
    this._disposed = true;
    clearInterval(this._timer);
    this._model.off("msg:custom", this._onMessage);
    this._themes?.disconnect();
    this._plot?.dispose();
    this._root.remove();
  }

  private _onMessage: Listener = (content, buffers) => {
    const message = content as IMessage;
    this._silence.heard(Date.now());
    if (message.type === "error") {
      this._notice.textContent = message.message ?? "";
    } else if (
      message.type === "frame" &&
      (message.view ?? this._id) === this._id
    ) {
      if (message.run) {
        this._isService = Boolean(message.run.service);
        this._header.update({ ...message.run, isService: this._isService });
        this._service.update(message.run.service);
        this._isOver = hasEnded(message.run.state);
      }
      if (this._window.merge(decodeFrame(buffers[0])) === "gap") {
        this._askSnapshot();
      } else {
        if (performance.now() > this._sureUntil) {
          this._notice.textContent = "";
        }
        this._plot?.update();
      }
    }
  };

  private _askSnapshot(): void {
    const now = performance.now();
    if (now - this._asked >= PATIENCE) {
      this._asked = now;
      this._model.send({ type: "snapshot", view: this._id });
    }
  }

  /** Say so when the kernel does not answer: it was restarted, or is at work on something else. */
  private _listen(name: string): void {
    if (this._isOver) {
      return;
    }
    const now = Date.now();
    const found = this._silence.look(now);
    if (found === "ask") {
      try {
        this._askSnapshot();
      } catch {
        // the line to a kernel that was restarted is closed: there will be no answer
      }
    } else if (found === "silent") {
      this._notice.textContent = this._silence.words(name, now);
    }
  }

  private async _showPlot(name: string): Promise<void> {
    try {
      const bokeh = await loadBokeh(this._model);
      if (this._disposed) {
        return;
      }
      this._plot = new LivePlot({
        bokeh,
        host: this._root,
        name,
        window: this._window,
      });
      this._plot.update();
      this._themes = new MutationObserver(() => this._plot?.update());
      const attributeFilter = [
        "data-jp-theme-name",
        "data-jp-theme-light",
        "data-vscode-theme-kind",
      ];
      this._themes.observe(document.body, {
        attributes: true,
        attributeFilter,
      });
    } catch (error) {
      this._notice.textContent =
        error instanceof Error ? error.message : String(error);
    }
  }

  private async _stop(name: string): Promise<void> {
    if (this._isService && performance.now() > this._sureUntil) {
      this._sureUntil = performance.now() + SURE;
      this._notice.textContent =
        "Press Stop once more to end the service: data that it has on its nodes goes, unless it keeps it.";
      return;
    }
    this._sureUntil = 0;
    try {
      this._notice.textContent = "";
      if (!(await stopRun(name))) {
        this._model.send({ type: "stop" });
      }
    } catch (error) {
      this._notice.textContent =
        error instanceof Error ? error.message : String(error);
    }
  }

  private _asked = -Infinity;
  private _disposed = false;
  private _header: StatusHeader;
  private _id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  private _isOver = false;
  private _isService = false;
  private _notice: HTMLElement;
  private _plot?: LivePlot;
  private _root: HTMLElement;
  private _service = new ServiceFacts();
  private _themes?: MutationObserver;
  private _silence = new Silence(Date.now());
  private _sureUntil = 0;
  private _timer: ReturnType<typeof setInterval>;
  private _window = new SampleWindow();
}

export default {
  /** Show the run in an element; anywidget calls what is returned when the element goes. */
  render({ model, el }: { model: IWidgetModel; el: HTMLElement }): () => void {
    const view = new RunView(model, el);
    return () => view.dispose();
  },
};
