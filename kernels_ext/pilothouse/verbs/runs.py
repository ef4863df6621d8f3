"""Runs, and what a run and a pilot have in common: history, logs and events."""

from __future__ import annotations

from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import EITHER, RUN, TAIL, Verb, arg, given, handle

runs = Verb("list", "list the runs, the latest first", lambda _: Call("ph.runs"))
attach = Verb("attach", "the pilot or the run of that name, with its history", handle, (EITHER,))
stop = Verb("stop", "end a run, keeping what it has", lambda options: handle(options).then("stop"), (RUN,))
result = Verb("result", "wait for a run and return its result", lambda options: handle(options).then("result"), (RUN,))
remove = Verb(
    "remove", "remove a pilot or a run that has ended, with its files; its name can be used again",
    lambda options: handle(options).then("remove"), (EITHER,),
)  # fmt: skip
logs = Verb(
    "logs", "the last lines of the logs of a pilot or a run",
    lambda options: handle(options).then("logs", **given(options, "node", "tail")),
    (
        EITHER, TAIL,
        arg("--node", metavar="NODE", help="of a pilot or a service: this node's alone; of a pilot, supervisor, too"),
    ),
)  # fmt: skip
events = Verb(
    "events", "what happened to a pilot or a run, when and why",
    lambda options: handle(options).then("events"), (EITHER,),
)  # fmt: skip
