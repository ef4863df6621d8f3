"""The verbs that magics and the command line share: for each its arguments, and the Python call that it stands for.

Nothing heavy is imported here: a verb reaches the library when it is called.
"""

from __future__ import annotations

from pilothouse.verbs import engines, market, md, pilots, runs, streams, submitting
from pilothouse.verbs.verb import Verb

#: The magics' groups: name -> what it is about, its verbs (the first is the default where it needs no argument).
GROUPS: dict[str, tuple[str, tuple[Verb, ...]]] = {
    "pilot": (
        "Pilots: nodes of a site that are yours for a while.",
        (
            pilots.pilots, submitting.start, pilots.show, pilots.extend, pilots.shrink, pilots.scale, pilots.renew,
            pilots.prolong, pilots.adapt, pilots.recover, pilots.execute, pilots.cancel, runs.remove, runs.logs,
            runs.events, pilots.script, pilots.cost, pilots.timeline, pilots.sites, pilots.sweep,
        ),
    ),
    "engines": (
        "Engines: frameworks such as Kafka that run on pilots, as services.",
        (
            engines.listed, engines.start, engines.show, engines.metrics, engines.extend, engines.shrink, engines.stop,
            runs.remove, engines.logs, runs.events, engines.fetch,
        ),
    ),
    "runs": (
        "Runs: what was launched on pilots, alive and ended.",
        (runs.runs, runs.attach, runs.stop, runs.result, runs.remove, runs.logs, runs.events),
    ),
    "stream": ("Streaming Mini-Apps.", (runs.runs, streams.stream, runs.stop, runs.remove, runs.logs, runs.events)),
    "md": ("Analyses of molecular-dynamics trajectories.", (md.rmsd, md.psa)),
    "market": (
        "The training market.",
        (
            market.offers, market.connect, market.calls, market.provide, market.post, market.receipts, market.ledger,
            market.admitted, market.admit, market.dismiss,
        ),
    ),
}  # fmt: skip
