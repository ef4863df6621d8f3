"""A node process that has executables run by RADICAL-Pilot, in RADICAL-Pilot's own environment.

It speaks with the driver like a :mod:`.launcher` does. RADICAL-Pilot itself is never imported here: the process of
:mod:`.bridge` has its signals, threads and sockets. Whatever it leaves lies in its home, a folder for each node in the
folder ``radical`` of the run.

A task begins when its script has made a link that says so. The launcher that makes it first has taken the task back:
whatever RADICAL-Pilot still does with it, nothing of it runs there.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pilothouse import remains
from pilothouse.errors import Failed
from pilothouse.registry.logs import tail
from pilothouse.runs.channel import Channel
from pilothouse.tasks import mpi, process_tree
from pilothouse.tasks.launcher import descendants, ending
from pilothouse.tasks.places import Places, missing
from pilothouse.tasks.radical import bridge as radical_bridge
from pilothouse.tasks.staging import stage

#: Where the homes of RADICAL-Pilot are, in the run's folder.
HOME = "radical"
#: What RADICAL-Pilot's process has otherwise than the node; its tasks get the node's.
_OWN = ("HOME", "PATH", "PYTHONHOME", "PYTHONPATH", radical_bridge.SETTINGS, "TMPDIR", "VIRTUAL_ENV")


class Radical:
    """The executables of one run on one node, by way of RADICAL-Pilot."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        config = channel.config
        self._node, self._mark, self._capacity = config["node"], config["mark"], config["capacity"]
        self._common = config["common"]
        self._places = Places(Path(config["folder"]), Path(config["work"]), config["many"])
        self._home = Path(config["folder"]) / HOME / self._node
        self._tasks: dict[str, dict[str, Any]] = {}
        self._executing: dict[str, float] = {}
        self._leaving = False
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._over = False

    def serve(self) -> None:
        """Do what the driver says until it says stop or is gone.

        Raises
        ------
        Failed
            RADICAL-Pilot did not start, or ended.
        """
        self._bridge = self._start()
        hearing = threading.Thread(target=self._hear_bridge, daemon=True)
        hearing.start()
        threading.Thread(target=self._hear_driver, daemon=True).start()
        threading.Thread(target=self._watch, args=(hearing,), daemon=True).start()
        threading.Thread(target=self._await_leaving, daemon=True).start()
        node = {f"{what}_per_node": number for what, number in self._capacity.items()}
        self._write(
            **self._capacity, resource=self._common["radical"]["resource"],
            node={**node, "lfs_path_per_node": str(self._home / "tmp")},
        )  # fmt: skip
        self._channel.send({"hello": self._node})
        while not self._over:
            self._inbox.get()()

    def end(self) -> None:
        """End RADICAL-Pilot and all that it has started, and say which tasks that cut off."""
        remains.end(descendants, 0.0)  # its own way out takes longer than a stop may
        self._take_back()
        now = time.monotonic()
        cut = [(task["task"], round(now - self._executing.get(uid, now), 1)) for uid, task in self._tasks.items()]
        if cut and self._channel.leaving.is_set():
            with contextlib.suppress(OSError):  # its node is gone, too
                self._channel.send({"cut": cut})

    # ------------------------------------------------------------------ the bridge's process

    def _start(self) -> subprocess.Popen[str]:
        environment = Path(self._common["radical"]["environment"])
        temporary = self._home / "tmp"
        shutil.rmtree(self._home, ignore_errors=True)  # of one that ended on this node
        try:
            temporary.mkdir(parents=True, exist_ok=True)
            return subprocess.Popen(
                [environment / "bin" / "python", radical_bridge.__file__], cwd=self._home, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment(environment, temporary),
            )  # fmt: skip
        except OSError as error:
            raise Failed(f"RADICAL-Pilot can't be started: {error.filename}: {error.strerror or error}") from None

    def _environment(self, environment: Path, temporary: Path) -> dict[str, str]:
        """As if the environment had been activated: RADICAL-Pilot's agents find theirs by it."""
        env = {name: value for name, value in os.environ.items() if name not in _OWN}
        return env | {
            "HOME": str(self._home),
            radical_bridge.SETTINGS: os.environ.get(radical_bridge.SETTINGS) or str(Path.home()),
            "PWD": str(self._home),  # it asks this, not the system, where to put its sessions
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "TMPDIR": str(temporary),
            "VIRTUAL_ENV": str(environment),
            process_tree.MARK: f"{self._mark}/radical",
        }

    def _write(self, **order: Any) -> None:
        pipe = self._bridge.stdin
        assert pipe is not None  # noqa: S101 - it was opened as a pipe
        try:
            pipe.write(json.dumps(order) + "\n")
            pipe.flush()
        except OSError:
            return  # it has ended, which is heard

    def _hear_driver(self) -> None:
        while not self._channel.stopping.is_set():
            if (message := self._channel.receive()) is not None and message["op"] == "run":
                self._inbox.put(partial(self._give, message["batches"]))
        self._inbox.put(self._stop)

    def _hear_bridge(self) -> None:
        assert self._bridge.stdout is not None  # noqa: S101 - it was opened as a pipe
        for line in self._bridge.stdout:
            self._inbox.put(partial(self._heard, json.loads(line)))

    def _watch(self, hearing: threading.Thread) -> None:
        """Its output does not end with it while processes that it has forked are there."""
        code = self._bridge.wait()
        hearing.join(1.0)  # its last words come first
        self._inbox.put(partial(self._heard, {"error": f"RADICAL-Pilot ended with {code}; its words are in the log"}))

    def _await_leaving(self) -> None:
        self._channel.leaving.wait()
        self._inbox.put(self._leave)

    def _leave(self) -> None:
        """What runs may end; what was not begun is for others."""
        self._leaving = True
        self._take_back()

    def _take_back(self) -> None:
        returned = [uid for uid in self._tasks if self._was_returned(uid)]
        for uid in returned:
            self._executing.pop(uid, None)  # its script was not there yet
        self._return([self._tasks.pop(uid)["task"] for uid in returned])
        self._over = self._over or not self._tasks

    def _return(self, numbers: list[int]) -> None:
        if numbers:
            with contextlib.suppress(OSError):  # its node is gone, too
                self._channel.send({"ended": [], "free": [], "returned": numbers})

    def _was_returned(self, uid: str) -> bool:
        """Whether a task could be taken back; else it has begun, or may have."""
        try:
            self._link(uid).symlink_to("returned")
        except OSError:
            return False
        return True

    def _link(self, uid: str) -> Path:
        return Path(self._home, f"{uid}.is")

    def _stop(self) -> None:
        self._over = True

    # ------------------------------------------------------------------ tasks

    def _give(self, batches: list[dict[str, Any]]) -> None:
        given, ends = [], []
        tasks = [task for batch in batches for task in batch["tasks"]]
        if self._leaving:
            self._return([task["task"] for task in tasks])
            return
        for task in tasks:
            try:
                given.append(self._described(task))
            except (Failed, OSError) as error:
                ends.append(self._end(task, None, str(error), 0.0))
        if ends:
            self._channel.send({"ended": ends, "free": []})
        if given:
            self._write(tasks=given)

    def _described(self, task: dict[str, Any]) -> dict[str, Any]:
        """The task in RADICAL-Pilot's words. Its script has the environment and the arguments, quoted by us."""
        number, uid = task["task"], f"task.{task['task']:06}.{task['attempt']}"
        folder = self._places.working(number)
        out, err = (self._places.printed(number, stream) for stream in ("stdout", "stderr"))
        folder.mkdir(parents=True, exist_ok=True)
        out.parent.mkdir(exist_ok=True)
        stage(task["inputs"], folder, self._common["stage"])
        for file in (out, err):
            file.write_bytes(b"")
        script = self._home / f"{uid}.sh"
        script.write_text(self._script(task, uid, folder, out, err))
        self._tasks[uid] = task
        return {
            "uid": uid, "executable": "/bin/sh", "arguments": [str(script)], "ranks": self._common["ranks"] or 1,
            "cores_per_rank": self._common["cores"], "timeout": self._common["timeout"] or 0.0,
            **({"gpus_per_rank": self._common["gpus"], "gpu_type": "CUDA"} if self._common["gpus"] else {}),
        }  # fmt: skip

    def _script(self, task: dict[str, Any], uid: str, folder: Path, out: Path, err: Path) -> str:
        own = {name: os.environ[name] for name in _OWN if name in os.environ}
        link = shlex.quote(str(self._link(uid)))
        unmade = f"echo the link {link} can not be made >> {shlex.quote(str(err))}; exit 75"
        # each rank runs this: the first one makes the link
        lines = [
            f"ln -s begun {link} 2> /dev/null || "
            f"case $(readlink {link}) in begun) ;; returned) exit 0;; *) {unmade};; esac"
        ]
        lines += [f"unset {name}" for name in _OWN if name not in own]
        variables = {
            **own,
            **mpi.threads(self._common["cores"]),
            "PILOTHOUSE_TASK": str(task["task"]),
            "PILOTHOUSE_ATTEMPT": str(task["attempt"]),
            **task["env"],
        }
        lines += self._visible_gpus()
        lines.append(f"exec >> {shlex.quote(str(out))} 2>> {shlex.quote(str(err))}")
        lines.append(f"cd {shlex.quote(str(folder))} || exit")
        # not by `export`: names of variables need not be names of the shell's
        assignments = [shlex.quote(f"{name}={value}") for name, value in variables.items()]
        words = ["exec", "env", *assignments, "/bin/sh", "-c", shlex.quote('exec "$@"'), "sh"]  # argv[0] may hold a "="
        lines.append(" ".join([*words, *map(shlex.quote, task["argv"])]))
        return "\n".join(lines) + "\n"

    def _visible_gpus(self) -> list[str]:
        """RADICAL-Pilot counts GPUs from 0: these are the names of those that the node itself may see."""
        if not self._capacity["gpus"]:
            return []
        if not self._common["gpus"]:
            return ["export CUDA_VISIBLE_DEVICES="]
        names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        if not names:
            return []
        cases = " ".join(f"{index}) echo {shlex.quote(name)};;" for index, name in enumerate(names))
        each = f"while read -r index; do case $index in {cases} esac; done"
        return [f"export CUDA_VISIBLE_DEVICES=$(echo $CUDA_VISIBLE_DEVICES | tr , '\\n' | {each} | paste -sd ,)"]

    def _heard(self, message: dict[str, Any]) -> None:
        if "error" in message and "ended" not in message:
            raise Failed(message["error"])
        if "active" in message:
            self._channel.send({"up": self._node})
        elif "executing" in message:
            if message["executing"] in self._tasks:
                self._executing[message["executing"]] = time.monotonic()
        elif "ended" in message and (task := self._tasks.pop(message["ended"], None)) is not None:
            self._executing.pop(message["ended"], None)
            end = self._judged(task, message)
            if end["error"] and self._channel.was_terminated:  # like all processes of the node's job: not to blame
                self._channel.send({"ended": [], "free": [], "lost": [end["task"]]})
            else:
                self._channel.send({"ended": [end], "free": []})
            self._over = self._over or (self._leaving and not self._tasks)
        self._channel.send({"executing": len(self._executing)})

    def _judged(self, task: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        code, state, error = message["code"], message["state"], ""
        if code is not None and code > 128:  # as shells tell of signals
            code = 128 - code
        if state == "CANCELED":
            timeout = self._common["timeout"]
            error = f"it took longer than timeout={timeout:g} s" if timeout else "RADICAL-Pilot cancelled it"
        elif code:
            error = ending(code)
        elif state != "DONE":
            error = f"RADICAL-Pilot could not run it: {message['error'] or state}"
        elif gone := missing(self._places.working(task["task"]), task["outputs"]):
            error = f"it ended well but left no {', '.join(map(repr, gone))}"
        return self._end(task, code, error, message["seconds"])

    def _end(self, task: dict[str, Any], code: int | None, error: str, seconds: float) -> dict[str, Any]:
        last = tail(self._places.printed(task["task"], "stderr"), 5) if error else ""
        self._places.tidy(task["task"])
        return {
            "task": task["task"], "attempt": task["attempt"], "code": code, "error": error,
            "seconds": round(seconds, 4), "last": last,
        }  # fmt: skip


def main(channel: Channel) -> None:
    """Have the tasks of one run on this node run by RADICAL-Pilot."""
    process_tree.adopt()
    radical = Radical(channel)
    try:
        radical.serve()
    except Failed as error:
        channel.send({"error": str(error)})
    finally:
        radical.end()
