"""A reference: a small typed record of an object that stays in the memory of the node where it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pilothouse.data import codec
from pilothouse.data.store import NodeStore, check_room, place_of, sweep, this_host
from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.registry.records import PILOTS
from pilothouse.runs.channel import PILOT_VARIABLE
from pilothouse.state import first_error

if TYPE_CHECKING:
    from proxystore.proxy import Proxy

    from pilothouse.pilots import Pilot
    from pilothouse.pilots.attached import AttachedPilot


class Ref(BaseModel):
    """A reference to an object in the node store of a pilot.

    It is a few hundred bytes, travels as JSON or pickle to any process of the user on the same node, and is
    good until it is evicted or its pilot ends. In this version an object stays on the node where it was put;
    using the reference on another node raises :class:`~pilothouse.errors.Unavailable`.

    Attributes
    ----------
    id
        Name of the object, 32 hexadecimal digits.
    kind
        The type of the object, ``module.name``.
    size
        Bytes in the store.
    dtype, shape
        Of an array; None for other objects.
    pilot, place, host
        The pilot that it belongs to, the pilot's folder in the store, and the node.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kind: str
    size: Annotated[int, Field(ge=0)]
    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    pilot: str
    place: str
    host: str

    @classmethod
    def from_json(cls, text: str | bytes) -> Ref:
        """The reference that ``ref.model_dump_json()`` wrote.

        Raises
        ------
        InvalidInput
            `text` is not one; names the field.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            field, message = first_error(error, "ref")
            raise InvalidInput(f"this is not a reference: {field}: {message}", field=field) from None

    def get(self) -> Any:
        """A copy of the object, yours to change.

        Raises
        ------
        NotFound
            It was evicted, or its pilot has ended.
        Unavailable
            It is on another node.
        """
        return codec.loads(self._read(), copy=True)

    def view(self) -> Any:
        """The object, its arrays read-only and mapped from the store: nothing is copied, only touched pages are read.

        The view stays good when the object is evicted; its memory is given back when the view is gone.
        Raises what :meth:`get` raises.
        """
        return codec.loads(self._read())

    def proxy(self) -> Proxy[Any]:
        """A stand-in that behaves like the object and fetches it (as :meth:`view`) when it is first used.

        For code that must not know about references. Needs the extra ``data`` (ProxyStore). Raises what
        :meth:`get` raises, now rather than at first use.
        """
        from pilothouse.data import connector  # ProxyStore need not be there, and takes long to come

        self._read()
        return connector.proxy(self.pilot, connector.NodeKey(self.place, self.id, self.host))

    def evict(self) -> None:
        """Remove the object from the store; no error when it is gone already."""
        self._store().evict(self.id)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return (self.place, self.id)

    def _store(self) -> NodeStore:
        if self.host != this_host():
            raise Unavailable(
                f"the object is on the node {self.host!r} and this is {this_host()!r}: use the reference in a process "
                "on that node; this version moves nothing between nodes",
                field="ref",
            )
        return NodeStore(self.place)

    def _read(self) -> memoryview:
        return self._store().read(self.id)


def put(obj: Any, pilot: Pilot | AttachedPilot | str | None = None) -> Ref:
    """Put `obj` into the memory of this node, in one copy, and return a reference to it.

    Large buffers (numpy arrays, also inside of dictionaries or `xarray` objects) are written from where they
    are, by pickle protocol 5. The object belongs to `pilot` and goes with it. In this version it stays on the
    node of the caller: the pilot's nodes must be on the same host to use it.

    Parameters
    ----------
    obj
        An array, or any object that pickles. What `xarray` opened lazily is loaded first; another object that does
        not hold its data (of zarr, h5py or Dask, a trajectory) is refused, and the error says how to load it.
    pilot
        The pilot or its name. Left out: in a task the pilot whose node it is on, elsewhere the user's local pilot.

    Raises
    ------
    InvalidInput
        `obj` can't be stored.
    NotFound, Conflict
        There is no such pilot; it has ended.
    Unavailable
        There is not enough room, or none of the pilot's nodes is on this host.

    Examples
    --------
    >>> ref = ph.data.put(positions, pilot=pilot)  # doctest: +SKIP
    >>> client.submit(lambda ref: ref.view().mean(), ref).result()  # doctest: +SKIP
    """
    name = pilot if isinstance(pilot, str) else _pilot_here() if pilot is None else _pilot_of(pilot)
    place = place_of(name)
    _check_host(name)
    pieces = codec.encode(obj, check_room)
    sweep()
    store = NodeStore(place)
    store.create()
    shape = getattr(obj, "shape", None)
    dtype = getattr(obj, "dtype", None)
    return Ref(
        id=store.write(pieces),
        kind=f"{type(obj).__module__}.{type(obj).__qualname__}",
        size=sum(piece.nbytes for piece in pieces),
        dtype=None if dtype is None else str(dtype),
        shape=tuple(map(int, shape)) if isinstance(shape, tuple) else None,
        pilot=name,
        place=place,
        host=this_host(),
    )


def _pilot_here() -> str:
    if name := os.environ.get(PILOT_VARIABLE):
        return name
    from pilothouse.pilots import pilot_for  # saves start-up time: it is for starting one

    return pilot_for(None).name


def _pilot_of(handle: Pilot | AttachedPilot) -> str:
    from pilothouse.pilots import pilot_for  # as above

    return pilot_for(handle).name


def _check_host(pilot: str) -> None:
    hosts = {node.host for node in PILOTS.read(pilot).nodes if node.host}
    if hosts and this_host() not in hosts:
        raise Unavailable(
            f"the nodes of the pilot {pilot!r} are on {', '.join(sorted(hosts))} and this is {this_host()!r}: "
            "this version moves nothing between nodes, so put the object from a task of the pilot",
            field="pilot",
        )
