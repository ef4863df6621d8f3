"""Analyses of molecular-dynamics trajectories."""

from __future__ import annotations

import argparse

from pilothouse.verbs.call import Call, Expression
from pilothouse.verbs.verb import ON, PARAMETERS, Verb, arg, on, pairs


def _rmsd(options: argparse.Namespace) -> Call:
    return Call(
        "ph.md.analyse", (Expression("RMSD"), Expression(options.expression)),
        {**pairs(options.parameters), **on(options)}, imports=("from MDAnalysis.analysis.rms import RMSD",),
    )  # fmt: skip


def _psa(options: argparse.Namespace) -> Call:
    given = [word for word in options.expressions if not _is_pair(word)]
    parameters = pairs([word for word in options.expressions if _is_pair(word)])
    trajectories = Expression(given[0]) if len(given) == 1 else [Expression(text) for text in given]
    return Call("ph.md.psa", (trajectories,), {**parameters, **on(options)})


def _is_pair(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


rmsd = Verb(
    "rmsd", "RMSD over time of an AtomGroup, in Å", _rmsd,
    (arg("expression", metavar="ATOMS", help="Python: the AtomGroup or Universe"), ON, PARAMETERS),
)  # fmt: skip
psa = Verb(
    "psa", "distances between trajectories (path similarity analysis), in Å", _psa,
    (
        arg("expressions", nargs="+", metavar="TRAJECTORY",
            help="Python: Universes, AtomGroups or arrays (frames, atoms, 3), or one list of them; then NAME=VALUE"),
        ON,
    ),
)  # fmt: skip
