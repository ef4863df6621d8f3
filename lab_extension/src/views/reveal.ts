/** Fields that are out of sight: folded away, or scrolled away. */

/** Bring an element into view, whatever it is folded into, and give it the focus. */
export function reveal(element: HTMLElement): void {
  for (let at = element.parentElement; at; at = at.parentElement) {
    if (at instanceof HTMLDetailsElement) {
      at.open = true;
    }
  }
  element.scrollIntoView({ block: 'center' });
  element.focus({ preventScroll: true });
}

/** The first field that holds what its browser does not allow. */
export function firstInvalid(node: HTMLElement): Field | null {
  return node.querySelector<Field>('input:invalid, select:invalid, textarea:invalid');
}

/** What an invalid field is called, and what is wrong with it, in the browser's words. */
export function complaint(field: Field): string {
  const label = field.labels?.[0]?.textContent?.trim();
  return label ? `${label}: ${field.validationMessage}` : field.validationMessage;
}

/** An element that people fill in. */
export type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
