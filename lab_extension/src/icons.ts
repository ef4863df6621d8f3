/** The icons. */

import { LabIcon } from '@jupyterlab/ui-components';

import dashboard from '../style/icons/dashboard.svg';
import pilothouse from '../style/icons/pilothouse.svg';
import shrink from '../style/icons/shrink.svg';
import timeline from '../style/icons/timeline.svg';

/** A ship's wheel. */
export const pilothouseIcon = new LabIcon({ name: 'pilothouse:pilothouse', svgstr: pilothouse });

/** Bars that rise and fall. */
export const dashboardIcon = new LabIcon({ name: 'pilothouse:dashboard', svgstr: dashboard });

/** A minus. */
export const shrinkIcon = new LabIcon({ name: 'pilothouse:shrink', svgstr: shrink });

/** Bars one after the other. */
export const timelineIcon = new LabIcon({ name: 'pilothouse:timeline', svgstr: timeline });
