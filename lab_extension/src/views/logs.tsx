/** The log of a pilot or a run. */

import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { IPilothouse } from '../tokens';

/**
 * Show the last lines in a dialog, following what comes while it is open; those of a service may be asked for by node.
 */
export async function showLogs(
  model: IPilothouse,
  of: 'pilots' | 'runs',
  name: string,
  trans: TranslationBundle
): Promise<void> {
  const first = await model.logs(of, name);
  const service = of === 'runs' && model.services.find(each => each.name === name);
  const nodes = service ? [...new Set(service.members.map(({ node }) => node))] : [];
  const load = (node: string): Promise<string> => model.logs(of, name, node || undefined);
  const body = ReactWidget.create(<Lines {...{ first, load, nodes, trans }} />);
  body.addClass('pilothouse-Log-body');
  await showDialog({
    title: trans.__('Log of %1', name),
    body,
    buttons: [Dialog.okButton({ label: trans.__('Close') })]
  });
}

/** Milliseconds between two looks. */
const PERIOD = 2_000;

function Lines(props: {
  first: string;
  load: (node: string) => Promise<string>;
  nodes: readonly string[];
  trans: TranslationBundle;
}): JSX.Element {
  const { first, load, nodes, trans } = props;
  const [text, setText] = React.useState(first);
  const [node, setNode] = React.useState('');
  const box = React.useRef<HTMLPreElement>(null);
  const follow = React.useRef(true);
  React.useEffect(() => {
    let isShown = true;
    const look = (): void => {
      load(node).then(
        found => isShown && setText(found),
        () => clearInterval(timer) // what is shown stays
      );
    };
    const timer = setInterval(look, PERIOD);
    look();
    return () => {
      isShown = false;
      clearInterval(timer);
    };
  }, [load, node]);
  React.useEffect(() => {
    if (box.current && follow.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [text]);
  return (
    <>
      {nodes.length > 1 && (
        <label className="pilothouse-Log-node">
          {trans.__('Node')}
          <select value={node} onChange={({ target }) => setNode(target.value)}>
            <option value="">{trans.__('all')}</option>
            {nodes.map(each => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      )}
      <pre
        ref={box}
        className="pilothouse-Log"
        tabIndex={0}
        aria-label={trans.__('Log')}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          follow.current = scrollTop + clientHeight > scrollHeight - 8;
        }}
      >
        {text || trans.__('Nothing was written yet.')}
      </pre>
    </>
  );
}
