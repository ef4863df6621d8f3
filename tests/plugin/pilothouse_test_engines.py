"""An engine for tests, installed as a plug-in: boards that keep words, and can be told to misbehave."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pilothouse.engines.protocols import Engine, Member, Place
from pilothouse.engines.service import Service
from pilothouse.engines.settings import Settings
from pilothouse.errors import InvalidInput, Refused


class BoardSettings(Settings):
    slow: float = Field(0.0, ge=0.0, title="Slow", description="Seconds that each start, and hand-over, takes.")
    broken: int = Field(0, title="Broken", description="The number of the member that can't be started.")
    keeps: bool = Field(False, title="Keeps", description="Whether a board that is to leave refuses to.")


class Board(Engine):
    title = "Board"
    orders = frozenset({"count"})

    def settings(self) -> type[Settings]:
        return BoardSettings

    def check(self, pilot: Any, nodes: int, settings: Any) -> None:
        if nodes > 9:
            raise InvalidInput(f"nodes={nodes}: a board has 9 at most", field="nodes")

    def secrets(self, settings: Settings) -> Mapping[str, str]:
        return {"word": os.urandom(8).hex()}

    def role(self, there: Sequence[str], wanted: int) -> str:
        return "more" if "first" in there else "first"

    def first(self, role: str) -> bool:
        return role == "first"

    def loses(self, role: str, others: Sequence[str]) -> str:
        return "" if others else "the words on it"

    def address(self, members: Sequence[Mapping[str, Any]]) -> str:
        return ",".join(member["address"] for member in members if "address" in member)

    def member(self, place: Place) -> Member:
        return BoardMember(place)

    def handle(self) -> type[Service]:
        return BoardService


class BoardMember(Member):
    def __init__(self, place: Place) -> None:
        self.place = place

    def start(self) -> None:
        place = self.place
        if place.settings["broken"] == place.number:
            raise Refused(f"board {place.number} does not want to")
        port = place.ports("board")["board"]
        secret = place.scratch / "word"
        secret.touch(mode=0o600)
        secret.write_text(place.secrets["word"])
        argv = [sys.executable, __file__, place.host, str(port), str(secret), str(place.scratch / "words")]
        time.sleep(place.settings["slow"])
        place.daemon("board", argv)
        self.address = f"{place.host}:{port}"
        place.publish(address=self.address)
        place.until(lambda: self.words(self.address) is not None, "the board did not answer", 20.0)

    def words(self, address: str, *new: str) -> list[str]:
        return ask(address, self.place.secrets["word"], *new)

    def admit(self, numbers: Sequence[int]) -> None:
        self.place.event("admitted", newcomers=list(numbers))

    def release(self, number: int, seconds: float) -> None:
        if self.place.settings["keeps"]:
            raise Refused("its words are not to be moved")
        time.sleep(self.place.settings["slow"])
        self.words(self.address, *self.words(self.place.members[number]["address"]))

    def lost(self, numbers: Sequence[int]) -> None:
        self.place.event("made good", numbers=list(numbers))

    def metrics(self) -> Mapping[str, float]:
        return {"words": float(len(self.words(self.address)))}

    def do(self, what: str, **arguments: Any) -> Any:
        return {"words": len(self.words(self.address)), **arguments}


class BoardService(Service):
    def client(self) -> Any:
        addresses, word = self.address.split(","), self.secrets["word"]

        def words(*new: str) -> list[str]:
            """All words, after these have been put on the latest board."""
            return [one for each in addresses for one in ask(each, word, *(new if each == addresses[-1] else ()))]

        return words


def ask(address: str, word: str, *new: str) -> list[str]:
    """Put these words on the board; all that are there."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as line, line.makefile("rw") as file:
        file.write(json.dumps([word, *new]) + "\n")
        file.flush()
        found: list[str] = json.loads(file.readline())
    return found


def serve(host: str, port: int, secret: Path, path: Path) -> None:
    words: list[str] = json.loads(path.read_text()) if path.exists() else []
    print(f"a board with {len(words)} words", flush=True)
    with socket.create_server((host, port)) as server:
        while True:
            line, _ = server.accept()
            with line, line.makefile("rw") as file:
                word, *new = json.loads(file.readline())
                if word == secret.read_text():
                    words += new
                    path.write_text(json.dumps(words))
                    file.write(json.dumps(words) + "\n")


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
