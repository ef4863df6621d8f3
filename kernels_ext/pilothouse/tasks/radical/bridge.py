"""The inside of RADICAL-Pilot's own process: JSON lines in (tasks), JSON lines out (what becomes of them).

It is run by its path, by the Python of an environment that has RADICAL-Pilot and need not have Pilothouse: nothing
but the standard library and RADICAL's is imported. The first line on standard input has ``resource`` and what the
node has (``cores``, ``gpus``, ``node``), each later line ``tasks``; the end of input ends everything, within a second,
whatever RADICAL-Pilot is at.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import time
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
#: Names the folder below which RADICAL-Pilot looks for the user's settings; its home where this is not set.
SETTINGS = "RADICAL_CONFIG_USER_DIR"
#: Minutes. The pilot around this one ends it; RADICAL-Pilot's own clock must not come first.
_RUNTIME = 60 * 24 * 365


class Bridge:
    """One session with one pilot on this host."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}

    def say(self, **message: Any) -> None:
        """Send a line."""
        with self._lock:
            self._sink.write(json.dumps(message) + "\n")
            self._sink.flush()

    def serve(self, source: Any) -> None:
        """Start RADICAL-Pilot and hand on tasks until the end of input."""
        order = json.loads(source.readline())
        orders: list[dict[str, Any]] = []
        news = threading.Condition()
        threading.Thread(target=_read, args=(source, orders, news), daemon=True).start()

        import radical.pilot as rp

        resource = order["resource"]
        _describe(resource, order["node"])
        session = rp.Session()
        endpoint = session.get_resource_config(resource).job_manager_endpoint
        if not endpoint.startswith("fork:"):
            raise ValueError(f"its resource {resource!r} submits jobs of its own ({endpoint}), which no pilot owns")
        pilots, tasks = rp.PilotManager(session), rp.TaskManager(session)
        pilots.register_callback(lambda pilot, state: self._pilot_is(rp, pilot, state))
        tasks.register_callback(lambda task, state: self._task_is(rp, task, state))
        described = {"resource": resource, "cores": order["cores"], "gpus": order["gpus"], "runtime": _RUNTIME}
        tasks.add_pilots(pilots.submit_pilots(rp.PilotDescription(described)))
        while True:
            with news:
                news.wait_for(lambda: orders)
                given, orders[:] = list(orders), []
            tasks.submit_tasks([rp.TaskDescription(task) for task in given])

    def _pilot_is(self, rp: Any, pilot: Any, state: str) -> None:
        if state == rp.PMGR_ACTIVE:
            self.say(active=pilot.uid)
        elif state in rp.FINAL:
            self.say(error=f"RADICAL-Pilot's pilot is {state}")

    def _task_is(self, rp: Any, task: Any, state: str) -> None:
        if state == rp.AGENT_EXECUTING:
            self._started[task.uid] = time.monotonic()
            self.say(executing=task.uid)
        elif state in rp.FINAL:
            seconds = time.monotonic() - self._started.pop(task.uid, time.monotonic())
            self.say(ended=task.uid, state=state, code=task.exit_code, error=task.exception or "", seconds=seconds)


def _describe(resource: str, node: dict[str, Any]) -> None:
    """Have RADICAL-Pilot's `resource`, its own or one of the user's settings, be the `node` where this runs."""
    import radical.utils as ru

    site, _, name = resource.partition(".")
    known = ru.Config("radical.pilot.resource", name="*", expand=False).as_dict()
    if name not in known.get(site, {}):
        raise LookupError(f"it knows no resource {resource!r}; of the site {site!r}, {sorted(known.get(site, {}))}")
    folder = os.path.expanduser("~/.radical/pilot/configs")
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/resource_{site}.json", "w") as file:
        json.dump({name: {**known[site][name], **node}}, file)
    os.environ[SETTINGS] = os.path.expanduser("~")


def _read(source: Any, orders: list[dict[str, Any]], news: threading.Condition) -> None:
    for line in source:
        with news:
            orders += json.loads(line)["tasks"]
            news.notify()
    end(0)


def end(code: int) -> None:
    """End this process and all that descends from it, now: RADICAL-Pilot's own way out takes many seconds.

    What loses its parent becomes a child of this process: when the system knows no child of it, nothing is left.
    """
    deadline = time.monotonic() + 5.0
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            for pid in _descendants():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.01)
    os._exit(code)


def _descendants() -> set[int]:
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
            if state != "Z" or int(parent) == os.getpid():
                parents[int(name)] = int(parent)
    found, before = {os.getpid()}, 0
    while len(found) > before:
        before = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found - {os.getpid()}


def main() -> None:
    """Be the bridge."""
    del sys.path[0]  # the folder of this file, where `radical` is another module
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # its agents detach themselves
    source, sink = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what it prints is for the log
    bridge = Bridge(sink)
    try:
        bridge.serve(source)
    except BaseException as error:  # noqa: BLE001 - it ends its caller's main thread with KeyboardInterrupt and SystemExit
        bridge.say(error=f"RADICAL-Pilot: {type(error).__name__}: {error}")
        end(1)


if __name__ == "__main__":
    main()
