/** The colours of a plot, taken from JupyterLab's theme, with plain ones where there is no Lab. */

/** What a plot is painted with: CSS colours. */
export interface ITheme {
  readonly background: string;
  readonly text: string;
  readonly grid: string;
  readonly font: string;
  /** Colours of the lines, in order. */
  readonly lines: readonly string[];
}

/** The theme that holds where `element` is. */
export function themeOf(element: HTMLElement): ITheme {
  const probe = document.createElement('span');
  element.appendChild(probe);
  try {
    const resolve = (variable: string, fallback: string): string => {
      probe.style.color = `var(${variable}, ${fallback})`;
      return getComputedStyle(probe).color;
    };
    return {
      background: resolve('--jp-layout-color1', 'Canvas'),
      text: resolve('--jp-ui-font-color1', 'CanvasText'),
      grid: resolve('--jp-border-color2', 'GrayText'),
      font: getComputedStyle(element).fontFamily,
      lines: [
        resolve('--jp-brand-color1', 'LinkText'),
        resolve('--jp-warn-color1', 'Mark'),
        resolve('--jp-error-color1', 'VisitedText')
      ]
    };
  } finally {
    probe.remove();
  }
}

/** Whether two themes paint the same. */
export function sameTheme(one: ITheme, other: ITheme): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
