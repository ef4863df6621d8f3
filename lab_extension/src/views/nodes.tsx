/** The nodes of a pilot in the side bar. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { duration, secondsUntil } from '../records';
import type { INodeRecord } from '../records';

import { Reason, State } from './parts';

/** The nodes, folded away: of each its state and reason, its job and host, and when it should start or will end. */
export function Nodes(props: {
  nodes: readonly INodeRecord[];
  trans: TranslationBundle;
  now: number;
}): JSX.Element {
  const { nodes, trans, now } = props;
  return (
    <details className="pilothouse-Nodes">
      <summary>{trans.__('Nodes')}</summary>
      <ul aria-label={trans.__('Nodes')}>
        {nodes.map(node => (
          <li key={node.name}>
            {node.name} <State state={node.state} trans={trans} />{' '}
            <span className="pilothouse-Item-facts">{facts(node, trans, now).join(' · ')}</span>
            {node.reason && <Reason text={node.reason} />}
          </li>
        ))}
      </ul>
    </details>
  );
}

function facts(node: INodeRecord, trans: TranslationBundle, now: number): string[] {
  const { kind = 'node', job, host, pid } = node;
  const found = kind === 'node' ? [] : [kind];
  if (job && job !== String(pid)) {
    found.push(trans.__('job %1', job));
  }
  if (host) {
    found.push(host);
  }
  const start = node.state === 'pending' ? secondsUntil(node.expected_start, now) : undefined;
  if (start !== undefined) {
    found.push(
      start > 0
        ? trans.__('expected to start in %1', duration(start))
        : trans.__('should start now')
    );
  }
  const left = node.state === 'running' ? secondsUntil(node.ends, now) : undefined;
  if (left !== undefined) {
    found.push(trans.__('%1 left', duration(left)));
  }
  return found;
}
