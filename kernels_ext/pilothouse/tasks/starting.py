"""How a task becomes a process: its command, its variables, its working folder, and what says that it can't be one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.errors import Failed
from pilothouse.tasks import mpi, process_tree
from pilothouse.tasks.places import Places
from pilothouse.tasks.staging import stage


class Unfound(Failed):
    """There is no such executable; shells give this the exit code 127."""


class Starter:
    """Starts the processes of one run's tasks on one node.

    Parameters
    ----------
    config
        The launcher's: ``node``, its name; ``mark``, what tells the run's processes from others; ``common``, what all
        tasks have in common.
    """

    def __init__(self, config: Mapping[str, Any], places: Places) -> None:
        self._node, self._mark, self._common = config["node"], config["mark"], config["common"]
        self._places = places
        self._environment = dict(os.environ)
        self._encoded = dict(os.environb)  # what each process gets, and there may be hundreds of variables
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        self._mpi: tuple[list[str], bool] | None = None

    def start(self, task: dict[str, Any], gpus: list[int], node_gpus: int) -> subprocess.Popen[bytes]:
        """Start a task, with `gpus` of the node's `node_gpus`; what an MPI launcher prints that spans nodes is a pipe.

        Raises
        ------
        Unfound
            There is no such executable.
        Failed
            It can't be started, and why.
        """
        number = task["task"]
        folder = self._places.working(number)
        out, err = self._places.printed(number, "stdout"), self._places.printed(number, "stderr")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not out.parent.is_dir():
                out.parent.mkdir(exist_ok=True)
            stage(task["inputs"], folder, self._common["stage"])
            with out.open("wb", buffering=0) as stdout, err.open("wb", buffering=0) as stderr:
                printed = subprocess.PIPE if task.get("hosts") else stdout
                command, env = self._command(task), self._variables(task, gpus, node_gpus)
                return self._popen(command, folder, env, printed, stderr)
        except OSError as error:
            raise Failed(f"{error.filename or folder}: {error.strerror or error}") from None

    def start_part(self, task: dict[str, Any], command: list[str]) -> subprocess.Popen[bytes]:
        """Start what an MPI launcher on another node wants to have here.

        Raises
        ------
        Failed, OSError
            It can't be started, and why.
        """
        with self.part_log(task).open("ab") as file:
            env = self._variables(task, task["gpus"], task["node_gpus"])
            return self._popen(command, self._places.working(task["task"]), env, file, file)

    def part_log(self, task: dict[str, Any]) -> Path:
        """What the part of an MPI task on this node prints whose head is elsewhere."""
        return self._places.printed(task["task"], "stderr").with_suffix(f".{self._node}.log")

    def notes(self, task: dict[str, Any]) -> Path:
        """Where ranks that fail are noted."""
        return self._places.printed(task["task"], "ranks").with_suffix(".failed")

    def mark_of(self, task: dict[str, Any]) -> str:
        """What tells this attempt's processes from those of any other."""
        return f"{self._mark}/{task['task']}/{task['slot']}/{task['attempt']}"

    def _argv(self, task: dict[str, Any]) -> list[str]:
        argv: list[str] = task["argv"]
        return argv

    def _launcher(self) -> list[str]:
        """The command that starts MPI programs."""
        return mpi.launcher(self._common["launcher"] or (), self._environment)

    def _command(self, task: dict[str, Any]) -> list[str]:
        argv = self._argv(task)
        ranks = self._common["ranks"]
        if ranks is None:
            return argv
        self._find(argv[0], task["env"], self._places.working(task["task"]))
        if self._mpi is None:
            command = self._launcher()
            self._mpi = command, mpi.is_hydra(command)
        command, hydra = self._mpi
        argv = mpi.watched(argv, self.notes(task))
        if not task.get("hosts"):
            return mpi.on_one_node(command, hydra, ranks, argv)
        if not hydra:
            raise Failed(
                f"{command[0]} can't span the nodes of a pilot: take mpich's mpiexec (launcher=), or fewer ranks"
            )
        return mpi.on_nodes(command, [(host, int(n)) for host, n in task["hosts"]], ranks, argv)

    def _find(self, name: str, env: dict[str, str], folder: Path) -> None:
        """An MPI launcher reports a missing program in its own way, or hangs: say it first."""
        path = self._path(env)
        if shutil.which(str(folder / name) if "/" in name else name, path=path or None) is None:
            raise Unfound(f"{name!r} was not found on {self._node} (PATH={path})")

    def _path(self, env: Mapping[str, str]) -> str:
        return env.get("PATH") or self._environment.get("PATH", "")

    def _variables(self, task: dict[str, Any], gpus: list[int], node_gpus: int) -> dict[str, str]:
        """What a task has beside the node's own."""
        return {
            **self._launcher_variables(),
            **mpi.threads(self._common["cores"]),
            **mpi.visible_gpus(gpus, node_gpus, self._environment),
            "PILOTHOUSE_TASK": str(task["task"]),
            "PILOTHOUSE_ATTEMPT": str(task["attempt"]),
            process_tree.MARK: self.mark_of(task),
            **task["env"],
        }

    def _launcher_variables(self) -> dict[str, str]:
        """What the launcher of ranks is told beside its command line; only Hydra has parts on other nodes."""
        if self._common["ranks"] is None:
            return {}
        hydra = self._mpi is None or self._mpi[1]
        return mpi.of_hydra(self._environment) if hydra else mpi.of_open_mpi(self._environment, os.geteuid() == 0)

    def _popen(
        self, command: list[str], folder: Path, env: dict[str, str], stdout: Any, stderr: Any
    ) -> subprocess.Popen[bytes]:
        try:
            own = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
            return subprocess.Popen(
                command, cwd=folder, env={**self._encoded, **own}, stdin=self._nothing, stdout=stdout, stderr=stderr,
                start_new_session=True, close_fds=False,  # ours are not inherited anyway, and vfork needs it so
            )  # fmt: skip
        except FileNotFoundError:
            raise Unfound(f"{command[0]!r} was not found on {self._node} (PATH={self._path(env)})") from None
        except PermissionError:
            raise Failed(f"{command[0]!r} may not be executed on {self._node}: is it an executable file?") from None
        except (OSError, ValueError) as error:
            raise Failed(f"{command[0]!r} can't be executed on {self._node}: {error}") from None
