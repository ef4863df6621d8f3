"""What the front end's package files promise: one version of Bokeh on both sides, a portable lock, no stale build."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import bokeh
import pytest

ROOT = Path(__file__).parents[3]
LAB = ROOT / "lab_extension"


@pytest.fixture(scope="module")
def hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", LAB / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sources(tmp_path: Path, hatch_build: ModuleType) -> Path:
    """A copy of the front end's sources."""
    for source in hatch_build.SOURCES:
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target)
        else:
            shutil.copy(ROOT / source, target)
    return tmp_path


def test_bokehjs_is_of_pythons_minor_version() -> None:
    package = json.loads((LAB / "package.json").read_text())
    lock = json.loads((LAB / "package-lock.json").read_text())
    locked = lock["packages"]["node_modules/@bokeh/bokehjs"]["version"]
    assert package["devDependencies"]["@bokeh/bokehjs"] == locked
    assert locked.split(".")[:2] == bokeh.__version__.split(".")[:2]


def test_the_lock_names_no_download_addresses() -> None:
    lock = json.loads((LAB / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_lock_and_package_agree_on_the_version() -> None:
    version = json.loads((LAB / "package.json").read_text())["version"]
    assert json.loads((LAB / "package-lock.json").read_text())["packages"][""]["version"] == version


def test_built_files_are_stale_once_a_source_changes(sources: Path, hatch_build: ModuleType) -> None:
    assert not hatch_build.is_built(sources)
    for path in (f"{hatch_build.BUILT}/package.json", f"{hatch_build.WIDGETS}/run.js"):
        (sources / path).parent.mkdir(parents=True, exist_ok=True)
        (sources / path).write_text("{}")
    (sources / hatch_build.STAMP).write_text(hatch_build.digest(sources))
    assert hatch_build.is_built(sources)

    (sources / "lab_extension/src/commands.ts").touch()
    assert hatch_build.is_built(sources), "a newer time stamp alone is no change"
    with (sources / "lab_extension/src/commands.ts").open("a") as file:
        file.write("// changed\n")
    assert not hatch_build.is_built(sources)


def test_built_files_are_stale_once_a_source_is_renamed(sources: Path, hatch_build: ModuleType) -> None:
    before = hatch_build.digest(sources)
    (sources / "widgets/js/run.css").rename(sources / "widgets/js/walk.css")
    assert hatch_build.digest(sources) != before
