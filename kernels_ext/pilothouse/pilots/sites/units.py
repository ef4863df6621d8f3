"""Times and sizes as people write them, and as the users of each batch system do."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import ByteSize

#: Longest lease and idle time-out: 366 days.
LONGEST_S = 366 * 86_400
_DURATION = re.compile(
    r"(?=\d)(?:(?P<d>\d+(?:\.\d+)?)\s*d(?:ays?)?)?\s*"
    r"(?:(?P<h>\d+(?:\.\d+)?)\s*h(?:(?:ou)?rs?)?)?\s*"
    r"(?:(?P<m>\d+(?:\.\d+)?)\s*m(?:in(?:ute)?s?)?)?\s*"
    r"(?:(?P<s>\d+(?:\.\d+)?)\s*s(?:ec(?:ond)?s?)?)?",
    re.IGNORECASE,
)
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_CLOCK = re.compile(r"(?:(\d{1,4})-)?(\d{1,9})(?::([0-5]?\d))?(?::([0-5]?\d))?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: Batch system -> seconds that the first of two numbers with a colon counts: MM:SS in Slurm and PBS, HH:MM in LSF.
#: The others' manuals have no such form.
_FIRST_OF_TWO = {"slurm": 60, "pbs": 60, "pbs_classic": 60, "lsf": 3600}
#: Batch systems to which a kilobyte is 1024 bytes, however it is written.
_BINARY = ("slurm", "pbs", "pbs_classic", "lsf", "gridengine", "htcondor")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtpe])b?", re.IGNORECASE)


def seconds(value: object, system: str = "", *, bare: bool = True) -> object:
    """A duration as seconds: ``"2h30m"``, ``"90 min"``, ``"1-12:00:00"``, a timedelta, or as `system` writes it.

    Parameters
    ----------
    system
        The batch system whose users' ``"5:00"`` it is; where none is known, that is refused.
    bare
        Whether a number without a unit is taken, as seconds.

    Returns
    -------
    object
        Seconds; what is no duration at all as it is.

    Raises
    ------
    ValueError
        It can't be read, or in more than one way; the message has the choices.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return _read(text, system)
        value = float(text)
    if not bare and isinstance(value, (int, float)) and 0 < value <= LONGEST_S:
        raise ValueError(f"is it minutes or seconds? write '{value:.12g}min', '{value:.12g}s' or '1h30m'")
    return value


def _read(text: str, system: str) -> float:
    if clock := _CLOCK.fullmatch(text):
        days, *parts = clock.groups()
        first, second, third = (int(part or 0) for part in parts)
        if days is None and parts[2] is None:
            if system not in _FIRST_OF_TWO:
                raise ValueError(f"is it hours or minutes? write {_either(first, second)}")
            unit = _FIRST_OF_TWO[system]
            return float(first * unit + second * unit // 60)
        return float(int(days or 0) * 86_400 + first * 3600 + second * 60 + third)
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError("a duration is a number with a unit ('90s', '30min', '2h30m', '1d') or HH:MM:SS")
    return sum(float(number or 0) * _SECONDS[unit] for unit, number in found.groupdict().items())


def _either(first: int, second: int) -> str:
    if not second:
        return f"'{first}h' or '{first}min'"
    return f"'{first}h{second}m' or '{first}m{second}s'"


def size(value: object, system: str = "", *, bare: bool = True) -> object:
    """A size as bytes, where `system` has its own idea of ``"4G"``; else as it is, for :class:`pydantic.ByteSize`.

    Parameters
    ----------
    system
        The batch system whose users' ``"4G"`` it is: to them all it is 4 GiB.
    bare
        Whether a number without a unit is taken, as bytes.

    Raises
    ------
    ValueError
        It has no unit; the message has the choices.
    """
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            value = float(text) if "." in text else int(text)
        elif system in _BINARY and (found := _SIZE.fullmatch(text)):
            decimal = system == "gridengine" and text[-1] in "kmg"  # 4g are 4000m there, and 4G are 4096M
            return int(float(found[1]) * (1000 if decimal else 1024) ** ("kmgtpe".index(found[2].lower()) + 1))
    if not bare and isinstance(value, (int, float)) and not isinstance(value, ByteSize) and value > 0:
        number = f"{value:.15g}"
        raise ValueError(
            f"in which unit? write '{number} B'" if value >= 2**20
            else f"is it GiB or MiB? write '{number} GiB' or '{number} MiB'"
        )  # fmt: skip
    return value


def written(length: float) -> str:
    """Seconds as :func:`seconds` reads them: ``"12h"``, ``"90min"``, ``"45s"``."""
    for unit, name in ((3600, "h"), (60, "min")):
        if length % unit == 0:
            return f"{length / unit:.12g}{name}"
    return f"{length:.12g}s"
