"""The line to a supervisor: where its sockets are, the second way in, and requests that are made once."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import PilothouseError, Unavailable
from pilothouse.registry.folders import TOKEN
from pilothouse.registry.line import client, server
from pilothouse.registry.line.tls import make_certificate
from pilothouse.registry.records import PILOTS, PilotRecord, ProcessRef, State
from pilothouse.state import utcnow, write_atomic


class Counter:
    """Something that requests change, and which may take its time."""

    def __init__(self) -> None:
        self.count = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def add(self, by: int) -> tuple[Any, bytes]:
        await self.go_on.wait()
        self.count += by
        if by < 0:
            raise PilothouseError(f"by={by}: not fewer")
        return self.count, b""

    async def read(self) -> tuple[Any, bytes]:
        return self.count, b""


def a_record() -> PilotRecord:
    here = ProcessRef(host=socket.gethostname(), pid=os.getpid(), started=0.0)
    return PilotRecord(name="p", site="far", created=utcnow(), supervisor=here)


@asynccontextmanager
async def listening(counter: Counter) -> AsyncIterator[PilotRecord]:
    record = a_record()
    path = client.socket_path(f"line-{os.getpid()}.sock")
    served = await server.serve(path, server.Answers({"read": counter.read}, {"add": counter.add}))
    record.socket = str(path)
    try:
        yield record
    finally:
        served.close()
        path.unlink()


async def ask(record: PilotRecord, op: str, patience: float = 30.0, **arguments: Any) -> Any:
    return (await asyncio.to_thread(client.call, record, op, patience, **arguments))[0]


def test_a_change_that_was_not_answered_is_made_once_and_who_asks_again_gets_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "AGAIN_S", 0.05)

    async def steps() -> None:
        counter = Counter()
        async with listening(counter) as record:
            counter.go_on.clear()
            for _ in range(2):
                with pytest.raises(Unavailable, match=r"\(timed out\): add may be done all the same. Ask for the same"):
                    await ask(record, "add", 0.05, by=1)
            counter.go_on.set()
            assert await ask(record, "add", by=1) == 1, "that one, and its answer"
            assert await ask(record, "add", by=1) == 2, "another one: the last was answered"
            assert await ask(record, "read") == 2

    asyncio.run(steps())


def test_long_after_a_request_without_an_answer_the_same_one_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "AGAIN_S", 0.05)
    monkeypatch.setattr(client, "REPEAT_S", 0.0)

    async def steps() -> None:
        counter = Counter()
        async with listening(counter) as record:
            counter.go_on.clear()
            with pytest.raises(Unavailable):
                await ask(record, "add", 0.05, by=1)
            counter.go_on.set()
            assert await ask(record, "add", by=1) == 2

    asyncio.run(steps())


def test_a_refusal_is_an_answer_too_and_answers_are_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEPT", 2)

    async def steps() -> None:
        counter = Counter()
        answers = server.Answers({}, {"add": counter.add})
        for number in ("1", "1"):
            with pytest.raises(PilothouseError, match="not fewer"):
                await answers.to("add", number, {"by": -1})
        assert counter.count == -1
        for number in ("2", "3", "3", "2"):
            await answers.to("add", number, {"by": 1})
        assert counter.count == 1
        await answers.to("add", "4", {"by": 1})
        await answers.to("add", "2", {"by": 1})  # so long ago that it is not known any more
        assert counter.count == 3
        with pytest.raises(PilothouseError, match="knows no 'sing'"):
            await answers.to("sing", "5", {})

    asyncio.run(steps())


def test_who_was_not_heard_says_that_nothing_was_done() -> None:
    record = a_record()
    record.socket = "/nowhere/nobody.sock"
    with pytest.raises(Unavailable, match=r"can't be reached \(No such file or directory\): scale was not done"):
        client.call(record, "scale", nodes=1)


def test_on_its_own_host_too_tls_is_the_second_way_in(state_home: Path) -> None:
    async def steps() -> None:
        counter, record = Counter(), a_record()
        record.state = State.FINISHED  # for this test's end
        PILOTS.create(record)
        folder = PILOTS.folder("p")
        tls = make_certificate(folder)
        write_atomic(folder / TOKEN, b"word")
        answers = server.Answers({"read": counter.read}, {})
        beyond, record.control = await server.serve_tls("127.0.0.1", tls, "word", answers)
        record.socket = str(folder / "removed-at-logout.sock")
        try:
            assert await ask(record, "read") == 0
            assert await asyncio.to_thread(client.answers, record)
        finally:
            beyond.close()

    asyncio.run(steps())


def test_sockets_find_a_place_whose_path_is_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, long = tmp_path / "r", tmp_path / ("temporary" * 12)
    for folder in (runtime, long):
        folder.mkdir()
    short = Path(tempfile.mkdtemp(prefix="n"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    path = client.socket_path("p-1.sock")
    assert path == short / "pilothouse" / "p-1.sock"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert client.runtime_folder().parent == long, "files have room there"
    last = Path("/tmp", f"pilothouse-{os.getuid()}")
    was_there = last.exists()
    assert client.socket_path("p-1.sock") == last / "p-1.sock"
    if not was_there:
        last.rmdir()
    with pytest.raises(Unavailable, match="set XDG_RUNTIME_DIR to a private folder with a shorter path"):
        client.socket_path("p" * 100 + ".sock")


def test_the_runtime_folder_is_made_again_and_never_that_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="n"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temporary / "gone"))
    folder = client.runtime_folder()
    assert folder.parent == temporary
    folder.rmdir()
    assert client.runtime_folder().stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.symlink_to("/")
    with pytest.raises(Unavailable, match="belongs to another user"):
        client.runtime_folder()
    assert folder not in client.runtime_folders()
