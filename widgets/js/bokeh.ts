/** BokehJS for a widget: the lab extension's where there is one, else the kernel's own, by custom message. */

import type { IBokeh } from "../../lab_extension/src/live/bokeh";
import { once, page } from "../../lab_extension/src/live/page";

import type { IWidgetModel, Listener } from "./model";

/** Milliseconds to wait for a kernel's answer before another view may ask. A cell may keep it busy. */
const PATIENCE = 60_000;

/** Get BokehJS for a widget's page. */
export function loadBokeh(model: IWidgetModel): Promise<IBokeh> {
  const { bundled } = page();
  if (bundled) {
    return once("bundled", bundled);
  }
  const version = String(model.get("bokeh"));
  return once(version, async () => Private.find(version) ?? Private.ask(model));
}

namespace Private {
  /** Bokeh's own page-global table. */
  type BokehTable = Record<string, IBokeh | undefined>;

  /** BokehJS that something else has loaded, with its API plugin. */
  export function find(version: string): IBokeh | undefined {
    const table = (globalThis as typeof globalThis & { Bokeh?: BokehTable })
      .Bokeh;
    const found = table?.[version];
    return found?.Plotting ? found : undefined;
  }

  /** What the kernel sends: the library's scripts, and their version. */
  interface ILibrary {
    version: string;
    scripts: DataView[];
  }

  /** Ask the kernel, and run what it sends. */
  export async function ask(model: IWidgetModel): Promise<IBokeh> {
    const { version, scripts } = await receive(model);
    for (const script of scripts) {
      await run(script);
    }
    const found = find(version);
    if (!found) {
      throw new Error(`BokehJS ${version} did not load`);
    }
    return found;
  }

  function receive(model: IWidgetModel): Promise<ILibrary> {
    return new Promise((resolve, reject) => {
      const listener: Listener = (message, buffers) => {
        const { type, version } = message as {
          type?: string;
          version?: string;
        };
        if (type === "bokehjs" && version) {
          end();
          resolve({ version, scripts: buffers });
        }
      };
      const timer = setTimeout(() => {
        end();
        reject(
          new Error(
            "The kernel does not answer. Run the cell again to see the plots.",
          ),
        );
      }, PATIENCE);
      const end = (): void => {
        clearTimeout(timer);
        model.off("msg:custom", listener);
      };
      model.on("msg:custom", listener);
      model.send({ type: "bokehjs" });
    });
  }

  function run(script: DataView): Promise<void> {
    const bytes = new Uint8Array(
      script.buffer as ArrayBuffer,
      script.byteOffset,
      script.byteLength,
    );
    const url = URL.createObjectURL(
      new Blob([bytes], { type: "text/javascript" }),
    );
    return new Promise<void>((resolve, reject) => {
      const element = document.createElement("script");
      element.onload = () => resolve();
      element.onerror = () => reject(new Error("the page refused BokehJS"));
      element.src = url;
      document.head.appendChild(element).remove();
    }).finally(() => URL.revokeObjectURL(url));
  }
}
