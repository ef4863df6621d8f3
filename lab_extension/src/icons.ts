/** The icons. */

import { LabIcon } from '@jupyterlab/ui-components';

import adapt from '../style/icons/adapt.svg';
import dashboard from '../style/icons/dashboard.svg';
import pilothouse from '../style/icons/pilothouse.svg';
import prolong from '../style/icons/prolong.svg';
import shrink from '../style/icons/shrink.svg';
import sweep from '../style/icons/sweep.svg';
import timeline from '../style/icons/timeline.svg';

/** A ship's wheel. */
export const pilothouseIcon = new LabIcon({ name: 'pilothouse:pilothouse', svgstr: pilothouse });

/** Up and down. */
export const adaptIcon = new LabIcon({ name: 'pilothouse:adapt', svgstr: adapt });

/** A clock. */
export const prolongIcon = new LabIcon({ name: 'pilothouse:prolong', svgstr: prolong });

/** A broom. */
export const sweepIcon = new LabIcon({ name: 'pilothouse:sweep', svgstr: sweep });

/** Bars that rise and fall. */
export const dashboardIcon = new LabIcon({ name: 'pilothouse:dashboard', svgstr: dashboard });

/** A minus. */
export const shrinkIcon = new LabIcon({ name: 'pilothouse:shrink', svgstr: shrink });

/** Bars one after the other. */
export const timelineIcon = new LabIcon({ name: 'pilothouse:timeline', svgstr: timeline });
