"""A provider whose customer's blob server is away."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.errors import NotFound, Unavailable
from pilothouse.market.blobs.server import BlobServer
from pilothouse.market.messages.parameters import ProviderParameters
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.provider import provider as providers
from pilothouse.market.provider.provider import Provider


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setattr(providers, "BLOBS_RETRY_S", 0.05)
    settings = ProviderParameters.model_validate(
        {"name": "uma", "key": "unused", "relays": ["ws://127.0.0.1:9"], "price_msat": 1, "algorithms": ["fedavg"]}
    )
    session: Any = SimpleNamespace(identity=Identity.generate())
    wallet: Any = None
    return Provider(settings, session, wallet, lambda _: None, threading.Event())


def test_it_waits_for_the_server_to_come_back(provider: Provider, tmp_path: Path) -> None:
    servers = [BlobServer(tmp_path, lambda _: True)]
    order: Any = SimpleNamespace(deadline=time.time() + 60)
    ref = provider.blobs.put(b"the base of a round", servers[0].url)
    servers[0].close()
    failures: list[Unavailable] = []

    def transfer() -> bytes:
        try:
            return provider.blobs.get(ref)
        except Unavailable as error:
            failures.append(error)
            servers.append(BlobServer(tmp_path, lambda _: True, port=servers[0].port))
            raise

    try:
        assert provider._patiently(order, transfer) == b"the base of a round"
        assert len(failures) == 1
        with pytest.raises(NotFound):  # it will not be there later either
            provider._patiently(order, lambda: provider.blobs.get(ref.model_copy(update={"sha256": "0" * 64})))
    finally:
        servers[-1].close()


def test_it_does_not_wait_beyond_the_orders_time(provider: Provider) -> None:
    tried: list[float] = []
    order: Any = SimpleNamespace(deadline=time.time() + 0.2)

    def transfer() -> bytes:
        tried.append(time.time())
        raise Unavailable("the blob server is away")

    with pytest.raises(Unavailable):
        provider._patiently(order, transfer)
    assert max(tried) <= order.deadline
