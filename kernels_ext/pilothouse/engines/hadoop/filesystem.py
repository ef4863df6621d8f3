"""HDFS as fsspec has it, with whole files in one stream, and going on where a DataNode has just gone.

fsspec's own writes a file in pieces, each of which opens a new pipeline of DataNodes: less than half as fast.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import requests
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.implementations.webhdfs import WebHDFS
from fsspec.spec import AbstractBufferedFile
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from pilothouse.engines.hadoop import namenode
from pilothouse.engines.hadoop.datanode import PATIENCE_S, PIECE, Exchange, Gone, check, read
from pilothouse.engines.hadoop.received import InMemory, OnDisk, Received
from pilothouse.engines.hadoop.writing import Writer

#: Bytes that are read ahead of who reads through ``open``.
BLOCK = 64 << 20
#: Seconds in which a NameNode may name a DataNode that has expired, and between two attempts meanwhile.
EXPIRES_S, AGAIN_S = 60.0, 0.2


class HDFSFileSystem(WebHDFS):  # type: ignore[misc] # fsspec has no types
    """An HDFS.

    Parameters
    ----------
    others
        URLs of more NameNodes, of which one serves when that of `host` and `port` does not: ``https://host:port``.
    """

    blocksize = BLOCK
    url: str

    def __init__(self, host: str, *arguments: Any, others: Sequence[str] = (), **options: Any) -> None:
        if self._cached:
            return
        self._others = [f"{other}/webhdfs/v1" for other in others]
        super().__init__(host, *arguments, **options)

    def _connect(self) -> None:
        super()._connect()
        self._context = namenode.context(self.session_verify if isinstance(self.session_verify, str) else "")
        self.session.trust_env = False  # nobody's proxy is between the nodes of a pilot
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Patient(self._context))

    def _call(self, *arguments: Any, **options: Any) -> requests.Response:
        """Ask the NameNode that serves; which of them that is may have changed."""
        urls = [self.url, *(other for other in self._others if other != self.url)]
        trouble: Exception | None = None
        for self.url in urls:
            try:
                answer: requests.Response = super()._call(*arguments, **options)
            except (RuntimeError, requests.ConnectionError) as error:
                if not (self._others and _serves_not(error)):
                    raise
                trouble = trouble or error
            else:
                self._others = urls
                return answer
        assert trouble is not None  # noqa: S101 - there is a NameNode
        raise trouble

    def put_file(self, lpath: str, rpath: str, callback: Callback = DEFAULT_CALLBACK, **_: Any) -> None:
        """Copy a file of this host into it."""
        if os.path.isdir(lpath):
            self.makedirs(rpath, exist_ok=True)
            return
        found = os.stat(lpath)
        callback.set_size(found.st_size)
        # What is no file on a disk has no length before its end.
        length = found.st_size if stat.S_ISREG(found.st_mode) and found.st_size else None
        self._write(rpath, lambda: _of_file(lpath, length, callback), length)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write `value` as a file."""
        whole = memoryview(value).cast("B")
        self._write(path, lambda: _pieces(whole), whole.nbytes, overwrite=mode != "create")

    def get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, outfile: IO[bytes] | None = None, **_: Any
    ) -> None:
        """Copy a file of it to this host; what is not there leaves no file here."""
        if self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        if outfile is None:
            Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        opened = partial(open, lpath, "wb") if outfile is None else partial(contextlib.nullcontext, outfile)
        with contextlib.closing(OnDisk(opened, callback)) as received:
            self._read(rpath, 0, None, received)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """The bytes of a file, or some of them."""
        if (start or 0) < 0 or (end is not None and end < 0):
            return bytes(super().cat_file(path, start, end, **options))
        received = InMemory()
        self._read(path, start or 0, end, received)
        return received.whole()

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """Give a file or folder another name; into a folder that is there, it goes with its own."""
        if not self._call("RENAME", "PUT", path1, destination=self._strip_protocol(path2)).json()["boolean"]:
            raise OSError(f"{path1} can't be moved to {path2}: it is not there, or something of that name is")

    def replace(self, path: str, other: str) -> None:
        """Give the file `path` the name `other`, instead of the file that has it."""
        self._call("RENAME", "PUT", path, destination=other, renameoptions="OVERWRITE")

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True,
        replication: int | None = None, permissions: str | int | None = None, **options: Any,
    ) -> Any:  # fmt: skip
        if mode == "rb":
            return _Reader(self, path, mode, block_size=block_size or self.blocksize, **options)
        return Writer(self, path, mode, autocommit=autocommit, replication=replication, permissions=permissions)

    def begun(self, what: str, method: str, path: str, **options: Any) -> Exchange:
        """A request to write, at a DataNode that is there, whose body is not known yet."""
        gone: dict[str, Gone] = {}
        while True:
            where = self._datanode(what, method, path, gone, **options)
            try:
                return Exchange(method, where, None, self._context)
            except Gone as error:
                self._note(gone, where, error)

    def _write(
        self, path: str, data: Callable[[], Iterable[memoryview]], length: int | None, *, overwrite: bool = True
    ) -> None:
        """Write what `data` gives as a file, in one stream.

        Raises
        ------
        OSError
            The DataNode could not: its words.
        """
        gone: dict[str, Gone] = {}
        while True:
            where = self._datanode("CREATE", "PUT", path, gone, overwrite=str(overwrite).lower())
            try:
                exchange = Exchange("PUT", where, length, self._context)
                with self._removed_where_half(path):
                    exchange.send(data())
                with contextlib.closing(exchange.answer()) as answer:
                    check(answer, path)
                    return
            except Gone as error:
                self._note(gone, where, error)

    @contextlib.contextmanager
    def _removed_where_half(self, path: str) -> Iterator[None]:
        """What was to be written breaks off on this side: the DataNode would take what has come for all."""
        try:
            yield
        except Gone:
            raise
        except BaseException:
            with contextlib.suppress(OSError, RuntimeError):
                self.rm(path)
            raise

    def _read(self, path: str, start: int, end: int | None, received: Received) -> None:
        """Have the bytes from `start` on received; where a DataNode goes meanwhile, another goes on from there."""
        gone: dict[str, Gone] = {}
        at, begun = start, False
        while True:
            within = {"offset": at} | ({} if end is None else {"length": max(end - at, 0)})
            where = self._datanode("OPEN", "GET", path, gone, **within)
            try:
                with contextlib.closing(Exchange("GET", where, 0, self._context).answer()) as answer:
                    check(answer, path)
                    if not begun:
                        received.begin(answer.length)
                        begun = True
                    while answer.length != 0 and (got := received.take(partial(read, answer))):
                        at += got
                    return
            except Gone as error:
                self._note(gone, where, error)

    def _datanode(self, what: str, method: str, path: str, gone: dict[str, Gone], **options: Any) -> str:
        """The URL at the DataNode that the NameNode names for something, none of those that have `gone`.

        Raises
        ------
        Exception
            There is no other: why the last one went.
        """
        try:
            asked = self._call(what, method, path, redirect=False, excludedatanodes=",".join(gone), **options)
        except RuntimeError:
            if not gone:
                raise
            raise list(gone.values())[-1] from None
        return str(self._apply_proxy(asked.headers["Location"]))

    def _note(self, gone: dict[str, Gone], page: str, error: Gone) -> None:
        """Note the DataNode of which this is a page as gone; raises the error where that leads nowhere.

        One that has expired is no longer shown, so its address for data is not known, and for some seconds named all
        the same: until the NameNode reckons with it no more, that is asked again.
        """
        known: dict[str, namenode.DataNode] = {}
        with contextlib.suppress(OSError, LookupError, ValueError):  # such figures are not everybody's on all sites
            known = namenode.datanodes(self.url.removesuffix("/webhdfs/v1"), self._context)
        web = urlsplit(page).netloc
        at = next((node.address for node in known.values() if web in (node.web, node.secure_web)), web)
        first = gone.setdefault(at, error)
        if first is not error:
            if at in known or time.monotonic() > first.noticed + EXPIRES_S:
                raise error
            time.sleep(AGAIN_S)


