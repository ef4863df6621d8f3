"""Every error that Pilothouse raises on purpose: few, typed, picklable, each with a stable code."""

from __future__ import annotations

from typing import Any, ClassVar


class PilothouseError(Exception):
    """Something that the user can understand and act on.

    Parameters
    ----------
    message
        What is wrong and what would be right, in one or two sentences.
    field
        The parameter that is to blame, as the user wrote it, where there is one.

    Attributes
    ----------
    code
        A stable word for programs: it survives the control socket and REST.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), self.field)

    def to_dict(self) -> dict[str, str | None]:
        """The error as JSON: ``code``, ``message``, ``field``."""
        return {"code": self.code, "message": str(self), "field": self.field}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> PilothouseError:
        """The error that :meth:`to_dict` described, of its own class where this version knows it."""
        cls = _by_code().get(str(data.get("code")), PilothouseError)
        return cls(str(data.get("message", "unknown error")), field=data.get("field"))


class InvalidInput(PilothouseError):
    """A value that cannot be used: the message names the field, the value and what would be right."""

    code = "invalid"


class NotFound(PilothouseError):
    """Nothing of that name exists for this user."""

    code = "not-found"


class Conflict(PilothouseError):
    """The name is in use, or the thing is in a state that does not allow this."""

    code = "conflict"


class Unavailable(PilothouseError):
    """Something outside could not be reached: a batch system, a relay, a supervisor."""

    code = "unavailable"


class Refused(PilothouseError):
    """A batch system or a relay said no: the message has its own words."""

    code = "refused"


class Lost(PilothouseError):
    """The process that owned this pilot or run ended without saying goodbye."""

    code = "lost"


class Failed(PilothouseError):
    """A run or a pilot ended with an error; the message holds the reason and the last log lines."""

    code = "failed"


class WaitTimeout(PilothouseError, TimeoutError):
    """The wait ended before the thing did; the message says what goes on running and how to stop it."""

    code = "timeout"


class Untrusted(PilothouseError):
    """Something from another party did not prove what it claims: a signature, a hash, a key."""

    code = "untrusted"


def _by_code() -> dict[str, type[PilothouseError]]:
    found: dict[str, type[PilothouseError]] = {}
    pending: list[type[PilothouseError]] = [PilothouseError]
    while pending:
        cls = pending.pop()
        found.setdefault(cls.code, cls)
        pending.extend(cls.__subclasses__())
    return found


def _rebuild(cls: type[PilothouseError], message: str, field: str | None) -> PilothouseError:
    return cls(message, field=field)
