/** What a description would submit: job scripts, and when the batch system expects to start them. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { duration, secondsUntil } from '../records';
import type { IJobPreview } from '../records';

/** The preview, once it was asked for, below the button that asks. */
export function Preview(props: {
  /** The jobs; what is wrong; nothing until asked for. */
  found?: readonly IJobPreview[] | Error | 'asked';
  ask: () => void;
  trans: TranslationBundle;
}): JSX.Element {
  const { found, ask, trans } = props;
  const box = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    if (found) {
      box.current?.scrollIntoView({ block: 'start' }); // it appears below what the dialog has room for
    }
  }, [found]);
  const jobs = found instanceof Error || found === 'asked' ? [] : (found ?? []);
  return (
    <div ref={box} className="pilothouse-Preview">
      <button type="button" className="jp-mod-styled" onClick={ask}>
        {trans.__('Show job script and expected start')}
      </button>
      <div role="status">
        {found === 'asked' && <p>{trans.__('Asking the batch system…')}</p>}
        {found instanceof Error && <p className="pilothouse-Live-notice">{found.message}</p>}
        {jobs.map(job => (
          <p key={job.kind}>
            {jobs.length > 1 ? `${job.kind}: ` : ''}
            {when(job, trans)}
          </p>
        ))}
      </div>
      {jobs.map(({ kind, script }) => (
        <pre
          key={kind}
          className="pilothouse-Log"
          tabIndex={0}
          aria-label={trans.__('Job script of a node of the kind %1', kind)}
        >
          {script}
        </pre>
      ))}
    </div>
  );
}

/** Seconds within which a start is at once. */
const SOON = 30;

function when({ expected_start: start, reason }: IJobPreview, trans: TranslationBundle): string {
  const left = secondsUntil(start, Date.now());
  if (left === undefined) {
    return trans.__('When a node would start is not known: %1.', reason);
  }
  return left < SOON
    ? trans.__('A node would start at once.')
    : trans.__('A node would start in %1.', duration(left));
}
