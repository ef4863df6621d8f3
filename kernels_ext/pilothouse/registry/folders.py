"""The names of files in a pilot's or a run's own folder that more than one part of the library knows."""

from __future__ import annotations

#: What happened when and why; lines of JSON, of pilots and runs.
EVENTS = "events.jsonl"
#: All nodes that have ended; lines of JSON, of pilots.
NODES = "nodes.jsonl"
#: What the supervisor printed.
SUPERVISOR_LOG = "supervisor.log"
#: Where Dask's scheduler is, for the nodes.
SCHEDULER = "scheduler.json"
#: The pilot's secrets, each of mode 0600: its key, its certificate, and the word that a request must have.
KEY, CERTIFICATE, TOKEN = "tls.key", "tls.pem", "token"
#: How the Dask cluster is reached that the pilot is attached to, keys and all; of mode 0600.
CLUSTER = "cluster.json"
#: Folders on nodes that go with the pilot, a path a line.
LEFTOVERS = "leftovers"
#: A run's samples.
TELEMETRY = "telemetry.bin"
