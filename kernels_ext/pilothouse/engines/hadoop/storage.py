"""Where an HDFS keeps its data: on the nodes' scratch, or in a folder that stays.

A folder that stays has a part for the NameNode and one for each DataNode. The members of a service that goes on with
it are others than before, so who has which part is by their order, and the first member tells the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pilothouse.errors import InvalidInput
from pilothouse.state import make_private

#: What is itself in a URI, beside letters, digits and ``_.-~``; a comma would begin another folder.
_PLAIN = "/@:!$&'()*+;="


def names(place_scratch: Path, keep: Path | None) -> Path:
    """The NameNode's folder."""
    return make_private((keep or place_scratch) / "names")


def parts(keep: Path | None) -> list[str]:
    """The DataNodes' parts of a folder that stays, in the order in which they are given out."""
    return sorted((path.name for path in keep.glob("blocks-*")), key=_order) if keep else []


def blocks(place_scratch: Path, keep: Path | None, number: int, service: str, given_out: Sequence[str]) -> Path:
    """The folder of a DataNode, the `number`-th of the service.

    Parameters
    ----------
    given_out
        The :func:`parts` that there were when the service began.
    """
    if keep is None:
        return make_private(place_scratch / "blocks")
    part = given_out[number - 1] if number <= len(given_out) else f"blocks-{number}-{service}"
    return make_private(keep / part)


def uri(folder: Path) -> str:
    """A DataNode's folder as its configuration names it.

    DataNodes take it for a format of threads' names: with ``%40`` for the ``@`` of a node's scratch they end at once.

    Raises
    ------
    InvalidInput
        It can't be written without a per cent sign.
    """
    found = f"file://{quote(str(folder), safe=_PLAIN)}"
    if "%" in found:
        raise InvalidInput(
            f"keep={str(folder)!r}: HDFS can't have blocks below a folder with such characters in its path; take "
            f"one of letters and digits without accents, and of {_PLAIN}_.-~",
            field="keep",
        )
    return found


def given_out(members: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """What the first member has told of the parts that there were."""
    return next((list(member["parts"]) for member in members.values() if "parts" in member), [])


def check_kept(keep: Path, nodes: int) -> None:
    """Refuse a folder with the blocks of more nodes: some of its files would lack theirs.

    Raises
    ------
    InvalidInput
        It has, or can't have any at all.
    """
    uri(keep)
    there = parts(keep)
    if len(there) > nodes:
        raise InvalidInput(f"nodes={nodes}: keep={str(keep)!r} has the blocks of {len(there)} nodes", field="nodes")


def _order(part: str) -> tuple[int, str]:
    number = part.split("-")[1]
    return int(number) if number.isdecimal() else 0, part
