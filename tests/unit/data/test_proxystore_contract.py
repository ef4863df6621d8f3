"""The node store against ProxyStore's own contract: its protocols, its Store and its Proxy."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("proxystore")

from proxystore.connectors.protocols import Connector, DeferrableConnector
from proxystore.proxy import Proxy, is_resolved
from proxystore.store import Store, unregister_store

from pilothouse.data import codec, put, report, store
from pilothouse.data.connector import NodeKey, NodeStoreConnector
from pilothouse.errors import Conflict, NotFound, Unavailable
from pilothouse.registry.records import State

Make = Callable[..., str]


@pytest.fixture
def connector(pilot_record: Make) -> NodeStoreConnector:
    return NodeStoreConnector(pilot_record())


@pytest.fixture
def proxy_store(connector: NodeStoreConnector) -> Iterator[Store[Any]]:
    with Store("contract", connector, register=True) as made:
        yield made


def test_it_has_both_protocols(connector: NodeStoreConnector) -> None:
    assert isinstance(connector, Connector)
    assert isinstance(connector, DeferrableConnector)


@pytest.mark.parametrize("data", [b"", b"value", bytearray(b"value"), memoryview(b"value"), bytes(10**6)])
def test_bytes_come_back(connector: NodeStoreConnector, data: Any) -> None:
    key = connector.put(data)
    found = connector.get(key)
    assert found is not None
    assert bytes(found) == bytes(data)
    assert connector.exists(key)


def test_evicting_is_idempotent_and_a_missing_key_is_no_error(connector: NodeStoreConnector) -> None:
    key = connector.put(b"value")
    connector.evict(key)
    connector.evict(key)
    assert not connector.exists(key)
    assert connector.get(key) is None
    assert connector.get_batch([key]) == [None]


def test_batches_keep_their_order(connector: NodeStoreConnector) -> None:
    keys = connector.put_batch([b"a", b"b", b"c"])
    assert len(set(keys)) == 3
    assert [bytes(found or b"?") for found in connector.get_batch(list(reversed(keys)))] == [b"c", b"b", b"a"]


def test_a_key_may_come_before_its_object(connector: NodeStoreConnector) -> None:
    key = connector.new_key()
    assert connector.get(key) is None
    connector.set(key, b"later")
    assert bytes(connector.get(key) or b"") == b"later"


def test_the_configuration_makes_an_equal_connector_and_close_keeps_the_objects(connector: NodeStoreConnector) -> None:
    key = connector.put(b"value")
    connector.close()
    connector.close()
    again = NodeStoreConnector.from_config(pickle.loads(pickle.dumps(connector.config())))
    assert bytes(again.get(key) or b"") == b"value"
    assert pickle.loads(pickle.dumps(key)) == key


def test_a_key_of_another_node_is_an_error(connector: NodeStoreConnector) -> None:
    key = NodeKey(connector.place, "0" * 32, "elsewhere")
    for use in (connector.get, connector.exists, connector.evict):
        with pytest.raises(Unavailable, match="elsewhere"):
            use(key)


def test_nothing_is_stored_for_a_pilot_that_has_ended(connector: NodeStoreConnector, pilot_record: Make) -> None:
    pilot_record("anna", State.FINISHED)
    with pytest.raises(Conflict, match="is finished"):
        connector.put(b"late")
    assert report() == []


def test_proxystores_store_futures_and_proxies_work_on_it(proxy_store: Store[Any]) -> None:
    assert proxy_store.get(proxy_store.put([1, "two"])) == [1, "two"]
    proxy = proxy_store.proxy({"a": 1})
    assert isinstance(proxy, Proxy)
    assert proxy["a"] == 1
    future = proxy_store.future(polling_interval=0.005)
    future.set_result("done")
    assert future.result() == "done"


def test_with_our_codec_arrays_of_a_store_are_views(connector: NodeStoreConnector) -> None:
    with Store("codec", connector, serializer=codec.dumps, deserializer=codec.loads, cache_size=0) as made:
        found = made.get(made.put(np.arange(100.0)))
    assert found is not None
    assert found.sum() == 4950
    assert not found.flags.writeable


def test_a_proxy_of_a_reference_is_lazy_and_behaves_like_the_array(pilot_record: Make) -> None:
    array = np.arange(12.0).reshape(3, 4)
    proxy = put(array, pilot=pilot_record()).proxy()
    assert not is_resolved(proxy)
    assert len(pickle.dumps(proxy)) < 2500
    assert isinstance(proxy, np.ndarray)
    np.testing.assert_array_equal(proxy @ proxy.T, array @ array.T)
    assert not proxy.flags.writeable


def test_a_proxy_of_a_missing_object_fails_at_once(pilot_record: Make) -> None:
    ref = put(1, pilot=pilot_record())
    ref.evict()
    with pytest.raises(NotFound):
        ref.proxy()


def _mean(proxy: Any) -> float:
    return float(proxy.mean())


def test_a_proxy_works_in_another_process_that_knows_nothing(pilot_record: Make) -> None:
    ref = put(np.arange(1001.0), pilot=pilot_record())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(_mean, (ref.proxy(),)).get(timeout=60) == 500
    unregister_store(f"pilothouse-{ref.place}")
    assert store.NodeStore(ref.place).exists(ref.id)
