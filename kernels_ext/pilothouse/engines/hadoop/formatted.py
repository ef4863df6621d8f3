"""A NameNode's folder without any files, as ``namenode -format`` makes it: made once for a user, then copied.

The program takes a Java of its own, and a second before the NameNode can start. What it writes is an image of a file
system whose root is the user's, the image's sum, and the ids of the cluster and its blocks, of which each has its own.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import random
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from pilothouse.engines.jvm.cache import cache
from pilothouse.engines.jvm.lock import lock

#: What all is in it, and the file that has the ids.
FOLDER, VERSION, IMAGE = "current", "VERSION", "fsimage_0000000000000000000"


def begin(names: Path, form: Callable[[], None]) -> None:
    """Have an empty file system in the NameNode's folder `names`; `form` does it with Hadoop's own program."""
    kept = cache() / "formatted" / f"{lock('hadoop').folder}-{getpass.getuser()}"
    with contextlib.suppress(OSError, LookupError, ValueError):  # it is not there, or is not what was kept
        if _is_whole(kept):
            _copy(kept, names)
            return
    form()
    with contextlib.suppress(OSError):  # it is made again the next time
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        _put(names / FOLDER, kept)


def _is_whole(kept: Path) -> bool:
    """Whether the image is that of its sum."""
    told = (kept / f"{IMAGE}.md5").read_text().split()[0]
    return hashlib.md5((kept / IMAGE).read_bytes(), usedforsecurity=False).hexdigest() == told


def _copy(kept: Path, names: Path) -> None:
    own = {
        "clusterID": f"CID-{uuid.uuid4()}",
        # As Hadoop has it; the address is no more than a part of the name.
        "blockpoolID": f"BP-{random.SystemRandom().randrange(1, 2**31)}-127.0.0.1-{int(time.time() * 1000)}",
        "cTime": str(int(time.time() * 1000)),
    }
    told = [line.partition("=") for line in (kept / VERSION).read_text().splitlines() if not line.startswith("#")]
    _put(kept, names / FOLDER, "".join(f"{name}={own.get(name, value)}\n" for name, _, value in told))


def _put(source: Path, target: Path, version: str = "") -> None:
    """Copy a folder, as a whole or not at all; where there is one meanwhile, that stays."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as folder:
        made = Path(folder) / FOLDER
        shutil.copytree(source, made)
        if version:
            (made / VERSION).write_text(version)
        made.rename(target)
