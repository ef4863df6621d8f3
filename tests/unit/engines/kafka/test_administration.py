from __future__ import annotations

import threading
from typing import Any

import pytest

from pilothouse.engines.kafka import administration
from pilothouse.engines.kafka.administration import Administration


class Client:
    """One that waits for ever when it is closed, as for its first answer."""

    def close(self) -> None:
        threading.Event().wait()


def test_a_question_that_is_never_answered_is_asked_again_by_another_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration, "ANSWER_S", 0.1)
    monkeypatch.setattr(administration, "CLOSE_S", 0.1)
    monkeypatch.setattr(Administration, "_connected", lambda _: Client())
    asked: list[Any] = []

    def what(client: Any) -> str:
        asked.append(client)
        if len(asked) == 1:
            threading.Event().wait()
        return "answer"

    assert Administration(["127.0.0.1:1"], "password").ask(what) == "answer"
    assert len(set(asked)) == 2
