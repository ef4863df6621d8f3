"""Proxies of references, and what the connector of the node store does beyond the contract of stores."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("proxystore")

from proxystore.proxy import is_resolved
from proxystore.store import unregister_store

from pilothouse.data import put, report, store
from pilothouse.data.connector import NodeKey, NodeStoreConnector
from pilothouse.errors import Conflict, NotFound, Unavailable
from pilothouse.registry.records import State

Make = Callable[..., str]


@pytest.fixture
def connector(pilot_record: Make) -> NodeStoreConnector:
    return NodeStoreConnector(pilot_record())


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
