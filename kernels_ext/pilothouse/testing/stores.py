"""What a store of objects does, as ProxyStore's ``Connector``; `StoreContract` is inherited by a test class for each.

What the node store promises (docs/data.md), so that a store of somebody else can take its place. Needs ProxyStore.
"""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from proxystore.connectors.protocols import Connector, DeferrableConnector
from proxystore.proxy import Proxy, is_resolved
from proxystore.store import Store

from pilothouse.data import codec
from pilothouse.testing.elsewhere import ask


class StoreContract:
    """The contract; a subclass has a fixture `connector`, of a class that can be imported in any process."""

    @pytest.fixture
    def connector(self) -> Any:
        """The connector of an empty store."""
        raise NotImplementedError

    def test_it_has_the_methods_of_a_connector(self, connector: Any) -> None:
        assert isinstance(connector, Connector)

    @pytest.mark.parametrize("data", [b"", b"value", bytearray(b"value"), memoryview(b"value"), bytes(10**6)])
    def test_bytes_come_back(self, connector: Any, data: Any) -> None:
        key = connector.put(data)
        assert connector.exists(key)
        assert read(connector, key) == bytes(data)
        assert read(connector, key) == bytes(data)

    def test_what_was_put_does_not_change_with_what_it_was_put_from(self, connector: Any) -> None:
        data = bytearray(b"value")
        key = connector.put(data)
        data[:] = b"other"
        assert read(connector, key) == b"value"

    def test_what_it_gives_is_a_read_only_view_that_outlives_the_object(self, connector: Any) -> None:
        key = connector.put(b"value" * 1000)
        view = memoryview(connector.get(key))
        assert view.readonly
        connector.evict(key)
        assert bytes(view) == b"value" * 1000

    def test_evicting_can_be_repeated_and_a_missing_object_is_no_error(self, connector: Any) -> None:
        key, kept = connector.put(b"value"), connector.put(b"kept")
        connector.evict(key)
        connector.evict(key)
        assert not connector.exists(key)
        assert connector.get(key) is None
        assert connector.get_batch([key]) == [None]
        assert read(connector, kept) == b"kept"

    def test_equal_objects_have_keys_of_their_own(self, connector: Any) -> None:
        one, other = connector.put(b"value"), connector.put(b"value")
        assert one != other
        connector.evict(one)
        assert read(connector, other) == b"value"

    def test_batches_keep_their_order(self, connector: Any) -> None:
        keys = connector.put_batch([b"a", b"b", b"c"])
        assert len(set(keys)) == 3
        assert [bytes(found) for found in connector.get_batch(list(reversed(keys)))] == [b"c", b"b", b"a"]
        assert connector.get_batch([]) == []
        assert connector.put_batch([]) == []

    def test_threads_do_not_disturb_each_other(self, connector: Any) -> None:
        values = [str(number).encode() * 1000 for number in range(64)]
        with ThreadPoolExecutor(8) as pool:
            keys = list(pool.map(connector.put, values))
            assert list(pool.map(lambda key: read(connector, key), keys)) == values

    def test_keys_travel_by_pickle(self, connector: Any) -> None:
        key = connector.put(b"value")
        again = pickle.loads(pickle.dumps(key))  # noqa: S301 - written a line before
        assert again == key
        assert hash(again) == hash(key)
        assert read(connector, again) == b"value"

    def test_closing_can_be_repeated_and_keeps_the_objects(self, connector: Any) -> None:
        key = connector.put(b"value")
        config = pickle.loads(pickle.dumps(connector.config()))  # noqa: S301 - written here
        connector.close()
        connector.close()
        again = type(connector).from_config(config)
        assert again.config() == config
        assert read(again, key) == b"value"
        again.evict(key)
        again.close()

    def test_another_process_finds_the_object_by_configuration_and_key(self, connector: Any, tmp_path: Path) -> None:
        key = connector.put(b"value" * 1000)
        order = tmp_path / "order"
        order.write_bytes(pickle.dumps((type(connector), connector.config(), key)))
        code = "import sys; from pilothouse.testing import stores; stores._copy(*sys.argv[1:])"
        ask(code, str(order), str(tmp_path / "found"))
        assert (tmp_path / "found").read_bytes() == b"value" * 1000
        assert not connector.exists(key), "the other process evicted it"

    def test_stores_and_proxies_of_proxystore_work_on_it(self, connector: Any) -> None:
        with Store("contract", connector, register=True, cache_size=0) as made:
            assert made.get(made.put([1, "two"])) == [1, "two"]
            proxy: Any = pickle.loads(pickle.dumps(made.proxy({"a": 1})))  # noqa: S301 - as it comes to somebody else
            assert isinstance(proxy, Proxy)
            assert not is_resolved(proxy)
            assert proxy["a"] == 1

    def test_with_our_codec_arrays_are_read_only_views(self, connector: Any) -> None:
        with Store("codec", connector, serializer=codec.dumps, deserializer=codec.loads, cache_size=0) as made:
            key = made.put(np.arange(100.0))
            found: Any = made.get(key)
            made.evict(key)
        assert found.sum() == 4950
        assert not found.flags.writeable


class DeferrableStoreContract(StoreContract):
    """The same, and keys that come before their objects: ProxyStore's ``DeferrableConnector``, for futures."""

    def test_it_has_the_methods_of_a_deferrable_connector(self, connector: Any) -> None:
        assert isinstance(connector, DeferrableConnector)

    def test_a_key_may_come_before_its_object(self, connector: Any) -> None:
        key, other = connector.new_key(), connector.new_key()
        assert key != other
        assert connector.get(key) is None
        assert not connector.exists(key)
        connector.evict(key)
        connector.set(key, b"later")
        assert connector.exists(key)
        assert read(connector, key) == b"later"
        assert connector.get(other) is None

    def test_futures_of_proxystore_work_on_it(self, connector: Any) -> None:
        with Store("futures", connector, register=True, cache_size=0) as made:
            future: Any = made.future(polling_interval=0.005)
            assert not future.done()
            future.set_result("done")
            assert future.done()
            assert future.result() == "done"


def read(connector: Any, key: Any) -> bytes:
    """A copy of the object's bytes, which must be there."""
    found = connector.get(key)
    assert found is not None, f"there is no object {key}"
    return bytes(found)


def _copy(order: str, found: str) -> None:
    """What another process does: finds the object, writes it down, evicts it."""
    with open(order, "rb") as file:
        cls, config, key = pickle.load(file)  # noqa: S301 - written by the test
    connector = cls.from_config(config)
    Path(found).write_bytes(read(connector, key))
    connector.evict(key)
    connector.close()
    sys.stdout.write("done")
