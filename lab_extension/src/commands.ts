/** The ids of the commands. */
export namespace CommandIDs {
  /** Show the side bar. */
  export const showPanel = 'pilothouse:show-panel';

  /** Ask for a new pilot. */
  export const newPilot = 'pilothouse:new-pilot';

  /** Give a pilot one more node. */
  export const extendPilot = 'pilothouse:extend-pilot';

  /** Take a node from a pilot. */
  export const shrinkPilot = 'pilothouse:shrink-pilot';

  /** Replace a pilot's nodes before their walltime is over. */
  export const renewPilot = 'pilothouse:renew-pilot';

  /** Have a pilot's lease end later. */
  export const prolongPilot = 'pilothouse:prolong-pilot';

  /** Let a pilot follow its load, or end that. */
  export const adaptPilot = 'pilothouse:adapt-pilot';

  /** Go on with a lost pilot. */
  export const recoverPilot = 'pilothouse:recover-pilot';

  /** End what a lost pilot has left. */
  export const endPilot = 'pilothouse:end-pilot';

  /** Start an engine, such as Kafka, on a pilot. */
  export const startEngine = 'pilothouse:start-engine';

  /** Have a service on one more node. */
  export const extendService = 'pilothouse:extend-service';

  /** Have a service on one node less. */
  export const shrinkService = 'pilothouse:shrink-service';

  /** Open a pilot's timeline in a tab. */
  export const openTimeline = 'pilothouse:open-timeline';

  /** Open Dask's dashboard of a pilot in a tab. */
  export const openDashboard = 'pilothouse:open-dashboard';

  /** Open a service's own pages in a tab. */
  export const openPages = 'pilothouse:open-pages';

  /** End a pilot. */
  export const cancelPilot = 'pilothouse:cancel-pilot';

  /** Show what a pilot's processes wrote. */
  export const pilotLogs = 'pilothouse:pilot-logs';

  /** List jobs that no pilot wants any more, and end them. */
  export const sweep = 'pilothouse:sweep';

  /** Open a run's live plots in a tab. */
  export const openRun = 'pilothouse:open-run';

  /** Stop a run. */
  export const stopRun = 'pilothouse:stop-run';

  /** Remove a pilot or run that has ended, with its files. */
  export const remove = 'pilothouse:remove';

  /** Show what a run's processes wrote. */
  export const runLogs = 'pilothouse:run-logs';

  /** Copy the Python line that gives a pilot or a run. */
  export const copyPython = 'pilothouse:copy-python';

  /** Ask the server for all lists again. */
  export const refresh = 'pilothouse:refresh';
}
