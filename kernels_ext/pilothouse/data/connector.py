"""The node store as a ProxyStore connector: the only file that imports proxystore, beside the contract of stores.

With it ProxyStore's ``Store``, ``Proxy``, futures and streams work on the node store, and every library that
takes ProxyStore connectors can. ``Ref.proxy()`` is built on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pilothouse.data import codec
from pilothouse.data.store import NodeStore, place_of, this_host
from pilothouse.errors import NotFound, PilothouseError, Unavailable

try:
    from proxystore.proxy import Proxy
    from proxystore.store import Store, get_or_create_store
    from proxystore.store.config import ConnectorConfig, StoreConfig
except ImportError as error:
    raise PilothouseError("proxies need ProxyStore: pip install 'pilothouse[data]'") from error


class NodeKey(NamedTuple):
    """The name of an object in the node store."""

    place: str
    id: str
    host: str


class NodeStoreConnector:
    """ProxyStore's connector protocol (and its deferrable extension) on the node store of one pilot.

    Parameters
    ----------
    pilot
        The pilot's name.
    place
        Its folder in the store; found from the name when left out.
    """

    def __init__(self, pilot: str, place: str | None = None) -> None:
        self.pilot = pilot
        self.place = place or place_of(pilot)
        self._store = NodeStore(self.place)

    def __repr__(self) -> str:
        return f"NodeStoreConnector({self.pilot!r})"

    def close(self) -> None:
        """Nothing to close: objects stay until they are evicted or the pilot ends. Idempotent."""

    def config(self) -> dict[str, Any]:
        """What :meth:`from_config` needs, in this or another process of the node."""
        return {"pilot": self.pilot, "place": self.place}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> NodeStoreConnector:
        """The connector that :meth:`config` described."""
        return cls(**config)

    def evict(self, key: NodeKey) -> None:
        """Remove the object; no error when there is none."""
        self._here(key).evict(key.id)

    def exists(self, key: NodeKey) -> bool:
        """Whether the object is there."""
        return self._here(key).exists(key.id)

    def get(self, key: NodeKey) -> memoryview | None:
        """The object's bytes, mapped and read-only; None when there is none.

        Raises
        ------
        Unavailable
            The object is on another node.
        """
        try:
            return self._here(key).read(key.id)
        except NotFound:
            return None

    def get_batch(self, keys: Sequence[NodeKey]) -> list[memoryview | None]:
        """:meth:`get` for each of `keys`."""
        return [self.get(key) for key in keys]

    def put(self, obj: bytes | bytearray | memoryview) -> NodeKey:
        """Store bytes under a new key."""
        key = self.new_key()
        self.set(key, obj)
        return key

    def put_batch(self, objs: Sequence[bytes | bytearray | memoryview]) -> list[NodeKey]:
        """:meth:`put` for each of `objs`."""
        return [self.put(obj) for obj in objs]

    def new_key(self, obj: bytes | None = None) -> NodeKey:  # noqa: ARG002 - ProxyStore's protocol: a hint at what is coming
        """A key whose object comes later, by :meth:`set`."""
        import secrets

        return NodeKey(self.place, secrets.token_hex(16), this_host())

    def set(self, key: NodeKey, obj: bytes | bytearray | memoryview) -> None:
        """Store bytes under `key`, whole or not at all."""
        store = self._here(key)
        store.create()
        store.write([memoryview(obj)], key.id)

    def _here(self, key: NodeKey) -> NodeStore:
        if key.host != this_host():
            raise Unavailable(f"the object is on the node {key.host!r} and this is {this_host()!r}", field="key")
        return self._store if key.place == self.place else NodeStore(key.place)


def proxy(pilot: str, key: NodeKey) -> Proxy[Any]:
    """A lazy stand-in for an object of `pilot`, resolved to read-only views wherever on the node it is used."""
    config = StoreConfig(
        name=f"pilothouse-{key.place}",
        connector=ConnectorConfig(
            kind=f"{NodeStoreConnector.__module__}.{NodeStoreConnector.__qualname__}",
            options={"pilot": pilot, "place": key.place},
        ),
        serializer=codec.dumps,
        deserializer=codec.loads,
        cache_size=0,  # a mapped file is its own cache, and a cached one would outlive its eviction
    )
    store: Store[NodeStoreConnector] = get_or_create_store(config, register=True)
    return store.proxy_from_key(key)
