"""A fake NameNode and fake DataNodes, which break off where they are told to: real ones can't be made to."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class FakeHDFS:
    """One file, ``/x``, that all DataNodes have.

    Attributes
    ----------
    standby
        Whether the NameNode says that another one serves.
    most
        How many bytes of an answer, or of what is written, each DataNode takes part in before it breaks off.
    expired
        How often the NameNode names the first DataNode all the same, which it no longer shows; None: it shows it.
    refusal
        What DataNodes say instead of taking what is written.
    """

    def __init__(self) -> None:
        self.data, self.standby, self.refusal = bytes(range(100)), False, ""
        self.most: dict[str, int] = {}
        self.expired: int | None = None
        self.framed: list[bool] = []
        self.asked: list[str] = []
        self.pages, self.scheme = "", "http"
        self._context: ssl.SSLContext | None = None

    def add_datanode(self, most: int = 1 << 30) -> None:
        """Have one more."""
        self.most[self._serve(type("DataNode", (_DataNode,), {"hdfs": self}))] = most

    @property
    def shown(self) -> list[str]:
        """DataNodes that are alive, as the NameNode shows them."""
        return [*self.most] if self.expired is None else [*self.most][1:]

    @property
    def named(self) -> list[str]:
        """DataNodes to which it sends who asks."""
        if not self.expired:
            return self.shown
        self.expired -= 1
        return [*self.most]

    def _serve(self, handler: type[BaseHTTPRequestHandler]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients leave in the middle
        if self._context is not None:
            server.socket = self._context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self._servers.callback(server.server_close)
        self._servers.callback(server.shutdown)
        return f"127.0.0.1:{server.server_port}"

    @classmethod
    @contextlib.contextmanager
    def serving(cls, certificate: str = "", key: str = "") -> Iterator[FakeHDFS]:
        """One whose NameNode is at :attr:`pages`; with a certificate, by HTTPS alone."""
        made = cls()
        if certificate:
            made.scheme, made._context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made._context.load_cert_chain(certificate, key)
        with contextlib.ExitStack() as made._servers:
            made.pages = f"{made.scheme}://{made._serve(type('NameNode', (_NameNode,), {'hdfs': made}))}"
            yield made


class _Handler(BaseHTTPRequestHandler):
    hdfs: FakeHDFS
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def say(self, status: int, body: object, **headers: str) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def refuse(self, status: int, exception: str, message: str) -> None:
        self.say(status, {"RemoteException": {"exception": exception, "message": message}})

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, True).items()}


class _NameNode(_Handler):
    def do_GET(self) -> None:
        hdfs, query = self.hdfs, self.query
        hdfs.asked.append(query.get("op", "jmx"))
        if hdfs.standby:
            return self.refuse(403, "StandbyException", "Operation category READ is not supported in state standby")
        if "op" not in query:
            web, other = ("infoAddr", "infoSecureAddr")[:: 1 if hdfs.scheme == "http" else -1]
            live = {at: {"xferaddr": f"x{at}", web: at, other: "", "adminState": "In Service", "numBlocks": 1}
                    for at in hdfs.shown}  # fmt: skip
            return self.say(200, {"beans": [{"LiveNodes": json.dumps(live)}]})
        if query["op"] == "DELETE":
            return self.say(200, {"boolean": True})
        if query["op"] == "GETFILESTATUS":
            return self.say(200, {"FileStatus": {"type": "FILE", "length": len(hdfs.data)}})
        left = [at for at in hdfs.named if f"x{at}" not in query["excludedatanodes"].split(",")]
        if not left:
            return self.refuse(500, "IOException", "no DataNode")
        return self.say(307, {}, Location=f"{hdfs.scheme}://{left[0]}/x?{urlsplit(self.path).query}")

    do_PUT = do_DELETE = do_GET  # noqa: N815 - the server's


class _DataNode(_Handler):
    def do_GET(self) -> None:
        start = int(self.query["offset"])
        data = self.hdfs.data[start:][: int(self.query.get("length", len(self.hdfs.data)))]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: self.hdfs.most[f"127.0.0.1:{self.server.server_address[1]}"]])
        self.close_connection = True

    def do_PUT(self) -> None:
        self.hdfs.framed.append(framed := "Content-Length" not in self.headers)
        if self.hdfs.refusal:
            self.close_connection = True
            return self.refuse(403, "DSQuotaExceededException", self.hdfs.refusal)
        data = self._framed() if framed else self.rfile.read(int(self.headers["Content-Length"]))
        if len(data) > self.hdfs.most[f"127.0.0.1:{self.server.server_address[1]}"]:
            self.close_connection = True
            return None
        self.hdfs.data = data
        return self.say(201, {})

    def _framed(self) -> bytes:
        found = b""
        while length := int(self.rfile.readline(), 16):
            found += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return found
