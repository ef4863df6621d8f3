"""Pilots: what there is, what can be done with one, and executables on its nodes."""

from __future__ import annotations

import argparse

from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import EXIST, EXTENSIBLE, PILOT, Verb, arg, given, handle


def _count(options: argparse.Namespace, method: str, *also: str) -> Call:
    return handle(options).then(method, *([] if options.n is None else [options.n]), **given(options, *also))


def _execute(options: argparse.Namespace) -> Call:
    asked = given(options, "cores", "gpus", "ranks", "timeout", "retries", "through", "exist")
    named = {} if options.run_name is None else {"name": options.run_name}
    command = options.command[1:] if options.command[0] == "--" else options.command
    call = handle(options).then("execute", command, **asked, **named)
    return call.then("wait") if options.wait else call


_N = arg("n", nargs="?", type=int, metavar="N", help="how many (default: one, or those of one job)")
_KIND = arg("--kind", metavar="NAME", help="of which kind of the pilot's nodes (default: node)")


pilots = Verb("list", "list the pilots", lambda _: Call("ph.pilots"))
sites = Verb("sites", "list the sites where pilots can be had, and their limits", lambda _: Call("ph.sites"))
show = Verb("show", "the handle of a pilot", handle, (PILOT,))
extend = Verb(
    "extend", "add nodes to a pilot that runs, or have a service on more of its pilot's",
    lambda options: _count(options, "extend", "kind", "walltime"),
    (EXTENSIBLE, _N, _KIND, arg("--walltime", metavar="TIME", help="of the pilot's nodes of this kind from now on")),
)  # fmt: skip
shrink = Verb(
    "shrink", "take nodes from a pilot, letting their work end elsewhere, or from a service, moving what is there",
    lambda options: _count(options, "shrink", "kind"), (EXTENSIBLE, _N, _KIND),
)  # fmt: skip
scale = Verb(
    "scale", "set the number of nodes of a pilot", lambda options: _count(options, "scale"),
    (PILOT, arg("n", nargs="?", type=int, metavar="N", help="how many (default: as many as now, which ends adapt)")),
)  # fmt: skip
renew = Verb(
    "renew", "replace each node of a pilot by a new one before its walltime is over",
    lambda options: handle(options).then("renew"), (PILOT,),
)  # fmt: skip
prolong = Verb(
    "prolong", "have a pilot's lease end later",
    lambda options: handle(options).then("prolong", options.lease),
    (PILOT, arg("lease", metavar="TIME", help="by how much, such as 2h")),
)  # fmt: skip
adapt = Verb(
    "adapt", "let a pilot follow its load between two numbers of nodes",
    lambda options: handle(options).then("adapt", options.minimum, options.maximum),
    (
        PILOT, arg("minimum", type=int, metavar="MIN", help="the fewest nodes to keep"),
        arg("maximum", type=int, metavar="MAX", help="the most nodes to ask for"),
    ),
)  # fmt: skip
recover = Verb(
    "recover", "go on with a pilot whose supervisor was lost", lambda options: handle(options).then("recover"),
    (PILOT,),
)  # fmt: skip
sweep = Verb(
    "sweep", "end jobs of yours that no pilot wants any more", lambda options: Call(
        "ph.sweep", (), {"end": False} if options.list else {}
    ),
    (arg("--list", action="store_true", help="only list them"),),
)  # fmt: skip
script = Verb(
    "script", "the job script of a pilot's node, or of the next one",
    lambda options: handle(options).then("script", *([] if options.node is None else [options.node])),
    (PILOT, arg("node", nargs="?", metavar="NODE", help="the node (default: the next one)")),
)  # fmt: skip
cost = Verb(
    "cost", "hours of nodes, cores and GPUs that a pilot has used, and hours in the queue",
    lambda options: handle(options).then("cost"), (PILOT,),
)  # fmt: skip
timeline = Verb(
    "timeline", "what a pilot's nodes and runs did when", lambda options: handle(options).then("timeline"), (PILOT,)
)
execute = Verb(
    "execute", "run an executable on a node of a pilot; what follows the executable is its own", _execute,
    (
        arg("--cores", type=int, metavar="N", help="cores that it gets, of each rank (default: 1)"),
        arg("--gpus", type=int, metavar="N", help="GPUs that it gets (default: 0)"),
        arg("--ranks", type=int, metavar="N", help="start it as an MPI program with so many ranks"),
        arg("--timeout", metavar="TIME", help="end it after this time, such as 2h"),
        arg("--retries", type=int, metavar="N", help="how often it is tried again when it fails (default: 0)"),
        arg("--through", metavar="WHAT", help="what runs it: pilothouse, radical (default: pilothouse)"),
        arg("--run-name", dest="run_name", metavar="NAME", help="the run's name (default: made up)"),
        EXIST,
        arg("--wait", action="store_true", help="return when it has ended; in a shell, with its exit status"),
        PILOT,
        arg("command", nargs=argparse.PARSER, metavar="COMMAND", help="the executable and its arguments"),
    ),
)  # fmt: skip
cancel = Verb("cancel", "end a pilot with everything on it", lambda options: handle(options).then("cancel"), (PILOT,))
