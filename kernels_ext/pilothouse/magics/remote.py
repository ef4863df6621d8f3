"""``%%on``: a cell's source on a node of a pilot. Both ends are the user's own."""

from __future__ import annotations

import ast
import contextlib
import io
import sys
import traceback
from typing import Any

from pilothouse.errors import Failed, InvalidInput


def execute(source: str) -> tuple[str, Any, str]:
    """Run `source` in a namespace of its own: what it printed, the value of its last expression, and its traceback.

    Runs in a Dask worker. A value that does not pickle comes back as its text.
    """
    import pickle

    printed = io.StringIO()
    value: Any = None
    try:
        body = ast.parse(source, "<cell>")
        last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
        namespace: dict[str, Any] = {"__name__": "__main__"}
        with contextlib.redirect_stdout(printed):
            exec(compile(body, "<cell>", "exec"), namespace)  # noqa: S102 - the user's own cell
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)  # noqa: S307
    except Exception:
        return printed.getvalue(), None, traceback.format_exc(limit=-20)
    try:
        pickle.dumps(value)
    except Exception:
        value = repr(value)
    return printed.getvalue(), value, ""


def run_on(name: str, source: str) -> Any:
    """Run `source` on the pilot called `name`; prints its output and returns its value.

    An interrupt cancels it as far as Dask can: what has begun on the node runs to its end.

    Raises
    ------
    Failed
        The cell raised; the message is its traceback.
    """
    import pilothouse as ph

    print(f"ph.attach({name!r}).client().submit(pilothouse.magics.remote.execute, cell).result()")  # noqa: T201
    pilot = ph.attach(name)
    if isinstance(pilot, ph.Run):
        raise InvalidInput(f"name={name!r} is a run; %%on takes a pilot", field="name")
    with pilot.client() as client:
        future = client.submit(execute, source, pure=False)
        try:
            printed, value, error = future.result()
        except KeyboardInterrupt:
            future.cancel()
            goes_on = f"What has begun on {name!r} runs to its end; ph.attach({name!r}).cancel() ends it."
            sys.stderr.write(f"Interrupted. {goes_on}\n")
            raise
    sys.stdout.write(printed)
    if error:
        raise Failed(f"the cell failed on {name!r}:\n{error}")
    return value
