"""A folder whose name is a function's too: ``ph.pilots()`` lists pilots, ``pilothouse.pilots`` is the room for them.

Python binds a package to its name in the package around it when it is imported for the first time. So the room is
imported here, and what users find under its name is bound after that.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Room(Generic[P, T]):
    """What users find under the name of a room that can be called.

    Parameters
    ----------
    module
        The room: its names are attributes.
    function
        What a call does.
    """

    _room: ModuleType
    __wrapped__: Callable[P, T]

    def __init__(self, module: str, function: Callable[P, T]) -> None:
        vars(self)["_room"] = importlib.import_module(module)
        # Signature and source, for who asks inspect.
        vars(self).update(__wrapped__=function, __name__=module, __doc__=function.__doc__)

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> T:
        """Do what the function of this room does."""
        return self.__wrapped__(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._room, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._room, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._room, name)

    def __dir__(self) -> list[str]:
        return dir(self._room)

    def __repr__(self) -> str:
        return f"<{self.__name__}, which can be called>"
