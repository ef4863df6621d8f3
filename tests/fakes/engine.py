"""What is the same in all fake batch systems: jobs in a folder, which really start as processes of this host.

There is no daemon. Whoever runs a command looks after the queue; a process of each job waits for its end, sees to its
walltime, and starts the next. ``control.json`` tells commands to misbehave (see :func:`behave`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

#: Seconds between SIGTERM and SIGKILL.
GRACE_S = 3.0
#: What a job sees of the environment in which it was submitted: as little as batch systems show.
KEPT = ("HOME", "USER", "LOGNAME", "PATH", "TMPDIR", "PBS_CONF_FILE", "LSF_ENVDIR", "CONDOR_CONFIG")


class Engine:
    """The queue of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = json.loads((folder / "settings.json").read_text())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def path(self, number: int) -> Path:
        return self.folder / "jobs" / f"{number}.json"

    def read(self, number: int) -> dict[str, Any] | None:
        try:
            return json.loads(self.path(number).read_text())  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None

    def write(self, job: dict[str, Any]) -> None:
        path = self.path(job["number"])
        path.with_suffix(".new").write_text(json.dumps(job))
        path.with_suffix(".new").replace(path)

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the oldest first, with what the control file lies about."""
        numbers = sorted(int(path.stem) for path in (self.folder / "jobs").glob("*.json"))
        found = [job for job in map(self.read, numbers) if job is not None]
        lies = self.control()
        found = [job for job in found if job["number"] not in lies.get("forget", ())]
        for job in found:
            if job["number"] in lies.get("running", ()):
                job.update(state="running", host=job["host"] or next(iter(self.settings["hosts"])), status=None)
                job["started"] = job["started"] or job["submitted"]
        return [job for job in found for _ in range(2 if job["number"] in lies.get("twice", ()) else 1)]

    def control(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "control.json").read_text())  # type: ignore[no-any-return]
        except FileNotFoundError:
            return {}

    def submit(self, script: str, members: Sequence[dict[str, str]] = (), **fields: Any) -> int:
        """A new job; its number. Or an array, with these variables for each of its `members`; the first one's."""
        with self.locked():
            first = max((int(path.stem) for path in (self.folder / "jobs").glob("*.json")), default=100) + 1
            path = self.folder / "scripts" / f"{first}.sh"
            path.write_text(script)
            for number, variables in enumerate(members or [{}], first):
                job = {
                    "number": number, "name": "job", "cores": 1, "nodes": 1, "hosts": [], "memory": 0,
                    "walltime": 3600.0, "after": 0, "held": False, "queue": "", "folder": os.getcwd(),
                    "script": str(path), "state": "pending", "host": "", "reason": "", "submitted": time.time(),
                    "started": None, "ended": None, "status": None, "cause": "", "runner": 0,
                    "array": first if members else 0, "variables": variables,
                }  # fmt: skip
                self.write({**job, **{name: value for name, value in fields.items() if value is not None}})
        self.advance()
        return first

    def advance(self) -> None:
        """Start what fits, in the order of submission; say why the others wait."""
        with self.locked():
            numbers = sorted(int(path.stem) for path in (self.folder / "jobs").glob("*.json"))
            jobs = [job for job in map(self.read, numbers) if job is not None]
            ended = {job["number"] for job in jobs if job["state"] == "ended"}
            free = dict(self.settings["hosts"])
            for job in jobs:
                for host in job["hosts"] if job["state"] == "running" else ():
                    free[host] -= job["cores"]
            for job in jobs:
                if job["state"] != "pending":
                    continue
                fitting = [host for host, cores in free.items() if cores >= job["cores"]]
                if job["after"] and job["after"] not in ended and self.read(job["after"]) is not None:
                    reason = "dependency"
                elif len(fitting) >= job["nodes"]:
                    hosts = fitting[: job["nodes"]]
                    for host in hosts:
                        free[host] -= job["cores"]
                    self._start({**job, "hosts": hosts}, hosts[0])
                    continue
                else:
                    able = [host for host, cores in self.settings["hosts"].items() if cores >= job["cores"]]
                    reason = "never" if len(able) < job["nodes"] else "resources"
                if reason != job["reason"]:
                    self.write({**job, "reason": reason})

    def cancel(self, number: int) -> str:
        """``"cancelled"``, ``"ended"`` when it had ended already, ``"unknown"`` when there is none."""
        with self.locked():
            job = self.read(number)
            if job is None:
                return "unknown"
            if job["state"] == "ended":
                return "ended"
            if job["state"] == "pending":
                self.write({**job, "state": "ended", "cause": "cancelled", "ended": time.time()})
            else:
                self.write({**job, "cause": job["cause"] or "cancelled"})
                self.path(number).with_suffix(".cancel").touch()
        self.advance()
        return "cancelled"

    def _start(self, job: dict[str, Any], host: str) -> None:
        runner = subprocess.Popen(
            [sys.executable, "-BSE", __file__, str(self.folder), str(job["number"])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={
                **{name: value for name, value in os.environ.items() if name in KEPT},
                **job["variables"],
                "PATH": f"{self.folder / 'hosts' / host}:{os.environ['PATH']}",
                "FAKE_JOB": str(job["number"]),
            },
        )
        self.write(
            {**job, "state": "running", "host": host, "reason": "", "started": time.time(), "runner": runner.pid}
        )

    def run(self, number: int) -> None:
        """Be the process that looks after a running job."""
        asked = self.path(number).with_suffix(".cancel")
        with self.locked():  # whoever starts this process writes the job's record first
            job = self.read(number)
        assert job is not None
        deadline = time.monotonic() + job["walltime"]
        process = subprocess.Popen(["/bin/bash", job["script"]], cwd=job["folder"], start_new_session=True)
        while process.poll() is None and not asked.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        cause = "" if process.poll() is not None else ("cancelled" if asked.exists() else "walltime")
        if cause:
            self._end(process)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with self.locked():
            job = self.read(number) or job
            self.write({**job, "state": "ended", "cause": cause, "status": process.returncode, "ended": time.time()})
        self.advance()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def behave(engine: Engine, command: str) -> None:
    """Misbehave, if the control file wants that of `command`.

    Its keys: ``commands`` (which of them; all where it is left out), ``delay`` (seconds), ``hang``, ``garbage``,
    ``fail`` (what to say on standard error, with exit code 1); and for all listings ``forget``, ``twice`` and
    ``running`` (numbers of jobs to leave out, show twice, and call running whatever they do).
    """
    control = engine.control()
    if command not in control.get("commands", [command]):
        return
    time.sleep(control.get("delay", 0))
    if control.get("hang"):
        (engine.folder / "hanging" / str(os.getpid())).touch()
        subprocess.run(["sleep", "600"], check=False)
    if control.get("garbage"):
        sys.stdout.write("\x00<html>502 Bad Gateway</html>{[\n" * 3)
        raise SystemExit(0)
    if "fail" in control:
        refuse(control["fail"], 1)


def refuse(said: str, code: int) -> NoReturn:
    """End with `said` on standard error."""
    sys.stderr.write(f"{said}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    Engine(Path(sys.argv[1])).run(int(sys.argv[2]))
