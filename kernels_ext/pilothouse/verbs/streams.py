"""Streaming Mini-Apps."""

from __future__ import annotations

from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import ON, PARAMETERS, Verb, arg, given, on, pairs

stream = Verb(
    "run", "launch a streaming Mini-App: a source, a broker, a processor",
    lambda options: Call(
        "ph.streams.run", (),
        {**given(options, "source", "processor", "broker", "name"), **pairs(options.parameters), **on(options)},
    ),
    (
        arg("--source", help="what produces the messages, such as kmeans-random"),
        arg("--processor", help="what consumes them, such as kmeans"),
        arg("--broker", help="what carries them: log"),
        arg("--name", help="the run's name (default: made up)"),
        ON, PARAMETERS,
    ),
)  # fmt: skip
