"""Stores that are wrong in one way each: the contract has to notice."""

from __future__ import annotations

from typing import Any

from proxystore.connectors.local import LocalConnector


class Lost(LocalConnector):
    """Its objects are in this process alone."""


class Strict(LocalConnector):
    """Evicting what is not there is an error."""

    def evict(self, key: Any) -> None:
        del self._store[key]


class Borrowing(LocalConnector):
    """Keeps the caller's memory in place of a copy."""

    def put(self, obj: Any) -> Any:
        key = super().put(b"")
        self._store[key] = obj
        return key

    def get(self, key: Any) -> Any:
        found = self._store.get(key)
        return None if found is None else memoryview(found)


class Clearing(LocalConnector):
    """Its objects go with whoever closes it."""

    def close(self, clear: bool = True) -> None:
        self._store.clear()
