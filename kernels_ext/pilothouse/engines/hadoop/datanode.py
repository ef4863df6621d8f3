"""One exchange with a DataNode over HTTP: bytes go from where they are to the socket, and back, without a copy between.

HTTP libraries join each piece of unknown length with its frame, and collect what they read: that takes several times as
long as the system's own copy into the socket.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

#: Bytes that are handed to, or taken from, the system at once.
PIECE = 1 << 20
#: Seconds that a DataNode may take to be reached, or for the next piece, before another is asked for.
PATIENCE_S = 30.0
_ERRORS = {
    "FileNotFoundException": FileNotFoundError, "FileAlreadyExistsException": FileExistsError,
    "AccessControlException": PermissionError,
}  # fmt: skip


class Gone(OSError):
    """A DataNode is not reached, or not any more.

    Attributes
    ----------
    noticed
        When (:func:`time.monotonic`).
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.noticed = time.monotonic()


class Exchange:
    """A request to a DataNode, whose body follows piece by piece.

    Parameters
    ----------
    length
        Bytes of the body; None where that is not known yet.
    context
        Whose certificates are believed, where the URL is one of https.

    Raises
    ------
    Gone
        It is not reached.
    """

    def __init__(self, method: str, url: str, length: int | None, context: ssl.SSLContext) -> None:
        self.url = url
        at = urlsplit(url)
        host, self._framed, self._writes = at.hostname or "", length is None, method != "GET"
        self._connection = (
            HTTPSConnection(host, at.port, timeout=PATIENCE_S, context=context)
            if at.scheme == "https"
            else HTTPConnection(host, at.port, timeout=PATIENCE_S)
        )
        with self._closed_where_it_goes():
            self._connection.connect()
            self._connection.auto_open = 0  # what has broken off is not gone on with
            self._connection.putrequest(method, f"{at.path}?{at.query}", skip_accept_encoding=True)
            self._connection.putheader("Connection", "close")
            self._connection.putheader("Content-Type", "application/octet-stream")
            if self._framed:
                self._connection.putheader("Transfer-Encoding", "chunked")
            elif self._writes:
                self._connection.putheader("Content-Length", str(length))
            self._connection.endheaders()

    def send(self, pieces: Iterable[memoryview]) -> bool:
        """Send a part of the body; False where no more of it is wanted: :meth:`answer` says why.

        Raises
        ------
        Gone
            The DataNode has gone. What the `pieces` raise is raised as it is.
        """
        try:
            for piece in pieces:
                if piece.nbytes and not self._sent(piece):  # framed, an empty one would be the end
                    return False
        except BaseException:
            self.close()
            raise
        return True

    def _sent(self, piece: memoryview) -> bool:
        with self._closed_where_it_goes():
            try:
                if self._framed:
                    self._connection.send(b"%x\r\n" % piece.nbytes)
                self._connection.send(piece)
                if self._framed:
                    self._connection.send(b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                return False
        return True

    def answer(self) -> HTTPResponse:
        """End the body, and return what the DataNode says; to have all copies may take it any time.

        Raises
        ------
        Gone
            It says nothing.
        """
        with self._closed_where_it_goes():
            if self._framed:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._connection.send(b"0\r\n\r\n")
            if self._writes and self._connection.sock is not None:
                self._connection.sock.settimeout(None)
            return self._connection.getresponse()

    def close(self) -> None:
        """End it, in whatever state it is."""
        self._connection.close()

    @contextlib.contextmanager
    def _closed_where_it_goes(self) -> Iterator[None]:
        try:
            yield
        except (OSError, HTTPException) as error:
            self.close()
            raise Gone(f"the DataNode at {urlsplit(self.url).netloc}: {str(error) or type(error).__name__}") from error


def read(answer: HTTPResponse, into: memoryview) -> int:
    """Read what comes next, as much as there is at once; 0 at the end.

    Raises
    ------
    Gone
        It breaks off.
    """
    left = answer.length
    try:
        got = answer.readinto(into)
    except (OSError, HTTPException) as error:
        raise Gone(f"the DataNode broke off: {str(error) or type(error).__name__}") from error
    if not got and left and into.nbytes:
        raise Gone(f"the DataNode broke off {left} bytes before the end")
    return got


def check(answer: HTTPResponse, path: str) -> None:
    """Raise what an answer means.

    Raises
    ------
    OSError
        The DataNode could not: its words.
    """
    if answer.status < 400:
        return
    try:
        said = json.loads(answer.read())["RemoteException"]
        kind, words = _ERRORS.get(said["exception"], OSError), str(said["message"])
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        kind, words = OSError, f"{answer.status} {answer.reason}"
    raise kind(f"{path}: {words}")
