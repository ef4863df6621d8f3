/** How the fields of the form for a new pilot look: as JupyterLab's own, with labels that belong to their inputs. */

import type {
  ArrayFieldTemplateProps,
  FieldTemplateProps,
  ObjectFieldTemplateProps
} from '@rjsf/utils';
import * as React from 'react';

import type { IProperty, ISchema } from '../form';

/** What templates get. */
export interface IFormContext {
  /** The heading of what is folded away. */
  readonly more: string;
  /** Labels of the buttons of a list, the second of the item of a number. */
  readonly add: string;
  readonly remove: (number: number) => string;
}

/** For the form's `templates`. */
export const TEMPLATES = {
  ArrayFieldTemplate: List,
  FieldTemplate: Field,
  ObjectFieldTemplate: Fields
};

/** How the inputs look where their type does not say it. */
export function uiSchema(
  properties: ISchema['properties']
): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, inputOf(property)])
  );
}

function inputOf(property: IProperty): Record<string, unknown> {
  if (property.items?.properties) {
    return { items: uiSchema(property.items.properties) };
  }
  return property['x-lines']
    ? { 'ui:widget': 'textarea', 'ui:options': { rows: 2 } }
    : { 'ui:options': { label: property.type !== 'boolean' } };
}

function Field(props: FieldTemplateProps): JSX.Element {
  const { id, label, schema, description, children, errors } = props;
  if (schema.type === 'object') {
    return (
      <div className="jp-FormGroup-content">
        <div className="jp-root">{children}</div>
      </div>
    );
  }
  if (schema.type === 'array') {
    return (
      <div>
        {children}
        <div className="validationErrors">{errors}</div>
      </div>
    );
  }
  return (
    <div className="form-group small-field">
      <div className="jp-FormGroup-content jp-FormGroup-contentNormal">
        <label className="jp-FormGroup-fieldLabel jp-FormGroup-contentItem" htmlFor={id}>
          {label}
        </label>
        <div className="jp-inputFieldWrapper jp-FormGroup-contentItem">{children}</div>
        <div className="jp-FormGroup-description">{description}</div>
        <div className="validationErrors">{errors}</div>
      </div>
    </div>
  );
}

function Fields({ properties, schema, formContext }: ObjectFieldTemplateProps): JSX.Element {
  const { more } = formContext as IFormContext;
  const advanced = (name: string): boolean =>
    Boolean((schema.properties?.[name] as IProperty | undefined)?.['x-advanced']);
  const folded = properties.filter(({ name }) => advanced(name));
  return (
    <fieldset>
      {properties.filter(({ name }) => !advanced(name)).map(({ content }) => content)}
      {folded.length > 0 && (
        <details className="pilothouse-PilotForm-more">
          <summary>{more}</summary>
          {folded.map(({ content }) => content)}
        </details>
      )}
    </fieldset>
  );
}

const BUBBLES = { bubbles: true };

function List(props: ArrayFieldTemplateProps): JSX.Element {
  const { items, title, schema, readonly, onAddClick, formContext } = props;
  const { add, remove } = formContext as IFormContext;
  return (
    <fieldset className="pilothouse-PilotForm-list">
      <legend>{title}</legend>
      <div className="jp-FormGroup-description">{schema.description}</div>
      {items.map(({ key, index, children, onDropIndexClick }) => (
        <div key={key} role="group" aria-label={`${title} ${index + 1}`}>
          {children}
          {!readonly && (
            <button
              type="button"
              className="jp-mod-styled jp-mod-reject"
              onClick={event => {
                const list = event.currentTarget.closest('fieldset');
                onDropIndexClick(index)(event);
                // What was wrong may be gone: dialogs look again when there is input.
                requestAnimationFrame(() => list?.dispatchEvent(new Event('input', BUBBLES)));
              }}
            >
              {remove(index + 1)}
            </button>
          )}
        </div>
      ))}
      {!readonly && (
        <button type="button" className="jp-mod-styled" onClick={onAddClick}>
          {add}
        </button>
      )}
    </fieldset>
  );
}
