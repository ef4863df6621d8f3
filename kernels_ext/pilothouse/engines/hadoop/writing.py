"""A file of an HDFS that is written piece by piece, in one stream that ends when it is closed."""

from __future__ import annotations

import contextlib
import io
import posixpath
import secrets
from typing import TYPE_CHECKING, Any

from pilothouse.engines.hadoop.datanode import PIECE, Exchange, Gone, check

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.filesystem import HDFSFileSystem

#: How files are opened to be written, and what the NameNode calls that.
_MODES = {"wb": ("CREATE", "PUT", "true"), "xb": ("CREATE", "PUT", "false"), "ab": ("APPEND", "POST", "")}


class Writer(io.BufferedWriter):
    """What fsspec's ``open`` returns: small writes are collected, large ones go as they are.

    Attributes
    ----------
    path
        Where it is written.
    """

    def __init__(
        self,
        fs: HDFSFileSystem,
        path: str,
        mode: str,
        *,
        autocommit: bool = True,
        replication: int | None = None,
        permissions: str | int | None = None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"mode={mode!r}: an HDFS has rb, {', '.join(_MODES)}")
        if mode == "xb" and fs.exists(path):
            raise FileExistsError(f"{path} is there")
        what, method, overwrite = _MODES[mode]
        said = {"overwrite": overwrite, "replication": replication,
                "permission": f"{permissions:o}" if isinstance(permissions, int) else permissions}  # fmt: skip
        self.fs, self._target = fs, path
        # Until it is committed nobody sees it under its name.
        self.path = path if autocommit else posixpath.join(posixpath.dirname(path), f".{secrets.token_hex(8)}")
        begun = int(fs.info(path)["size"]) if mode == "ab" else 0
        options = {name: value for name, value in said.items() if value}
        super().__init__(_Stream(fs.begun(what, method, self.path, **options), self.path, mode, begun), PIECE)

    def commit(self) -> None:
        """Give it its name."""
        self.fs.replace(self.path, self._target)

    def discard(self) -> None:
        """Remove it."""
        self.fs.rm(self.path)


class _Stream(io.RawIOBase):
    def __init__(self, exchange: Exchange, path: str, mode: str, at: int) -> None:
        self._exchange, self.name, self.mode, self._at = exchange, path, mode, at

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        whole = memoryview(data).cast("B")
        if not self._exchange.send(whole[start : start + PIECE] for start in range(0, whole.nbytes, PIECE)):
            self.close()  # which says why
            raise Gone(f"{self.name}: the DataNode takes no more of it")
        self._at += whole.nbytes
        return whole.nbytes

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        with contextlib.closing(self._exchange.answer()) as answer:
            check(answer, self.name)
