"""Verbs of engines: which are there, getting what they need, and having them on a pilot."""

from __future__ import annotations

import argparse

from pilothouse.errors import InvalidInput
from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import EXIST, PARAMETERS, SERVICE, TAIL, Verb, arg, given, handle, pairs


def _fetch(options: argparse.Namespace) -> Call:
    return Call("ph.engines.fetch", tuple(options.engine), given(options, "folder"))


def _start(options: argparse.Namespace) -> Call:
    settings = pairs(options.parameters)
    for name, option in (("nodes", "--nodes"), ("name", "--run-name"), ("exist", "--exist")):
        if name in settings:
            raise InvalidInput(f"{name}={settings[name]!r}: it is an option, {option}", field=name)
    named = {} if options.run_name is None else {"name": options.run_name}
    call = Call("ph.attach", (options.pilot,)).then(
        "start", options.engine, **given(options, "nodes", "exist"), **named, **settings
    )
    return call.then("wait") if options.wait else call


def _several(options: argparse.Namespace) -> list[int]:
    return [] if options.n is None else [options.n]


listed = Verb(
    "list", "the engines that are installed, what each needs, and whether that is here", lambda _: Call("ph.engines")
)
fetch = Verb(
    "fetch", "fetch the jars of engines, once for a user: for hosts whose nodes have no network", _fetch,
    (
        arg("engine", nargs="+", metavar="NAME", help="the engine, such as kafka", names=("engines",)),
        arg(
            "--folder", metavar="FOLDER",
            help="for administrators: where to put them, for users to name in PILOTHOUSE_JARS",
        ),
    ),
)  # fmt: skip
start = Verb(
    "start", "start an engine, such as Kafka, on nodes of a pilot", _start,
    (
        arg("pilot", metavar="PILOT", help="the pilot", names=("pilots",)),
        arg("engine", metavar="ENGINE", help="the engine, such as kafka", names=("engines",)),
        arg("--nodes", type=int, metavar="N", help="on how many of the pilot's nodes (default: 1)"),
        arg("--run-name", dest="run_name", metavar="NAME", help="the service's name (default: made up)"),
        EXIST,
        arg("--wait", action="store_true", help="return when it answers"),
        arg(*PARAMETERS.flags, **{**PARAMETERS.options, "help": "settings of the engine"}),
    ),
)  # fmt: skip
show = Verb("show", "the handle of a service", handle, (SERVICE,))
_N = arg("n", nargs="?", type=int, metavar="N", help="how many (default: one)")
extend = Verb(
    "extend", "have a service on more nodes of its pilot",
    lambda options: handle(options).then("extend", *_several(options)), (SERVICE, _N),
)  # fmt: skip
shrink = Verb(
    "shrink", "take a service from nodes, moving what it has there first",
    lambda options: handle(options).then("shrink", *_several(options)), (SERVICE, _N),
)  # fmt: skip
stop = Verb(
    "stop", "end a service, with what it has on its nodes", lambda options: handle(options).then("stop"), (SERVICE,)
)
logs = Verb(
    "logs", "the last lines of the logs of a service's processes",
    lambda options: handle(options).then("logs", **given(options, "node", "tail")),
    (SERVICE, TAIL, arg("--node", metavar="NODE", help="of this node alone (default: of all)")),
)  # fmt: skip
metrics = Verb(
    "metrics", "the latest figures of a service, by node", lambda options: handle(options).then("metrics"), (SERVICE,)
)
