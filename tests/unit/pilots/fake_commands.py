"""Fakes: commands of batch systems that print what a real one printed, or hang, fail or lie."""

from __future__ import annotations

from pathlib import Path

from pilothouse.pilots.queues.slurm import SEPARATOR

SINFO = """\
normal*|1:00:00|4|4000|(null)|(null)|up
normal*|1:00:00|4|4000|fast|(null)|up
debug|5:00|4|4000|(null)|(null)|up
gpu|2-00:00:00|64+|256000+|a100,nvlink|gpu:a100:4(S:0-1)|up
old|infinite|2|2000|(null)|(null)|down
"""


class FakeCommands:
    """A folder that is all of PATH that counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def prints(self, name: str, text: str, code: int = 0) -> None:
        """The command prints `text`, and counts how often it was called."""
        said = self.folder / f"{name}.txt"
        said.write_text(text)
        self._write(name, f'echo >> "{self.folder / name}.calls"\n/bin/cat "{said}"\nexit {code}')

    def lists(self, *jobs: tuple[object, ...]) -> None:
        """squeue has these jobs: name, number, state, reason, start, end, host, exit code, submitted (if at all)."""
        rows = [(*job, "N/A")[:9] for job in jobs]
        self.prints("squeue", "".join("".join(f"{field}{SEPARATOR}" for field in row) + "\n" for row in rows))

    def hangs(self, name: str) -> None:
        """The command does not end; it counts how often it was called."""
        self._write(name, f'echo >> "{self.folder / name}.calls"\nexec /bin/sleep 600')

    def fails(self, name: str, text: str) -> None:
        """The command ends with an error and `text`."""
        self._write(name, f"echo '{text}' >&2\nexit 1")

    def calls(self, name: str) -> int:
        """How often the command was called."""
        counted = self.folder / f"{name}.calls"
        return len(counted.read_text().splitlines()) if counted.exists() else 0

    def _write(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
