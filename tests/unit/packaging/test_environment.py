"""environment.yml says for conda what pyproject.toml says for pip."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]

#: Name on PyPI -> name on conda-forge, where they differ by more than case, '-' and '_'.
CONDA_NAMES = {"lmdb": "python-lmdb"}

#: Extras that are not for the user's environment: RADICAL-Pilot has one of its own, tests are the developers', and what
#: is large is for who asks for it.
APART = {"all", "test", "testing", "radical", "java", "parsl", "ray", "spark", "spark-connect"}


def environment() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
    return found


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def wanted() -> dict[str, str]:
    """Normalised name -> versions, of the dependencies and of all extras for the user's environment."""
    table = project()
    extras = {name: words for name, words in table["optional-dependencies"].items() if name not in APART}
    found: dict[str, str] = {}
    for words in [table["dependencies"], *extras.values()]:
        for word in words:
            requirement = Requirement(word)
            if requirement.name == "pilothouse":  # another extra
                continue
            name = canonicalize_name(CONDA_NAMES.get(requirement.name, requirement.name))
            found[name] = str(requirement.specifier)
    return found


def test_conda_and_pip_get_the_same_packages_and_versions() -> None:
    lines = environment()["dependencies"]
    conda = [Requirement(line) for line in lines if isinstance(line, str)]
    pip = [Requirement(line) for line in next(line for line in lines if isinstance(line, dict))["pip"]]
    given = {canonicalize_name(each.name): str(each.specifier) for each in [*conda, *pip]}
    python = given.pop("python")
    assert python == project()["requires-python"]
    assert given.pop("pip") == given.pop("pilothouse") == ""
    assert given == wanted()


def test_the_channel_is_conda_forge_alone() -> None:
    assert environment()["channels"] == ["conda-forge", "nodefaults"]


def test_the_extra_all_holds_every_extra_for_the_users_environment() -> None:
    extras = project()["optional-dependencies"]
    (everything,) = extras["all"]
    assert Requirement(everything).extras == set(extras) - APART
