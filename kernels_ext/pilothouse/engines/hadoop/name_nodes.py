"""The NameNodes of a site's HDFS: where its configuration says that they are, and which of them serves."""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

from pilothouse.engines.hadoop import namenode
from pilothouse.engines.hadoop.conf_dir import ids, kerberos, properties
from pilothouse.errors import InvalidInput, Unavailable

FILES = ("core-site.xml", "hdfs-site.xml")
#: Hadoop's own ports: for programs, for HTTP and for HTTPS.
_RPC, _HTTP, _HTTPS = "8020", "9870", "9871"
#: Seconds that a NameNode may take to be reached and to answer.
PATIENCE_S = 10.0


def of(folder: Path) -> tuple[str, list[str]]:
    """The file system of a folder of configuration, and the URLs of its NameNodes' pages; one of them serves.

    Raises
    ------
    InvalidInput
        It is none of an HDFS's.
    Unavailable
        It wants Kerberos's tickets; a file can't be read.
    """
    said = properties(folder, *FILES)
    address = said.get("fs.defaultFS") or said.get("fs.default.name", "")
    at = urlsplit(address)
    if at.scheme != "hdfs" or not at.hostname:
        what = f"is {address!r}" if address else "is not said"
        raise InvalidInput(
            f"conf_dir={str(folder)!r}: fs.defaultFS {what} in core-site.xml, which is no HDFS; name a folder where it "
            "is hdfs://…",
            field="conf_dir",
        )
    if kerberos(said):
        raise Unavailable(
            f"the HDFS of {folder} wants Kerberos's tickets (hadoop.security.authentication), which its REST interface "
            "is not given here",
            field="conf_dir",
        )
    https = said.get("dfs.http.policy", "").upper() == "HTTPS_ONLY"
    names = ids(said.get("dfs.nameservices", ""))
    if at.netloc in names:
        ending = [f".{at.netloc}.{each}" for each in ids(said.get(f"dfs.ha.namenodes.{at.netloc}", ""))]
        pages = [_page(said, each, https) for each in ending or [f".{at.netloc}"]]
        if "" in pages:
            lacking = f"dfs.namenode.rpc-address{(ending or [f'.{at.netloc}'])[pages.index('')]}"
            raise InvalidInput(f"conf_dir={str(folder)!r}: hdfs-site.xml lacks {lacking}", field="conf_dir")
        return address, pages
    rpc = at.netloc if at.port else f"{at.netloc}:{_RPC}"
    # Of several file systems, each has its name behind what is said of it.
    ending = [
        key.removeprefix("dfs.namenode.rpc-address")
        for key, value in said.items()
        if key.startswith("dfs.namenode.rpc-address.") and value == rpc
    ]
    return address, [_page({"dfs.namenode.rpc-address": rpc, **said}, ending[0] if ending else "", https, rpc)]


def _page(said: Mapping[str, str], ending: str, https: bool, rpc: str = "") -> str:
    """The URL of one NameNode's pages; empty where nothing says on which host it is."""
    kind = "https" if https else "http"
    rpc = rpc or said.get(f"dfs.namenode.rpc-address{ending}", "")
    page = said.get(f"dfs.namenode.{kind}-address{ending}", "")
    host, _, port = page.rpartition(":")
    host = host if host and host != "0.0.0.0" else rpc.rpartition(":")[0] or rpc  # noqa: S104 - all its interfaces
    return f"{kind}://{host}:{port or (_HTTPS if https else _HTTP)}" if host else ""


def certificates(file: str | Path | None) -> str:
    """The path of a file with certificates; empty for none.

    Raises
    ------
    InvalidInput
        It has none.
    """
    if file is None:
        return ""
    path = Path(file).expanduser().absolute()
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise InvalidInput(
            f"ca_file={str(file)!r}: no certificates can be read there: {error}", field="ca_file"
        ) from None
    return str(path)


def active(pages: Sequence[str], user: str, context: ssl.SSLContext) -> str:
    """Which of these NameNodes serves.

    Raises
    ------
    Unavailable
        None of them does: why, of each.
    """
    reasons = []
    for page in pages:
        if not (why := _idle(page, user, context)):
            return page
        reasons.append(f"{page}: {why}")
    raise Unavailable(f"no NameNode of this HDFS serves ({'; '.join(reasons)})", field="conf_dir")


def _idle(page: str, user: str, context: ssl.SSLContext) -> str:
    """Why this one does not serve; empty where it does."""
    url = f"{page}/webhdfs/v1/?op=GETFILESTATUS&user.name={quote(user)}"
    try:
        with namenode.opener(context).open(url, timeout=PATIENCE_S) as answer:
            return "" if "FileStatus" in json.loads(answer.read()) else _NO_WEBHDFS
    except urllib.error.HTTPError as error:
        return _words(error)
    except (OSError, HTTPException) as error:
        return str(getattr(error, "reason", None) or error or type(error).__name__)
    except (ValueError, TypeError):
        return _NO_WEBHDFS


_NO_WEBHDFS = (
    "what answers there has no WebHDFS: dfs.namenode.http-address has to be the NameNode's, and dfs.webhdfs.enabled to "
    "be true there, where it is a Hadoop 2"
)


def _words(error: urllib.error.HTTPError) -> str:
    if error.code == 404:
        return _NO_WEBHDFS
    if error.code in (401, 407):
        return "it wants another proof of who asks, such as Kerberos's tickets, which are not given here"
    text = error.read(2000).decode(errors="replace")
    try:
        said = json.loads(text)["RemoteException"]
        if said["exception"] == "StandbyException":
            return "it stands by"
        return str(said["message"])
    except (ValueError, LookupError, TypeError):
        return f"HTTP {error.code}: {' '.join(re.sub(r'<[^>]*>', ' ', text).split())[:200] or error.reason}"
