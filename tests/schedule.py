"""Which tests go to the same of pytest-xdist's workers, and which go first: what takes long begins early.

The tests of a file stay together, for they share what the file has set up. Where they share nothing and take long,
each of them goes by itself. A mark ``xdist_group`` has the last word. A mark of :data:`TIERS` leaves a test out where
-m does not ask for it; but for the night's, to name its file or folder is to ask. ``engines`` may name the packages
that a test needs: where they are installed, it is not left out.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.places import root
from tests.seconds import kept

#: Marks of tests that have a `make test-...` of their own.
TIERS = ("batch", "engines", "nightly", "ui")
#: A file that takes longer is divided where it can be.
LONG_S = 20.0
_OF_A_FILE = ("class", "module", "package")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what nobody asked for; on a worker, give each test its group, the longest first."""
    asked = set(re.findall(r"\w+", config.getoption("markexpr")))
    named = {Path(argument.split("::")[0]).absolute() for argument in config.args}
    if left := {item for item in items if is_left_out(item, asked, named)}:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]
    if not hasattr(config, "workerinput"):
        return  # one after the other, in the order of the tree
    seconds, tests = kept(), Counter(_file(item) for item in items)
    expected: Counter[str] = Counter()
    group_of: dict[str, str] = {}
    for item in items:
        file = _file(item)
        if mark := item.get_closest_marker("xdist_group"):
            group = str(mark.args[0])
        else:
            group = item.nodeid if seconds.get(file, 0.0) > LONG_S and not _shares(item) else file
        group_of[item.nodeid] = group
        expected[group] += seconds.get(file, 1.0) / tests[file]
    items.sort(key=lambda item: (-expected[group_of[item.nodeid]], group_of[item.nodeid]))
    _groups(config.workerinput["workerid"]).write_text(json.dumps(group_of), encoding="utf-8")


def is_left_out(item: pytest.Item, asked: set[str], named: set[Path]) -> bool:
    """Whether nobody asked for it, by -m or by naming its file or folder."""
    marks = {tier for tier in TIERS if item.get_closest_marker(tier)}
    if "nightly" in marks:
        return "nightly" not in asked
    if "engines" in marks and _are_installed(item.get_closest_marker("engines")):
        marks.remove("engines")
    return bool(marks) and not marks & asked and not {item.path, item.path.parent} & named


def _are_installed(mark: pytest.Mark | None) -> bool:
    """Whether a mark names packages, and all of them are there."""
    packages = getattr(mark, "args", ())
    return bool(packages) and all(importlib.util.find_spec(package) for package in packages)


class Scheduling(LoadScopeScheduling):
    """Groups as the workers have said them, in the order in which they collected them.

    pytest-xdist's own ``--dist loadgroup`` puts them into ``item._nodeid``, which pytest 9.2 no longer has.
    """

    def _split_scope(self, nodeid: str) -> str:
        if not hasattr(self, "_group_of"):
            worker = next(iter(self.registered_collections)).gateway.id
            self._group_of: dict[str, str] = json.loads(_groups(worker).read_text(encoding="utf-8"))
        return self._group_of[nodeid]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """For ``-n`` without another ``--dist``."""
    if config.getvalue("dist") != "load":
        return None
    config.option.loadscopereorder = False  # by the number of tests; ours is by time
    return Scheduling(config, log)


def _groups(worker: str) -> Path:
    return root() / f"groups-{worker}.json"


def _file(item: pytest.Item) -> str:
    """The one that has it in the tree: tests of a contract are written elsewhere."""
    return item.nodeid.partition("::")[0]


def _shares(item: pytest.Item) -> bool:
    """Whether it uses a fixture that is made once for its file."""
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 - pytest has no public way to ask
    return any(found[-1].scope in _OF_A_FILE for found in fixtures.values() if found)
