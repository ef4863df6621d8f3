import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Panel, Widget } from '@lumino/widgets';

/** Runs in cells whose live view does not come. */
export const cells: JupyterFrontEndPlugin<void> = {
  id: 'pilothouse:cells',
  description: "Shows a run's picture where a cell can't show its live view, and tries that again.",
  autoStart: true,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null): void => {
    const trans = (translator ?? nullTranslator).load('pilothouse');
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: panel => {
        const { content } = panel as Private.INotebookPanel;
        const timer = setInterval(() => {
          if (content.isVisible) {
            Private.look(content, trans);
          }
        }, 2000);
        panel.disposed.connect(() => clearInterval(timer));
      }
    });
  }
};

namespace Private {
  const VIEW = 'application/vnd.jupyter.widget-view+json';
  const PICTURE = 'text/html';

  /** The part of a notebook that is used; its package would bring 170 others for the sake of types. */
  export interface INotebookPanel extends Widget {
    readonly content: INotebook;
  }

  interface INotebook extends Widget {
    readonly rendermime: { createRenderer(mimeType: string): IRenderMime.IRenderer };
    readonly widgets: readonly { readonly outputArea?: IOutputArea }[];
  }

  interface IOutputArea {
    readonly model: { get(index: number): IRenderMime.IMimeModel };
    readonly widgets: readonly Panel[];
  }

  /** Find what ipywidgets has given up on, and that comes with a picture. */
  export function look(notebook: INotebook, trans: TranslationBundle): void {
    const failed = [...notebook.node.querySelectorAll<HTMLElement>('.jp-OutputArea-output')].filter(
      node => !node.childElementCount && node.textContent.startsWith('Error displaying widget')
    );
    for (const { outputArea } of failed.length ? notebook.widgets : []) {
      outputArea?.widgets.forEach((row, index) => {
        const shown = row.widgets?.find(({ node }) => failed.includes(node));
        const output = outputArea.model.get(index);
        if (shown && VIEW in output.data && PICTURE in output.data) {
          void standIn(shown as Panel, output, notebook.rendermime, trans);
        }
      });
    }
  }

  /**
   * Show the picture, then the view where it comes after all.
   *
   * ipywidgets looks for a view's model for two seconds, but not once more at their end: what a busy page has restored
   * within the last tenth of a second is "not found" for good.
   */
  async function standIn(
    place: Panel,
    output: IRenderMime.IMimeModel,
    rendermime: INotebook['rendermime'],
    trans: TranslationBundle
  ): Promise<void> {
    place.node.textContent = '';
    const picture = rendermime.createRenderer(PICTURE);
    place.addWidget(picture);
    await picture.renderModel(output);
    if (place.isDisposed) {
      return; // the cell was run again, or the notebook closed
    }
    const note = document.createElement('p');
    const name = picture.node.querySelector('b')?.textContent ?? '';
    note.textContent = trans.__(
      'As it was when this was shown; ph.attach(%1) shows it as it is.',
      JSON.stringify(name) // to run the cell again may start another one
    );
    picture.node.prepend(note);
    const view = rendermime.createRenderer(VIEW);
    await view.renderModel(output);
    if (place.isDisposed || !view.node.childElementCount) {
      view.dispose();
    } else {
      picture.dispose();
      place.addWidget(view);
    }
  }
}
