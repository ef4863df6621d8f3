"""All engines, one after the other: each in a module of its own, which can be run alone as well."""

from __future__ import annotations

import importlib
import pkgutil

import benchmarks
from benchmarks.rows import Row


def rows() -> list[Row]:
    """Measure."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return [
        row
        for name in names
        if name.startswith("engine_")
        for row in importlib.import_module(f"benchmarks.{name}").rows()
    ]
