"""Which wrong implementations a contract suite notices: it is run as a third party runs it, in a pytest of its own."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def unnoticed(pytester: pytest.Pytester, imports: str, suite: str, wrong: Mapping[str, str]) -> set[str]:
    """Names of those of `wrong` over which the suite does not fail.

    Parameters
    ----------
    imports, suite
        Text of a test file: its head, and a class ``Test{wrong}`` that inherits the suite, for each of `wrong`.
    wrong
        Name of something wrong -> a part of the name of the test that has to fail, or some with ``or`` between. Only
        these are run, for a suite over something wrong may wait for long in others.
    """
    classes = (textwrap.dedent(suite).replace("{wrong}", name) for name in wrong)
    pytester.makepyfile("\n".join([textwrap.dedent(imports), *classes]))
    chosen = " or ".join(f"(Test{name} and ({test}))" for name, test in wrong.items())
    found = pytester.runpytest_subprocess(
        "-o", f"pythonpath={ROOT}", "-p", "pilothouse.testing.fixtures", "-p", "no:cacheprovider", "-rf", "-k", chosen
    )
    assert "errors" not in found.parseoutcomes(), "the suite could not be run"
    failed = (re.match(r"FAILED .*?::Test(\w+)::", line) for line in found.outlines)
    return set(wrong) - {match[1] for match in failed if match}
