/** Written by scripts/generated.mjs from openapi.yaml. */

export interface components {
    schemas: {
        /** @description Follow the load between these numbers of nodes. */
        readonly Adapt: {
            readonly minimum: number;
            readonly maximum: number;
        };
        /** @description What a node's job sets up before its worker starts. */
        readonly Environment: {
            /**
             * @description Environment modules to load, in this order.
             * @default []
             */
            readonly modules?: readonly string[];
            /**
             * @description Name or folder of the one to activate.
             * @default null
             */
            readonly conda?: string | null;
            /**
             * @description Folder of the one to activate.
             * @default null
             */
            readonly venv?: string | null;
            /**
             * @description Environment variables to set.
             * @default {}
             */
            readonly variables?: {
                readonly [key: string]: string;
            };
        };
        readonly FormSchema: {
            readonly $defs?: {
                readonly [key: string]: components["schemas"]["Property"];
            };
            readonly description?: string;
            readonly properties: {
                readonly [key: string]: components["schemas"]["Property"];
            };
            readonly required?: readonly string[];
            readonly title?: string;
            readonly type: string;
        };
        /** @description The job of the first node of one kind. */
        readonly JobPreview: {
            readonly kind: string;
            readonly script: string;
            readonly expected_start: string | null;
            readonly reason: string;
        };
        /** @description An engine that is installed. */
        readonly Listed: {
            readonly name: string;
            readonly title: string;
            readonly needs: readonly string[];
            readonly ready: boolean;
        };
        /** @description One kind of node of a pilot. What is left out is as the pilot's own fields say. */
        readonly NodeKind: {
            /**
             * @description How many of this kind to keep running.
             * @default 1
             */
            readonly nodes?: number;
            /**
             * @description Cores of a node.
             * @default null
             */
            readonly cores?: number | null;
            /**
             * @description Memory of a node, such as '4 GiB'.
             * @default null
             */
            readonly memory?: string | null;
            /**
             * @description GPUs of a node.
             * @default null
             */
            readonly gpus?: number | null;
            /**
             * @description Of each node's job.
             * @default null
             */
            readonly walltime?: string | null;
            /**
             * @description Queue (partition) of the batch system.
             * @default null
             */
            readonly queue?: string | null;
            /**
             * @description Features that a node must have.
             * @default null
             */
            readonly constraint?: string | null;
            /**
             * @description Share the node with no other job.
             * @default null
             */
            readonly exclusive?: boolean | null;
            /**
             * @description More lines for the batch system.
             * @default null
             */
            readonly directives?: readonly string[] | null;
            /**
             * @description Dask resources of the workers, for tasks that ask for them.
             * @default {}
             */
            readonly resources?: {
                readonly [key: string]: number;
            };
        };
        /** @description One batch job of a pilot, or its part on one host, with its Dask worker. */
        readonly NodeRecord: {
            readonly name: string;
            readonly kind: string;
            readonly state: components["schemas"]["State"];
            readonly reason: string;
            /** @description the batch system's id; empty while it has not answered */
            readonly job: string;
            /** @description its place among the nodes of its job, whose names follow one another */
            readonly rank: number;
            readonly host: string;
            readonly pid: number;
            readonly address: string;
            readonly cores: number;
            readonly gpus: number;
            /** @description when it came into this state */
            readonly since: string | null;
            readonly submitted: string | null;
            /** @description when its job was first seen to run */
            readonly started: string | null;
            /** @description when its worker was first there */
            readonly connected: string | null;
            readonly ended: string | null;
            /** @description by the batch system, while it is pending */
            readonly expected_start: string | null;
            /** @description when its walltime is over */
            readonly ends: string | null;
            readonly exit_code: number | null;
            /** @description it goes as soon as its replacement is there */
            readonly leaving: boolean;
            /**
             * @description 'first': its job holds the supervisor too; 'successor': its job will, when that one ends
             * @enum {string}
             */
            readonly role: "node" | "first" | "successor";
        };
        /** @description A job of ours whose pilot no longer wants it. */
        readonly Orphan: {
            readonly site: string;
            readonly job: string;
            readonly pilot: string;
            readonly node: string;
            readonly state: components["schemas"]["State"];
            readonly why: string;
        };
        /** @description A pilot as asked for. Sites narrow the limits. */
        readonly PilotDescription: {
            /**
             * @description Where the nodes come from.
             * @default local
             */
            readonly site?: string;
            /**
             * @description Unique for you; made up when left out.
             * @default null
             */
            readonly name?: string | null;
            /**
             * @description How many nodes to keep running.
             * @default 1
             */
            readonly nodes?: number;
            /**
             * @description Cores of a node.
             * @default 1
             */
            readonly cores?: number;
            /**
             * @description Memory of a node, such as '4 GiB'; when left out, what the batch system gives, or a fair share.
             * @default null
             */
            readonly memory?: string | null;
            /**
             * @description GPUs of a node.
             * @default 0
             */
            readonly gpus?: number;
            /**
             * @description Of each node's job: '2h'; else as the site says.
             * @default null
             */
            readonly walltime?: string | null;
            /**
             * @description Queue (partition) of the batch system.
             * @default null
             */
            readonly queue?: string | null;
            /**
             * @description Account (project) that pays.
             * @default null
             */
            readonly account?: string | null;
            /**
             * @description Features that a node must have.
             * @default null
             */
            readonly constraint?: string | null;
            /**
             * @description Share nodes with no other job.
             * @default false
             */
            readonly exclusive?: boolean;
            /**
             * @description More lines for the batch system, as they are.
             * @default []
             */
            readonly directives?: readonly string[];
            /** @description What jobs set up first. */
            readonly environment?: components["schemas"]["Environment"];
            /**
             * @description For temporary files of a node, such as '$TMPDIR'.
             * @default null
             */
            readonly scratch?: string | null;
            /**
             * @description End after this time without work: '30min'.
             * @default 30min
             */
            readonly idle_timeout?: string;
            /**
             * @description End after this time in any case: '12h'.
             * @default 12h
             */
            readonly lease?: string;
            /**
             * @description Nodes that end: 'always' (before their walltime too), only when they 'failed', or 'never'.
             * @default always
             * @enum {string}
             */
            readonly replace?: "always" | "failed" | "never";
            /**
             * @description Where the supervisor lives: on the 'login' node, or in the first batch 'job'.
             * @default null
             */
            readonly placement?: ("login" | "job") | null;
            /**
             * @description By name, beside the nodes above: {'gpu': {'gpus': 2}}.
             * @default {}
             */
            readonly kinds?: {
                readonly [key: string]: components["schemas"]["NodeKind"];
            };
        };
        /** @description One pilot. */
        readonly PilotRecord: {
            readonly schema_version: number;
            readonly name: string;
            readonly site: string;
            readonly state: components["schemas"]["State"];
            readonly reason: string;
            /** Format: date-time */
            readonly created: string;
            /** @description when its present supervisor was asked for */
            readonly begun: string | null;
            /** @description how many supervisors it has had */
            readonly generation: number;
            /** @description why it has stopped trying to get more nodes */
            readonly gave_up: string;
            /** @description what could not be gone on with */
            readonly not_recovered: readonly string[];
            readonly ended: string | null;
            readonly description: {
                readonly [key: string]: unknown;
            };
            /** @description the site, as it was at submission */
            readonly settings: {
                readonly [key: string]: unknown;
            };
            readonly nodes_wanted: number;
            /** @description of each kind; their sum is `nodes_wanted` */
            readonly wanted: {
                readonly [key: string]: number;
            };
            readonly nodes: readonly components["schemas"]["NodeRecord"][];
            readonly next_node: number;
            readonly adapt: components["schemas"]["Adapt"] | null;
            readonly supervisor: components["schemas"]["ProcessRef"] | null;
            /** @description the Unix socket of a supervisor on a login node */
            readonly socket: string;
            /** @description 'tls://host:port' of a supervisor that other hosts can ask */
            readonly control: string;
            readonly scratch: string;
            readonly scheduler: string;
            /** @description where Dask's pages are: `UNIX` and a socket of the supervisor's host, or its `control` */
            readonly dashboard: string;
            readonly heartbeat: string | null;
            readonly lease_end: string | null;
            readonly idle_end: string | null;
        };
        /** @description A process that can be recognised again: a pid alone may have been given to another one. */
        readonly ProcessRef: {
            readonly host: string;
            readonly pid: number;
            /** @description creation time of the process, seconds since 1970 */
            readonly started: number;
        };
        /** @description How far a run is. */
        readonly Progress: {
            readonly done: number;
            readonly total: number;
            readonly unit: string;
        };
        readonly Property: {
            readonly $ref?: string;
            readonly additionalProperties?: components["schemas"]["Property"] | boolean;
            readonly anyOf?: readonly components["schemas"]["Property"][];
            readonly default?: unknown;
            readonly description?: string;
            readonly enum?: readonly string[];
            readonly examples?: readonly string[];
            readonly items?: components["schemas"]["Property"];
            readonly pattern?: string;
            readonly patternProperties?: {
                readonly [key: string]: components["schemas"]["Property"];
            };
            readonly properties?: {
                readonly [key: string]: components["schemas"]["Property"];
            };
            readonly readOnly?: boolean;
            readonly title?: string;
            readonly type?: string;
            readonly "x-advanced"?: boolean;
        };
        /** @description A queue (partition) of a batch system and what a job in it may have; None is no limit that is known. */
        readonly QueueLimits: {
            readonly name: string;
            /** @description longest job, seconds */
            readonly walltime: number | null;
            /** @description the most nodes of a pilot */
            readonly nodes: number | null;
            /** @description the most cores of a node */
            readonly cores: number | null;
            /** @description the most memory of a node */
            readonly memory: number | null;
            /** @description the most GPUs of a node */
            readonly gpus: number | null;
            /** @description what `constraint` may name */
            readonly features: readonly string[];
            /** @description taken when a description names none */
            readonly default: boolean;
            /** @description whether it takes jobs now */
            readonly available: boolean;
        };
        /** @description One run. */
        readonly RunRecord: {
            readonly schema_version: number;
            readonly name: string;
            readonly kind: string;
            readonly pilot: string;
            /** @description which of the pilots that have had that name */
            readonly pilot_created: string | null;
            readonly state: components["schemas"]["State"];
            readonly reason: string;
            /** Format: date-time */
            readonly created: string;
            readonly started: string | null;
            readonly ended: string | null;
            readonly parameters: {
                readonly [key: string]: unknown;
            };
            readonly progress: components["schemas"]["Progress"] | null;
            /** @description how often another supervisor has gone on with it */
            readonly resumed: number;
        };
        /** @description One member of a service. */
        readonly ShownMember: {
            readonly number: number;
            readonly node: string;
            readonly host: string;
            readonly role: string;
            /** @enum {string} */
            readonly state: "starting" | "running" | "leaving";
            readonly reason: string;
            readonly address: string;
            readonly metrics: {
                readonly [key: string]: number;
            };
        };
        /** @description A service as it is at this moment: `time`, in seconds since 1970. */
        readonly ShownService: {
            readonly time: number;
            readonly name: string;
            readonly engine: string;
            readonly pilot: string;
            readonly address: string;
            /** @description Path of its own pages on the Jupyter server; empty while there are none */
            readonly dashboard: string;
            readonly wanted: number;
            readonly complete: boolean;
            readonly trouble: string;
            readonly members: readonly components["schemas"]["ShownMember"][];
        };
        /** @description A batch system with its limits; what a site file may say, and what discovery finds. */
        readonly Site: {
            readonly name: string;
            /** @description batch system: 'local' starts processes of this computer, 'slurm', ... */
            readonly system: string;
            /** @description one line for people */
            readonly title: string;
            /** @description the most nodes of a pilot */
            readonly nodes: number | null;
            /** @description the most cores of a node */
            readonly cores: number | null;
            /** @description the most memory of a node */
            readonly memory: number | null;
            /** @description the most GPUs of a node */
            readonly gpus: number | null;
            /** @description longest job, seconds */
            readonly walltime: number | null;
            /** @description longest lease of a pilot, seconds */
            readonly lease: number | null;
            /** @description longest time without work, seconds */
            readonly idle_timeout: number | null;
            /** @description queues with their own limits */
            readonly queues: readonly components["schemas"]["QueueLimits"][];
            /** @description accounts that users may name; any where empty */
            readonly accounts: readonly string[];
            /** @description fields of a description, where the user leaves them out */
            readonly defaults: {
                readonly [key: string]: unknown;
            };
            /** @description fields of a description that users may not change */
            readonly fixed: readonly string[];
            /** @description shell lines before a node starts */
            readonly prologue: readonly string[];
            /** @description shell lines after a node has ended */
            readonly epilogue: readonly string[];
            /** @description network interface between nodes and supervisor, such as 'ib0' */
            readonly interface: string;
            /** @description the supervisor's on a login node, where it has another name there; else `interface` */
            readonly login_interface: string;
            /** @description folder for temporary files on a node, such as '$TMPDIR' */
            readonly scratch: string;
            /** @description interpreter on the nodes; the one in use where empty */
            readonly python: string;
            /** @description for yarn: folder of Hadoop's configuration; $HADOOP_CONF_DIR where empty */
            readonly conf_dir: string;
            /** @description what starts MPI ranks, such as 'mpiexec'; found where empty */
            readonly launcher: string;
            /**
             * @description where supervisors live
             * @enum {string}
             */
            readonly placement: "login" | "job";
            /** @description whether there are Dask's dashboards, and engines' own pages */
            readonly dashboard: boolean;
            /** @description engines that pilots may start; all that are installed where that is left out */
            readonly engines: readonly string[] | null;
            /** @description nodes that come in one job, each on a host of its own */
            readonly nodes_per_job: number;
            /** @description whether nodes are submitted many at once, as job arrays, where the system has them */
            readonly job_arrays: boolean;
            /** @description seconds that nodes wait for a supervisor to come back */
            readonly patience: number;
            /** @description seconds from a job's start to its worker */
            readonly start_timeout: number;
            /** @description seconds that a node may take to hand over what it has */
            readonly drain: number;
            /** @description seconds that the batch system leaves a job it tells to end */
            readonly grace: number;
            /** @description seconds between two questions while something changes */
            readonly poll_least: number;
            /** @description seconds between two questions while nothing changes */
            readonly poll_most: number;
            /** @description seconds that a batch command may take */
            readonly timeout: number;
            /** @description where this is known from */
            readonly source: string;
            /** @description why nothing can be submitted now; empty when it can */
            readonly trouble: string;
        };
        /**
         * @description States of pilots, nodes and runs, as far as each has them.
         * @enum {string}
         */
        readonly State: "pending" | "starting" | "running" | "draining" | "stopping" | "finished" | "failed" | "lost";
        /** @description A pilot or run whose record can't be read: shown, never deleted. */
        readonly UnreadableRecord: {
            readonly name: string;
            /** @constant */
            readonly state: "unreadable";
            readonly reason: string;
            readonly path: string;
        };
    };
    responses: {
        /** @description the engines, by name */
        readonly Engines: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly items: readonly components["schemas"]["Listed"][];
                };
            };
        };
        /** @description services as they are at this moment */
        readonly Services: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly items: readonly components["schemas"]["ShownService"][];
                };
            };
        };
        /** @description JSON Schema of what can be described; of it the form reads this */
        readonly FormSchema: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["FormSchema"];
            };
        };
        /** @description entries have the fields that the market gives them; amounts are integers in msat */
        readonly Market: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly calls: readonly {
                        readonly [key: string]: unknown;
                    }[];
                    readonly offers: readonly {
                        readonly [key: string]: unknown;
                    }[];
                    readonly receipts: readonly {
                        readonly [key: string]: unknown;
                    }[];
                    readonly ledger: {
                        readonly [key: string]: unknown;
                    } | null;
                    /** @description why there may be more than the lists hold; empty when there is not */
                    readonly reason: string;
                };
            };
        };
        /** @description jobs that no pilot wants, and the sites that could not be asked, and why */
        readonly Orphans: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly items: readonly components["schemas"]["Orphan"][];
                    readonly unseen: readonly string[];
                };
            };
        };
        /** @description the pilot's record, as it lies on disk */
        readonly Pilot: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["PilotRecord"];
            };
        };
        /** @description pilots' records */
        readonly Pilots: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly items: readonly (components["schemas"]["PilotRecord"] | components["schemas"]["UnreadableRecord"])[];
                };
            };
        };
        /** @description the job of the first node of each kind, and the site */
        readonly Preview: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly site: string;
                    readonly items: readonly components["schemas"]["JobPreview"][];
                };
            };
        };
        /** @description the run's record, as it lies on disk */
        readonly Run: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": components["schemas"]["RunRecord"];
            };
        };
        /** @description runs' records */
        readonly Runs: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly items: readonly (components["schemas"]["RunRecord"] | components["schemas"]["UnreadableRecord"])[];
                };
            };
        };
        /** @description sites, each with its limits and queues, and with `trouble` where nothing can be submitted now */
        readonly Sites: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly items: readonly components["schemas"]["Site"][];
                    readonly unreadable: readonly {
                        readonly name: string;
                        readonly path: string;
                        readonly reason: string;
                    }[];
                };
            };
        };
        /** @description what nodes and runs did when */
        readonly Timeline: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    /** @description an item for BokehJS */
                    readonly figure: {
                        readonly [key: string]: unknown;
                    };
                    /** @description the same in letters */
                    readonly text: string;
                    readonly cost: {
                        readonly node_hours: number;
                        readonly core_hours: number;
                        readonly gpu_hours: number;
                        readonly queue_hours: number;
                    };
                };
            };
        };
        /** @description lines of text */
        readonly Text: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly text: string;
                };
            };
        };
        /** @description a value can't be used; `field` names it */
        readonly Invalid: {
            headers: {
                readonly [name: string]: unknown;
            };
            content?: never;
        };
        /** @description nothing of that name */
        readonly NotFound: {
            headers: {
                readonly [name: string]: unknown;
            };
            content?: never;
        };
        /** @description what it takes does not answer */
        readonly Unavailable: {
            headers: {
                readonly [name: string]: unknown;
            };
            content?: never;
        };
        /** @description the name is in use, or its state does not allow this */
        readonly Conflict: {
            headers: {
                readonly [name: string]: unknown;
            };
            content?: never;
        };
        /** @description what is wrong, and what would be right */
        readonly Error: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                readonly "application/json": {
                    readonly code: string;
                    readonly message: string;
                    readonly field: string | null;
                };
            };
        };
    };
    parameters: {
        readonly Name: string;
        readonly Tail: number;
    };
    requestBodies: {
        readonly Adapt: {
            readonly content: {
                readonly "application/json": {
                    /** @default 0 */
                    readonly minimum?: number;
                    /** @default 4 */
                    readonly maximum?: number;
                };
            };
        };
        readonly Prolong: {
            readonly content: {
                readonly "application/json": {
                    /** @description Such as 2h */
                    readonly lease: string;
                };
            };
        };
        /** @description Which of those that have had the name, where a later one may have it by now */
        readonly Created: {
            readonly content: {
                readonly "application/json": {
                    /** Format: date-time */
                    readonly created?: string;
                };
            };
        };
        readonly Nodes: {
            readonly content: {
                readonly "application/json": {
                    /** @description one when left out, or those of one job */
                    readonly nodes?: number;
                    /**
                     * @description one of the pilot's kinds of nodes
                     * @default node
                     */
                    readonly kind?: string;
                };
            };
        };
        readonly Members: {
            readonly content: {
                readonly "application/json": {
                    /** @default 1 */
                    readonly nodes?: number;
                };
            };
        };
        /** @description The engine, on how many nodes, the name of the service, and the engine's own settings */
        readonly Service: {
            readonly content: {
                readonly "application/json": {
                    /** @description Such as kafka */
                    readonly engine: string;
                    /** @default 1 */
                    readonly nodes?: number;
                    /** @description made from the engine's when left out */
                    readonly name?: string;
                } & {
                    readonly [key: string]: unknown;
                };
            };
        };
    };
    headers: never;
    pathItems: never;
}
export type Adapt = components['schemas']['Adapt'];
export type Environment = components['schemas']['Environment'];
export type FormSchema = components['schemas']['FormSchema'];
export type JobPreview = components['schemas']['JobPreview'];
export type Listed = components['schemas']['Listed'];
export type NodeKind = components['schemas']['NodeKind'];
export type NodeRecord = components['schemas']['NodeRecord'];
export type Orphan = components['schemas']['Orphan'];
export type PilotDescription = components['schemas']['PilotDescription'];
export type PilotRecord = components['schemas']['PilotRecord'];
export type ProcessRef = components['schemas']['ProcessRef'];
export type Progress = components['schemas']['Progress'];
export type Property = components['schemas']['Property'];
export type QueueLimits = components['schemas']['QueueLimits'];
export type RunRecord = components['schemas']['RunRecord'];
export type ShownMember = components['schemas']['ShownMember'];
export type ShownService = components['schemas']['ShownService'];
export type Site = components['schemas']['Site'];
export type State = components['schemas']['State'];
export type UnreadableRecord = components['schemas']['UnreadableRecord'];
export type ResponseEngines = components['responses']['Engines'];
export type ResponseServices = components['responses']['Services'];
export type ResponseFormSchema = components['responses']['FormSchema'];
export type ResponseMarket = components['responses']['Market'];
export type ResponseOrphans = components['responses']['Orphans'];
export type ResponsePilot = components['responses']['Pilot'];
export type ResponsePilots = components['responses']['Pilots'];
export type ResponsePreview = components['responses']['Preview'];
export type ResponseRun = components['responses']['Run'];
export type ResponseRuns = components['responses']['Runs'];
export type ResponseSites = components['responses']['Sites'];
export type ResponseTimeline = components['responses']['Timeline'];
export type ResponseText = components['responses']['Text'];
export type ResponseInvalid = components['responses']['Invalid'];
export type ResponseNotFound = components['responses']['NotFound'];
export type ResponseUnavailable = components['responses']['Unavailable'];
export type ResponseConflict = components['responses']['Conflict'];
export type ResponseError = components['responses']['Error'];
export type ParameterName = components['parameters']['Name'];
export type ParameterTail = components['parameters']['Tail'];
export type RequestBodyAdapt = components['requestBodies']['Adapt'];
export type RequestBodyProlong = components['requestBodies']['Prolong'];
export type RequestBodyCreated = components['requestBodies']['Created'];
export type RequestBodyNodes = components['requestBodies']['Nodes'];
export type RequestBodyMembers = components['requestBodies']['Members'];
export type RequestBodyService = components['requestBodies']['Service'];
