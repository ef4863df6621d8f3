"""The few things that an HDFS is asked by its own members, over WebHDFS, without a client library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

from pilothouse.errors import Failed

PATIENCE_S = 30.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WebHDFS:
    """A file system as its user sees it.

    Parameters
    ----------
    web
        ``host:port`` of the NameNode's pages.
    """

    def __init__(self, web: str, user: str) -> None:
        self._web, self._user = web, user

    def make(self, path: str, mode: int) -> None:
        """Make a folder with those above it."""
        self._ask("PUT", path, op="MKDIRS", permission=f"{mode:o}")
        self._ask("PUT", path, op="SETPERMISSION", permission=f"{mode:o}")

    def limit_copies(self, copies: int) -> int:
        """Have no file with more copies than that; how many files had."""
        changed, folders = 0, ["/"]
        while folders:
            folder = folders.pop()
            for each in self._ask("GET", folder, op="LISTSTATUS")["FileStatuses"]["FileStatus"]:
                path = f"{folder.rstrip('/')}/{each['pathSuffix']}"
                if each["type"] == "DIRECTORY":
                    folders.append(path)
                elif each["type"] == "FILE" and each["replication"] > copies:
                    self._ask("PUT", path, op="SETREPLICATION", replication=copies)
                    changed += 1
        return changed

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        query = urlencode({**what, "user.name": self._user})
        request = urllib.request.Request(f"http://{self._web}/webhdfs/v1{quote(path)}?{query}", method=method)  # noqa: S310
        try:
            with _direct.open(request, timeout=PATIENCE_S) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Failed(f"{what['op']} {path}: {_said(error.read()) or error.reason}") from None
        return json.loads(text) if text else None


def _said(text: bytes) -> str:
    try:
        return str(json.loads(text)["RemoteException"]["message"])
    except (ValueError, LookupError, TypeError):
        return ""
