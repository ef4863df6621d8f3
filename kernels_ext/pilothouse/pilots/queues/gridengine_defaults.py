"""Grid Engine's files of defaults, where they would make something else of a node's job than a job that starts.

Options of the cluster's file, the user's and the folder's (sge_request(5)) count for each ``qsub``. Two kinds of them
can't be taken back by others: those of arrays, and holds. Where a file has one, the script drops all three files (with
``-clear``, which on a command line would drop the script's options, too) and says the rest of them before its own
lines, which win over it as they do over files.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

#: Options that nothing takes back, and how many words follow each.
SPOILING = {"-t": 1, "-tc": 1, "-h": 0, "-hold_jid": 1, "-hold_jid_ad": 1}
#: Where Debian's packages have what ``$SGE_ROOT`` names elsewhere.
ROOT = "/var/lib/gridengine"


def defaults() -> list[str]:
    """What a script has to say first, a line each, where the files may not stay as they are; else nothing."""
    files = [_options(file) for file in _files()]
    if not any(option in SPOILING for options in files for option, *_ in options):
        return []
    return ["-clear", *(shlex.join(words) for options in files for words in options if words[0] not in SPOILING)]


def _files() -> Iterator[Path]:
    common = Path(os.environ.get("SGE_ROOT") or ROOT, os.environ.get("SGE_CELL") or "default", "common")
    yield common / "sge_request"
    yield Path(pwd.getpwuid(os.getuid()).pw_dir, ".sge_request")  # qsub does not ask $HOME
    yield Path.cwd() / ".sge_request"


def _options(file: Path) -> list[list[str]]:
    """The options of a file, each with its words."""
    try:
        words = shlex.split(file.read_text(), comments=True)
    except (OSError, ValueError):  # none, or one that qsub refuses
        return []
    found: list[list[str]] = []
    for word in words:
        if re.match(r"-[^\d]", word) or not found:  # a priority may be -100
            found.append([word])
        else:
            found[-1].append(word)
    return found