class _Reader(AbstractBufferedFile):  # type: ignore[misc] # as above
    """A file that is read piece by piece."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self.fs.cat_file(self.path, start, end)  # type: ignore[no-any-return]


class _Patient(HTTPAdapter):
    """A NameNode that is not reached is one in a moment; it may take any time to answer."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def send(self, request: Any, stream: bool = False, timeout: Any = None, *arguments: Any, **options: Any) -> Any:
        return super().send(request, stream, timeout or (PATIENCE_S, None), *arguments, **options)


def _serves_not(error: Exception) -> bool:
    """Whether a NameNode says that another one serves, or was not there to be asked."""
    if isinstance(error, requests.ConnectTimeout) or "state standby" in str(error):
        return True
    return isinstance(getattr(error.args[0] if error.args else None, "reason", None), NewConnectionError)


def _of_file(path: str, length: int | None, callback: Callback) -> Iterator[memoryview]:
    """The bytes of a file, of which `length` have been promised; `callback` is told how far it is."""
    whole, left = memoryview(bytearray(PIECE)), length
    with open(path, "rb", buffering=0) as file:
        while left is None or left > 0:
            got = file.readinto(whole[: min(PIECE, left or PIECE)])
            if not got and left:
                raise OSError(f"{path}: it became shorter while it was copied")
            if not got:
                return
            left = None if left is None else left - got
            yield whole[:got]
            callback.relative_update(got)


def _pieces(whole: memoryview) -> Iterator[memoryview]:
    """What is in memory, in pieces: the time that a piece may take is for the whole of what is handed over at once."""
    for start in range(0, len(whole), PIECE):
        yield whole[start : start + PIECE]
