/** The log of a pilot or a run. */

import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { IPilothouse } from '../tokens';

/** Show the last lines in a dialog, following what comes while it is open. */
export async function showLogs(
  model: IPilothouse,
  of: 'pilots' | 'runs',
  name: string,
  trans: TranslationBundle
): Promise<void> {
  const first = await model.logs(of, name);
  const load = (): Promise<string> => model.logs(of, name);
  const body = ReactWidget.create(<Lines first={first} load={load} trans={trans} />);
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
  load: () => Promise<string>;
  trans: TranslationBundle;
}): JSX.Element {
  const { first, load, trans } = props;
  const [text, setText] = React.useState(first);
  const box = React.useRef<HTMLPreElement>(null);
  const follow = React.useRef(true);
  React.useEffect(() => {
    const timer = setInterval(() => {
      load().then(setText, () => clearInterval(timer)); // what is shown stays
    }, PERIOD);
    return () => clearInterval(timer);
  }, [load]);
  React.useEffect(() => {
    if (box.current && follow.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [text]);
  return (
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
  );
}
