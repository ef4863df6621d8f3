"""How a request is answered: input is read strictly, work is done in a thread, and errors become 4xx in one place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from jupyter_server.base.handlers import APIHandler, JupyterHandler

from pilothouse.errors import InvalidInput, PilothouseError

#: What authorizers are asked about.
RESOURCE = "pilothouse"

#: The most log lines and nodes that one request may ask for.
MOST = 10_000

#: HTTP status of each code of :mod:`pilothouse.errors`; any other code is 422: understood, but it can't be done.
STATUS = {
    "invalid": 400,
    "not-found": 404,
    "conflict": 409,
    "lost": 409,
    "failed": 409,
    "untrusted": 422,
    "unavailable": 503,
    "timeout": 503,
}

T = TypeVar("T")

_requests = ThreadPoolExecutor(8, thread_name_prefix="pilothouse-request")
_feeds = ThreadPoolExecutor(64, thread_name_prefix="pilothouse-feed")


async def in_thread(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """What `function` returns; it may block without holding up the server."""
    return await asyncio.get_running_loop().run_in_executor(_requests, lambda: function(*arguments, **options))


async def in_feed_thread(function: Callable[..., T], *arguments: Any) -> T:
    """As :func:`in_thread`, for long polls: they can't keep requests waiting."""
    return await asyncio.get_running_loop().run_in_executor(_feeds, function, *arguments)


class JSONErrors(JupyterHandler):
    """Errors are answered as ``{"code", "message", "field"}``."""

    auth_resource = RESOURCE

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with what :meth:`log_exception` and tornado made of the exception."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, PilothouseError):
            status_code = STATUS.get(error.code, 422)
            answer = error.to_dict()
        else:
            text = getattr(error, "log_message", None) or self._reason
            answer = {"code": f"http-{status_code}", "message": str(text), "field": None}
        self.set_status(status_code)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(answer))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A user's mistake is worth a line, not a traceback."""
        if isinstance(value, PilothouseError):
            self.log.info("pilothouse: %s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)

    def integer(self, name: str, default: int, *, least: int = 1, most: int = MOST) -> int:
        """The integer that the query gives as `name`; :class:`InvalidInput` when it is none, or out of bounds."""
        text = self.get_query_argument(name, None)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            raise InvalidInput(f"{name}={text!r} is not an integer", field=name) from None
        return within(value, name, least, most)


class Answer(JSONErrors, APIHandler):
    """What every REST handler is."""

    def body(self, *fields: str) -> dict[str, Any]:
        """The request's JSON object; with `fields`, it may have no others.

        Raises
        ------
        InvalidInput
            It is no JSON, no object, or has a field that is not known here.
        """
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError as error:  # of JSON and of UTF-8
            raise InvalidInput(f"the request's body is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise InvalidInput("the request's body is not a JSON object")
        unknown = [name for name in found if fields and name not in fields]
        if unknown:
            raise InvalidInput(f"{unknown[0]}: there is no such field; there are {', '.join(fields)}", field=unknown[0])
        return found

    def answer(self, found: Any, status: int = 200) -> None:
        """Send `found` as JSON."""
        self.set_status(status)
        self.finish(json.dumps(found))


def within(value: object, name: str, least: int = 1, most: int = MOST) -> int:
    """`value` if it is an integer from `least` to `most`; :class:`InvalidInput` naming the field otherwise."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(f"{name}={value!r} is not an integer", field=name)
    if not least <= value <= most:
        shown = value if abs(value) < 10**12 else "a number of many digits"
        raise InvalidInput(f"{name}={shown}: take {least} to {most}", field=name)
    return value


def worded(value: object, name: str) -> str:
    """`value` if it is a string; :class:`InvalidInput` naming the field otherwise."""
    if not isinstance(value, str):
        raise InvalidInput(f"{name}={value!r} is not a string", field=name)
    return value
