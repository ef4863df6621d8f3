"""HDFS as fsspec has it, with whole files in one stream.

fsspec's own writes a file in pieces, each of which opens a new pipeline of DataNodes: less than half as fast.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import requests
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.implementations.webhdfs import WebHDFS
from requests.adapters import HTTPAdapter

#: Bytes that are handed to, or taken from, the system at once.
PIECE = 1 << 20
#: Bytes of a block of a file that is written through ``open``.
BLOCK = 64 << 20


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
        with open(lpath, "rb") as file:
            callback.set_size(os.fstat(file.fileno()).st_size)
            self._write(rpath, file if callback is DEFAULT_CALLBACK else _told(file, callback))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write `value` as a file."""
        self._write(path, value, overwrite=mode != "create")

    def get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, outfile: IO[bytes] | None = None, **_: Any
    ) -> None:
        """Copy a file of it to this host."""
        if self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        if outfile is None:
            Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        with self._stream(rpath) as answer:
            callback.set_size(int(answer.headers.get("Content-Length", 0)) or None)
            with open(lpath, "wb") if outfile is None else contextlib.nullcontext(outfile) as file:
                for piece in answer.iter_content(PIECE):
                    file.write(piece)
                    callback.relative_update(len(piece))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """The bytes of a file, or some of them."""
        if (start or 0) < 0 or (end is not None and end < 0):
            return bytes(super().cat_file(path, start, end, **options))
        within = {"offset": start or 0} | ({} if end is None else {"length": max(end - (start or 0), 0)})
        with self._stream(path, **within) as answer:
            return b"".join(answer.iter_content(PIECE))

    def _write(self, path: str, data: Any, *, overwrite: bool = True) -> None:
        """Write a file in one stream.

        Raises
        ------
        OSError
            The DataNode could not: its words.
        """
        asked = self._call("CREATE", "PUT", path, redirect=False, overwrite=str(overwrite).lower())
        answer = self.session.put(
            self._apply_proxy(asked.headers["Location"]),
            data=data,
            headers={"Content-Type": "application/octet-stream"},
        )
        _check(answer, path)

    def _stream(self, path: str, **within: Any) -> requests.Response:
        asked = self._call("OPEN", path=path, redirect=False, **within)
        answer = self.session.get(self._apply_proxy(asked.headers["Location"]), stream=True)
        _check(answer, path)
        return answer


class _LargePieces(HTTPAdapter):
    """What is sent goes in larger pieces than the 16 KiB that are usual."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, blocksize=PIECE)  # type: ignore[no-untyped-call]


def _told(file: IO[bytes], callback: Callback) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
        callback.relative_update(len(piece))


def _check(answer: requests.Response, path: str) -> None:
    if answer.ok:
        return
    try:
        said = answer.json()["RemoteException"]
    except (ValueError, LookupError):
        raise OSError(f"{path}: {answer.status_code} {answer.reason}") from None
    kind = {"FileNotFoundException": FileNotFoundError, "FileAlreadyExistsException": FileExistsError}
    raise kind.get(said["exception"], OSError)(f"{path}: {said['message']}")
