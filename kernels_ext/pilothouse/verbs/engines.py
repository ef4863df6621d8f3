"""Verbs of engines: which are there, and getting what they need."""

from __future__ import annotations

import argparse

from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import Verb, arg, given


def _fetch(options: argparse.Namespace) -> Call:
    return Call("ph.engines.fetch", tuple(options.engine), given(options, "folder"))


listed = Verb(
    "list", "the engines that are installed, what each needs, and whether that is here", lambda _: Call("ph.engines")
)
fetch = Verb(
    "fetch", "fetch the jars of engines, once for a user: for hosts whose nodes have no network", _fetch,
    (
        arg("engine", nargs="+", metavar="NAME", help="the engine, such as kafka"),
        arg(
            "--folder", metavar="FOLDER",
            help="for administrators: where to put them, for users to name in PILOTHOUSE_JARS",
        ),
    ),
)  # fmt: skip
