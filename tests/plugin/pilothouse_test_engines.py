"""An engine for tests, installed as a plug-in: boards that keep words, and can be told to misbehave."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    pages_root = "/the-pages-of-a-board"

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

    def pages(self, members: Sequence[Mapping[str, Any]]) -> str:
        return next((member["pages"] for member in members if "pages" in member), "")

    def admission(self, secrets: Mapping[str, str]) -> Mapping[str, str]:
        return {"Authorization": f"Board {secrets['word']}"}

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
        ports = place.ports("board", "pages")
        port = ports["board"]
        secret = place.scratch / "word"
        secret.touch(mode=0o600)
        secret.write_text(place.secrets["word"])
        argv = [sys.executable, __file__, place.host, str(port), str(ports["pages"]), str(secret)]
        argv.append(str(place.scratch / "words"))
        time.sleep(place.settings["slow"])
        place.daemon("board", argv)
        self.address = f"{place.host}:{port}"
        place.publish(address=self.address)
        place.until(lambda: self.words(self.address) is not None, "the board did not answer", 20.0)
        place.publish(pages=f"http://{place.host}:{ports['pages']}")

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


class Pages(BaseHTTPRequestHandler):
    """Pages of a board, for who knows the word: what is on it, what was asked, and ways to elsewhere."""

    protocol_version = "HTTP/1.1"
    secret: Path
    words: Path

    def do_GET(self) -> None:
        here = f"http://{self.headers['Host']}{Board.pages_root}"
        if self.headers["Authorization"] != f"Board {self.secret.read_text()}":
            self._say(403, "who are you?")
        elif self.path == "/moved":
            self._say(302, "", Location=f"{here}/words?all=1")
        elif self.path == "/away":
            self._say(302, "", Location="http://elsewhere.org/words")
        elif self.path.startswith("/asked"):
            self._say(200, json.dumps([self.path, dict(self.headers)]), kind="application/json")
        else:
            words = self.words.read_text() if self.words.exists() else "[]"
            self._say(
                200,
                f'<a href="{Board.pages_root}/words">words</a> <img src="/x"> {words}',
                **{"Set-Cookie": "board=biscuit"},
            )

    def _say(self, code: int, text: str, kind: str = "text/html", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


def serve(host: str, port: int, pages: int, secret: Path, path: Path) -> None:
    Pages.secret, Pages.words = secret, path
    shown = ThreadingHTTPServer((host, pages), Pages)
    threading.Thread(target=shown.serve_forever, daemon=True).start()
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
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
