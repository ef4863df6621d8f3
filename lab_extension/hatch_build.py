"""Build the lab extension and the widgets' JavaScript while hatchling builds a wheel, an sdist or an editable install.

What is built carries a digest of the sources it was built from, so that nothing is built twice and nothing stale is
shipped. An sdist holds the built files: installing from it runs no npm.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What the built files depend on, relative to the root of the project.
SOURCES = (
    "lab_extension/package.json",
    "lab_extension/package-lock.json",
    "lab_extension/tsconfig.json",
    "lab_extension/schema",
    "lab_extension/scripts",
    "lab_extension/src",
    "lab_extension/style",
    "widgets/js",
)
BUILT = "lab_extension/py/pilothouse_lab/labextension"
WIDGETS = "widgets/pilothouse_widgets/static"
STAMP = f"{BUILT}/sources.sha256"


def digest(root: Path) -> str:
    """A digest of the names and contents of all sources below `root`."""
    found = hashlib.sha256()
    for source in SOURCES:
        path = root / source
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            found.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode())
            found.update(file.read_bytes())
    return found.hexdigest()


def is_built(root: Path) -> bool:
    """Whether the built files are there, and were built from the sources as they are."""
    stamp = root / STAMP
    there = (root / BUILT / "package.json").is_file() and (root / WIDGETS / "run.js").is_file()
    return there and stamp.is_file() and stamp.read_text().strip() == digest(root)


def build(root: Path) -> None:
    """Install the npm packages of package-lock.json, unless they are there, and build.

    node, npm and jupyter-builder come with the build requirements; they are looked for beside this Python first.
    """
    folder = root / "lab_extension"
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    environ = {**os.environ, "PATH": path}
    lock = folder / "package-lock.json"
    installed = folder / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, env=environ, check=True)
    before = digest(root)
    subprocess.run(["npm", "run", "build:prod"], cwd=folder, env=environ, check=True)
    (root / STAMP).write_text(before + "\n")


class AssetsHook(BuildHookInterface[Any]):
    """Has the JavaScript built before hatchling collects files."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's hook
        """Build what is missing or stale."""
        root = Path(self.root)
        if is_built(root):
            self.app.display_info("lab extension: built from these sources already")
        else:
            build(root)
