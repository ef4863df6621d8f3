"""HDFS as fsspec has it, with whole files in one stream, and going on where a DataNode has just gone.

fsspec's own writes a file in pieces, each of which opens a new pipeline of DataNodes: less than half as fast.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import requests
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.implementations.webhdfs import WebHDFS
from fsspec.spec import AbstractBufferedFile
from requests.adapters import HTTPAdapter

from pilothouse.engines.hadoop import namenode

#: Bytes that are handed to, or taken from, the system at once.
PIECE = 1 << 20
#: Bytes of a block of a file that is written through ``open``.
BLOCK = 64 << 20
#: Seconds that a DataNode may take to be reached, or to take the next piece, before another is asked for.
PATIENCE_S = 30.0
_BYTES = {"Content-Type": "application/octet-stream"}


class HDFSFileSystem(WebHDFS):  # type: ignore[misc] # fsspec has no types
    """An HDFS."""

    blocksize = BLOCK

    def _connect(self) -> None:
        super()._connect()
        self.session.trust_env = False  # nobody's proxy is between the nodes of a pilot
        self.session.mount("http://", _LargePieces())

    def put_file(self, lpath: str, rpath: str, callback: Callback = DEFAULT_CALLBACK, **_: Any) -> None:
        """Copy a file of this host into it."""
        if os.path.isdir(lpath):
            self.makedirs(rpath, exist_ok=True)
            return
        callback.set_size(os.stat(lpath).st_size)
        self._write(rpath, lambda: _told(lpath, callback))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write `value` as a file."""
        self._write(path, lambda: _pieces(value), overwrite=mode != "create")

    def get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, outfile: IO[bytes] | None = None, **_: Any
    ) -> None:
        """Copy a file of it to this host."""
        if self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        if outfile is None:
            Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        pieces = self._read(rpath, 0, None, callback.set_size)
        first = next(pieces, b"")  # what is not there leaves no file here
        with open(lpath, "wb") if outfile is None else contextlib.nullcontext(outfile) as file:
            for piece in itertools.chain((first,), pieces):
                file.write(piece)
                callback.relative_update(len(piece))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """The bytes of a file, or some of them."""
        if (start or 0) < 0 or (end is not None and end < 0):
            return bytes(super().cat_file(path, start, end, **options))
        return b"".join(self._read(path, start or 0, end))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            return super()._open(path, mode, **options)
        return _Reader(self, path, mode, block_size=options.get("block_size") or self.blocksize)

    def _write(self, path: str, data: Callable[[], Any], *, overwrite: bool = True) -> None:
        """Write what `data` gives as a file, in one stream.

        Raises
        ------
        OSError
            The DataNode could not: its words.
        """
        with self._at_a_datanode("CREATE", "PUT", path, data, {}, overwrite=str(overwrite).lower()):
            pass

    def _read(
        self, path: str, start: int, end: int | None, told: Callable[[int | None], object] = lambda _: None
    ) -> Iterator[bytes]:
        """The bytes from `start` on, in pieces; where a DataNode goes meanwhile, another goes on from there.

        Parameters
        ----------
        told
            Called with how many come, or None, before the first.
        """
        gone: dict[str, Exception] = {}
        at, total = start, 0
        while True:
            within = {"offset": at} | ({} if end is None else {"length": max(end - at, 0)})
            with self._at_a_datanode("OPEN", "GET", path, lambda: None, gone, **within) as answer:
                if not total:
                    total = int(answer.headers.get("Content-Length", 0))
                    told(total or None)
                try:
                    for piece in answer.iter_content(PIECE):
                        at += len(piece)
                        yield piece
                except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                    self._note(gone, answer.url, error)
                else:
                    return

    def _at_a_datanode(
        self, what: str, method: str, path: str, data: Callable[[], Any], gone: dict[str, Exception], **options: Any
    ) -> requests.Response:
        """Do something at the DataNode that the NameNode names; at another one where that has just gone.

        Parameters
        ----------
        gone
            Those that are not to be asked, and why; it gets more.
        """
        while True:
            try:
                asked = self._call(what, method, path, redirect=False, excludedatanodes=",".join(gone), **options)
            except RuntimeError:  # there is no other
                if not gone:
                    raise
                raise list(gone.values())[-1] from None
            where = self._apply_proxy(asked.headers["Location"])
            try:
                answer: requests.Response = self.session.request(
                    method, where, data=data(), headers=_BYTES, stream=True, timeout=(PATIENCE_S, None)
                )
            except requests.ConnectionError as error:
                self._note(gone, where, error)
            else:
                _check(answer, path)
                return answer

    def _note(self, gone: dict[str, Exception], page: str, error: requests.RequestException) -> None:
        """Note the DataNode of which this is a page as gone; raises the error where that leads nowhere."""
        known, web = namenode.datanodes(urlsplit(self.url).netloc).values(), urlsplit(page).netloc
        at = next((node.address for node in known if node.web == web), web)  # meanwhile noticed: it is not named again
        if at in gone:
            raise error
        gone[at] = error


class _Reader(AbstractBufferedFile):  # type: ignore[misc] # as above
    """A file that is read piece by piece."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self.fs.cat_file(self.path, start, end)  # type: ignore[no-any-return]


class _LargePieces(HTTPAdapter):
    """What is sent goes in larger pieces than the 16 KiB that are usual."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, blocksize=PIECE)


def _told(path: str, callback: Callback) -> Iterator[bytes]:
    """The bytes of a file; `callback` is told how far it is."""
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            yield piece
            callback.relative_update(len(piece))


def _pieces(value: bytes) -> Iterator[memoryview]:
    """What is in memory, in pieces: the time that a piece may take is for the whole of what is handed over at once."""
    whole = memoryview(value).cast("B")
    for start in range(0, len(whole), PIECE):
        yield whole[start : start + PIECE]


def _check(answer: requests.Response, path: str) -> None:
    if answer.ok:
        return
    try:
        said = answer.json()["RemoteException"]
    except (ValueError, LookupError):
        raise OSError(f"{path}: {answer.status_code} {answer.reason}") from None
    kind = {"FileNotFoundException": FileNotFoundError, "FileAlreadyExistsException": FileExistsError}
    raise kind.get(said["exception"], OSError)(f"{path}: {said['message']}")
