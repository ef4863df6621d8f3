"""On the node: put a task's inputs into its working folder, by link, by copy, or out of the node store."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.errors import Failed, PilothouseError


def stage(inputs: Mapping[str, Mapping[str, str]], folder: Path, how: str) -> None:
    """Put `inputs` into `folder`.

    Parameters
    ----------
    inputs
        Name in the folder -> ``{"path": ...}``, or ``{"ref": JSON, "type": "module:class"}``.
    how
        ``"link"`` or ``"copy"``, for paths.

    Raises
    ------
    Failed
        An input is not there, or can't be a file.
    """
    for name, source in inputs.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if "path" in source and Path(source["path"]) == target:
                continue  # the working folder is the user's, and it is there
            if target.is_symlink():
                target.unlink()  # of an attempt before; what it leads to is never written
            if "ref" in source:
                _write(name, _object(source), target)
            else:
                _path(name, Path(source["path"]), target, how)
        except OSError as error:
            raise Failed(f"input {name!r} can't be put into {folder}: {error.strerror or error}") from None


def _path(name: str, source: Path, target: Path, how: str) -> None:
    if not source.exists():
        raise Failed(f"input {name!r}: there is no {source}")
    if target.exists() and target.samefile(source):
        return
    if how == "link":
        if target.exists():
            raise Failed(f"input {name!r}: {target} is there already and is another file; give the input another name")
        os.symlink(source, target)
    elif source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def _object(source: Mapping[str, str]) -> Any:
    """What a reference stands for: its class is found by name, for the room of data is built upon this one."""
    module, _, name = source["type"].partition(":")
    try:
        return getattr(importlib.import_module(module), name).from_json(source["ref"]).get()
    except PilothouseError as error:
        raise Failed(f"an input can't be had: {error}") from None


def _write(name: str, value: Any, target: Path) -> None:
    if isinstance(value, str):
        target.write_text(value, encoding="utf-8")
    elif isinstance(value, (bytes, bytearray, memoryview)):
        target.write_bytes(value)
    elif hasattr(value, "__array__"):
        import numpy as np

        with target.open("wb") as file:
            np.save(file, np.asarray(value), allow_pickle=False)
    else:
        kind = type(value).__name__
        raise Failed(f"input {name!r}: a reference to bytes, text or an array can be a file, one to a {kind} can't")
