"""Ask for a pilot, or see first what that would be."""

from __future__ import annotations

import argparse
import re
from typing import Any

from pilothouse.errors import InvalidInput
from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import EXIST, Verb, arg, given, pairs

SUBMIT = (
    arg("site", nargs="?", metavar="SITE", help="where (default: local)", names=("sites",)),
    arg("--name", help="the pilot's name (default: made up)"),
    EXIST,
    arg("--nodes", type=int, metavar="N", help="how many nodes to keep running (default: 1)"),
    arg("--cores", type=int, metavar="N", help="cores of a node (default: 1)"),
    arg("--memory", metavar="SIZE", help="memory of a node, such as '4 GiB'"),
    arg("--gpus", type=int, metavar="N", help="GPUs of a node (default: 0)"),
    arg("--walltime", "--time", metavar="TIME", help="of each node's job, such as 2h (default: the site's)"),
    arg("--queue", "--partition", help="queue (partition) of the batch system (default: the site's)"),
    arg("--account", "--project", help="account (project) that pays"),
    arg("--constraint", metavar="FEATURES", help="features that a node must have"),
    arg("--exclusive", action="store_true", default=None, help="share nodes with no other job"),
    arg("--directive", action="append", metavar="LINE", help="one more line for the batch system; may be given again"),
    arg("--module", action="append", metavar="NAME", help="environment module to load; may be given again"),
    arg("--conda", metavar="NAME", help="conda environment of the nodes"),
    arg("--venv", metavar="FOLDER", help="virtual environment of the nodes"),
    arg("--variable", action="append", metavar="NAME=VALUE", help="environment variable; may be given again"),
    arg("--scratch", metavar="FOLDER", help="for temporary files of a node, such as '$TMPDIR'"),
    arg("--idle-timeout", metavar="TIME", help="end after this time without work (default: 30min)"),
    arg("--lease", metavar="TIME", help="end after this time in any case (default: 12h)"),
    arg("--replace", metavar="WHEN", help="replace nodes that end: always, failed, never (default: always)"),
    arg("--placement", metavar="WHERE", help="of the supervisor: login, job (default: the site's)"),
    arg(
        "--kind", action="append", metavar="NAME:FIELD=VALUE,...",
        help="another kind of nodes beside these, such as 'gpu:nodes=2,gpus=1,queue=gpu'; what is left out is as for "
        "the others; may be given again",
    ),
    arg("--wait", action="store_true", help="return when all nodes are there"),
    arg(
        "--dry-run", action="store_true",
        help="submit nothing: print the job script, and when the batch system expects to start it",
    ),
)  # fmt: skip
#: A comma between two fields of a kind: none within brackets, as in directives=['-a','-b'].
_COMMA = re.compile(r",(?![^\[{]*[\]}])")
#: Options of `start` that are fields of a description by the same name.
_FIELDS = (
    "name", "nodes", "cores", "memory", "gpus", "walltime", "queue", "account", "constraint", "exclusive", "scratch",
    "idle_timeout", "lease", "replace", "placement",
)  # fmt: skip


def _submit(options: argparse.Namespace) -> Call:
    found = given(options, *_FIELDS)
    if options.directive:
        found["directives"] = options.directive
    if environment := _environment(options):
        found["environment"] = environment
    if options.kind:
        found["kinds"] = _kinds(options.kind)
    site = () if options.site is None else (options.site,)
    if options.dry_run:
        return Call("ph.preview", site, found)
    call = Call("ph.submit", site, {**found, **given(options, "exist")})
    return call.then("wait") if options.wait else call


def _kinds(words: list[str]) -> dict[str, dict[str, Any]]:
    """``["gpu:nodes=2,gpus=1"]`` as ``{"gpu": {"nodes": 2, "gpus": 1}}``."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        name, _, fields = word.partition(":")
        if not name or name in found:
            wrong = "is there twice" if name else "has no name"
            raise InvalidInput(f"kind={word!r}: it {wrong}; write NAME:FIELD=VALUE,FIELD=VALUE", field="kinds")
        try:
            found[name] = pairs([field for field in _COMMA.split(fields) if field])
        except InvalidInput as error:
            raise InvalidInput(f"kind={word!r}: {error}; write NAME:FIELD=VALUE,FIELD=VALUE", field="kinds") from None
    return found


def _environment(options: argparse.Namespace) -> dict[str, Any]:
    found = given(options, "conda", "venv")
    if options.module:
        found["modules"] = options.module
    for word in options.variable or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f"variable={word!r} is not NAME=VALUE", field="environment.variables")
        found.setdefault("variables", {})[name] = value
    return found


start = Verb("start", "start a pilot: ask a site for nodes", _submit, SUBMIT)
