"""The magics of ``%load_ext pilothouse``: ``%pilot``, ``%engines``, ``%runs``, ``%stream``, ``%md`` and others.

A magic is a thin call of one public function, and prints the Python line that does the same; ``%%on`` runs a cell on a
node. Only this folder, of the library, knows IPython; loading it imports nothing that computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pilothouse.verbs import GROUPS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_HOOK = "complete_command"
_KEYS = [*(f"%{name}" for name in GROUPS), "%%on"]


def load(shell: InteractiveShell) -> None:
    """Register the magics and their completion; once more changes nothing."""
    from pilothouse.magics.completion import complete
    from pilothouse.magics.line import make, make_on

    unload(shell)
    register: Callable[..., None] = shell.register_magic_function  # IPython's own types mistake its decorators
    set_hook: Callable[..., None] = shell.set_hook
    for group in GROUPS:
        register(make(shell, group), "line", group)
    register(make_on(shell), "cell", "on")
    for key in _KEYS:
        set_hook(_HOOK, complete, str_key=key)


def unload(shell: InteractiveShell) -> None:
    """Take the magics and their completion away; a shell without them stays as it is."""
    magics = shell.magics_manager.magics
    for name in GROUPS:
        magics["line"].pop(name, None)
    magics["cell"].pop("on", None)
    if hooks := shell.strdispatchers.get(_HOOK):
        for key in _KEYS:
            hooks.strs.pop(key, None)
