"""Waiting in tests; it ships with the contract suites, for they wait too."""

from __future__ import annotations

from pilothouse.testing.waiting import eventually, eventually_async, slowness

__all__ = ["eventually", "eventually_async", "slowness"]
