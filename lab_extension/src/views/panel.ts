/** The side bar. */

import { ReactWidget } from '@jupyterlab/apputils';
import type { ITranslator } from '@jupyterlab/translation';
import {
  addIcon,
  CommandToolbarButton,
  PanelWithToolbar,
  refreshIcon,
  SidePanel
} from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from '../commands';
import { pilothouseIcon, sweepIcon } from '../icons';
import type { IPilothouse } from '../tokens';

import { Market } from './market';
import { Pilots } from './pilots';
import { Runs } from './runs';

/** Make the side bar with its three sections. */
export function createPanel(
  model: IPilothouse,
  commands: CommandRegistry,
  translator: ITranslator
): SidePanel {
  const trans = translator.load('pilothouse');
  const panel = new SidePanel({ translator });
  panel.id = 'pilothouse-panel';
  panel.title.icon = pilothouseIcon;
  panel.title.caption = trans.__('Pilothouse: pilots, runs and market');
  panel.addClass('pilothouse-Panel');
  panel.node.setAttribute('role', 'region');
  panel.node.setAttribute('aria-label', trans.__('Pilothouse'));

  const props = { commands, model, trans };
  const sections: [string, JSX.Element, [string, LabIcon][]][] = [
    [
      trans.__('Pilots'),
      React.createElement(Pilots, props),
      [
        [CommandIDs.newPilot, addIcon],
        [CommandIDs.sweep, sweepIcon],
        [CommandIDs.refresh, refreshIcon]
      ]
    ],
    [trans.__('Runs'), React.createElement(Runs, props), []],
    [trans.__('Market'), React.createElement(Market, props), []]
  ];
  for (const [title, content, buttons] of sections) {
    const section = new PanelWithToolbar();
    section.title.label = title;
    section.addClass('pilothouse-Section');
    for (const [id, icon] of buttons) {
      section.toolbar.addItem(id, new CommandToolbarButton({ commands, id, icon, label: '' }));
    }
    const body = ReactWidget.create(content);
    body.addClass('pilothouse-Section-body');
    section.addWidget(body);
    panel.addWidget(section);
  }
  return panel;
}
