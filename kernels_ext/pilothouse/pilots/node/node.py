"""A node: the process in a batch job that holds one Dask worker and the services placed there.

``python -m pilothouse.pilots.node.node --name N --scheduler-file F --tls-cert C --tls-key K --scratch D ...``.
It starts, feeds and ends node processes (:mod:`pilothouse.runs.channel`) when the supervisor asks over
Dask's own connection, and passes on what they say, so a node needs no port but its worker's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import psutil

from pilothouse import remains
from pilothouse.pilots.node.own_folder import OWNER, own_folder, remove_left
from pilothouse.pilots.node.unhurried import slow_down
from pilothouse.registry.line.tls import clock_trouble
from pilothouse.runs.channel import FINISH_S, FINISHING, PILOT_VARIABLE, SAVING

logger = logging.getLogger(__name__)

#: Seconds that a node waits for its pilot's scheduler when it has just begun.
START_S = 60.0
#: Seconds after its pilot's lease at which a node ends by itself: the supervisor should have, and clocks differ.
LEASE_SLACK_S = 120.0

#: Seconds for which processes of a node that has died may end by themselves.
ORPHANS_S = 8.0
#: Seconds that node processes have to end, or to say what they have to finish, when their supervisor has gone.
SAVE_S = 4.0


class ProcessHost:
    """The node processes of one worker."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: set[str] = set()
        self._mark = remains.node_mark(str(worker.name), os.getpid())
        worker.handlers["pilothouse_spawn"] = self.spawn
        worker.handlers["pilothouse_send"] = self.send
        worker.handlers["pilothouse_kill"] = self.kill

    async def spawn(self, key: str, module: str, config: str, log: str, env: Mapping[str, str]) -> dict[str, Any]:
        """Start ``module.main(channel)``; what it prints goes to the file `log`."""
        with await asyncio.to_thread(open, log, "ab") as file:  # a shared file system may be slow
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "pilothouse.runs.channel",
                module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env={**os.environ, **env, remains.MARK: f"{self._mark}{key}/"},
                limit=4 * 2**20,
            )
        self._processes[key] = process
        await self.send(key, config)
        task = asyncio.create_task(self._relay(key, process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return {"status": "OK", "pid": process.pid}

    async def send(self, key: str, line: str) -> dict[str, str]:
        """Give the process a line of JSON; a process that has ended gets nothing and that is no error."""
        process = self._processes.get(key)
        if process is not None and process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(line.encode() + b"\n")
                await process.stdin.drain()
        return {"status": "OK"}

    async def kill(self, key: str) -> dict[str, str]:
        """End the process at once, unless it finishes what must not be lost: its driver goes, and it ends by itself."""
        if key in self._processes and key not in self._finishing:
            with contextlib.suppress(ProcessLookupError):
                self._processes[key].kill()
        return {"status": "OK"}

    async def _relay(self, key: str, process: asyncio.subprocess.Process) -> None:
        stdout = cast("asyncio.StreamReader", process.stdout)
        async for line in stdout:
            message = json.loads(line)
            if message == FINISHING:
                self._finishing.add(key)
            else:
                self._tell({"op": "pilothouse_message", "key": key, "message": message})
        code = await process.wait()
        if code:  # it did not end what it had started itself; whoever hears of its end may start the same elsewhere
            await asyncio.to_thread(remains.end, lambda: remains.marked(f"{self._mark}{key}/"), 0.0)
        self._processes.pop(key, None)
        self._finishing.discard(key)
        self._tell({"op": "pilothouse_exit", "key": key, "code": code})

    def _tell(self, message: dict[str, Any]) -> None:
        from distributed.comm import CommClosedError

        with contextlib.suppress(CommClosedError):  # the scheduler is gone: so is the node, in a moment
            self._worker.batched_stream.send(message)

    async def leave(self, seconds: float) -> None:
        """The node was told to end: have the supervisor take away what is here, and the worker when that is done."""
        self._tell({"op": "pilothouse_told", "seconds": seconds})
        if not self._processes and not self._worker.state.tasks:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._worker.finished()

    async def close(self) -> None:
        """End all processes: kindly by closing their input, then not."""
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        await self._wait(list(self._processes), SAVE_S)
        await self._wait(list(self._finishing), FINISH_S)  # a stream saves what it has committed
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if self._tasks:  # what those had started ends with them, before another supervisor starts the same elsewhere
            await asyncio.wait(self._tasks, timeout=SAVE_S)

    async def _wait(self, keys: Sequence[str], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(self._processes[key].wait() for key in keys))


async def serve(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    """Be a worker until the scheduler goes or `stop` is set."""
    from pilothouse.pilots.node.exits import Running
    from pilothouse.pilots.node.memory import job_memory
    from pilothouse.pilots.node.pages import Worker
    from pilothouse.registry.line.tls import security

    slow_down()
    tls = {"tls_ca": arguments.tls_cert, "tls_cert": arguments.tls_cert, "tls_key": arguments.tls_key}
    where = {"interface": arguments.interface} if arguments.interface else {"host": arguments.host or None}
    running = Running(Running.path(Path(arguments.scheduler_file).parent, arguments.name))
    worker = Worker(
        running=running,
        scheduler_file=arguments.scheduler_file,
        name=arguments.name,
        nthreads=arguments.cores,
        memory_limit=arguments.memory or job_memory() or "auto",
        resources=json.loads(arguments.resources),
        security=security(tls),
        local_directory=arguments.scratch,
        dashboard=False,
        death_timeout=15,
        **where,
    )
    host = ProcessHost(worker)

    async def close() -> None:
        await stop.wait()
        if worker.status.name in ("running", "closing_gracefully"):
            await host.leave(arguments.grace)
        await worker.close()

    closing = asyncio.create_task(close())
    try:
        await worker
        await worker.finished()
    finally:
        closing.cancel()
        running.close()
        await host.close()


def _scheduler(path: Path) -> str:
    """Which scheduler the file names; empty while there is none."""
    try:
        return str(json.loads(path.read_bytes())["id"])
    except (OSError, ValueError, KeyError):
        return ""


def _pilot_has_ended(record: str) -> bool:
    """Whether the pilot has ended for good: a lost one may be recovered."""
    try:
        return json.loads(Path(record).read_bytes())["state"] in ("finished", "failed", "draining")
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError):
        return False


def _end_with_lease(record: str, until: float, stop: asyncio.Event) -> None:
    """Set `stop` when the pilot's lease is over, which may be later by then."""
    left = until + LEASE_SLACK_S - time.time()
    if left <= 0 and (later := _lease_end(record)) > until:
        _end_with_lease(record, later, stop)
    elif left <= 0:
        stop.set()
    else:
        asyncio.get_running_loop().call_later(left, _end_with_lease, record, until, stop)


def _lease_end(record: str) -> float:
    """When the lease of a pilot ends that goes on, seconds since 1970; 0 where it is not known."""
    try:
        return datetime.fromisoformat(json.loads(Path(record).read_bytes())["lease_end"] or "").timestamp()
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


async def _main(arguments: argparse.Namespace) -> None:
    """Serve one scheduler after the other, as long as the pilot goes on.

    When a supervisor dies, the node waits for its successor: `patience` seconds, in which nothing is computed. A
    scheduler that does not answer is tried again for so long: it may be busy, or its file may be of one that is gone.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if arguments.until:
        _end_with_lease(arguments.record, arguments.until, stop)
    path, served, patience = Path(arguments.scheduler_file), "", START_S
    deadline = time.monotonic() + patience
    while True:
        pause = 0.01
        while (found := _scheduler(path)) in ("", served):
            if _pilot_has_ended(arguments.record):
                return
            if time.monotonic() > deadline:
                logger.warning("no supervisor came within %g s: this node ends", patience)
                return
            if await _is_set(stop, pause):
                return
            pause = min(pause * 1.2, 1.0)
        try:
            await serve(arguments, stop)
        except (TimeoutError, OSError) as error:
            logger.warning(
                "the scheduler of %s does not answer: %s", path, clock_trouble(Path(arguments.tls_cert)) or error
            )
            if time.monotonic() > deadline or await _is_set(stop, 1.0):
                return
        else:
            served, patience = found, arguments.patience
            deadline = time.monotonic() + patience
        if stop.is_set() or not arguments.patience:
            return


async def _is_set(stop: asyncio.Event, seconds: float) -> bool:
    """Whether `stop` is set within `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()


async def after_death(name: str, pid: int) -> None:
    """A node's own process, `pid`, has died: let the runs' processes save what they have, then end what is left of it.

    They notice it, and end by themselves; what they had started does not, in whatever session it may be.
    """
    mark, begun = remains.node_mark(name, pid), time.monotonic()
    while seconds := await asyncio.to_thread(_patience, mark):
        if time.monotonic() > begun + seconds:
            break
        await asyncio.sleep(0.1)
    await asyncio.to_thread(remains.end, lambda: remains.marked(mark), 0.0)


def _patience(mark: str) -> float:
    """Seconds to wait for what carries this mark."""
    seconds = [0.0]
    for process in remains.marked(mark):
        with contextlib.suppress(psutil.Error):
            if process.name() == SAVING:
                seconds.append(FINISH_S)
            elif "pilothouse.runs.channel" in process.cmdline() and remains.is_running(process):
                seconds.append(ORPHANS_S)
    return max(seconds)


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def main(line: Sequence[str] | None = None) -> None:
    """Parse the command line and be a node."""
    parser = argparse.ArgumentParser(prog="pilothouse-node")
    for option in ("name", "scheduler-file", "tls-cert", "tls-key", "record"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("scratch", "folder", "host", "interface"):
        parser.add_argument(f"--{option}", default="")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--resources", default="{}")
    parser.add_argument("--patience", type=float, default=0.0)
    parser.add_argument("--until", type=float, default=0.0)
    parser.add_argument("--grace", type=float, default=0.0)
    arguments = parser.parse_args(line)
    signal.signal(signal.SIGTERM, _leave)  # until the event loop listens: the folder goes with the node
    import distributed  # noqa: F401  # before there is a folder: it takes long enough for a node to be killed in it

    folder = Path(arguments.folder) if arguments.folder else own_folder(arguments.name, arguments.scratch)
    arguments.scratch = os.environ["TMPDIR"] = str(folder)  # temporary files go with the node, whatever ends it
    os.environ[PILOT_VARIABLE] = Path(arguments.record).stem
    tempfile.tempdir = None
    try:
        folder.mkdir(mode=0o700, exist_ok=bool(arguments.folder))
        (folder / OWNER).write_text(json.dumps({"record": arguments.record}))
        os.chdir(folder)
        asyncio.run(_main(arguments))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending: a second one may not cut that short
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
        if not arguments.folder:
            remove_left(folder.parent)  # of its neighbours: with the last node of a pilot nobody else may come


def run(line: Sequence[str] | None = None) -> NoReturn:
    """As :func:`main`, and end without the interpreter's own clean-up: when many end, it takes longer than all else."""
    code: object = os.EX_SOFTWARE  # a failure of ours: no task of the node is to blame
    try:
        main(line)
        code = 0
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - this process ends here: what ended it is shown and becomes its exit code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else os.EX_SOFTWARE)


if __name__ == "__main__":
    run()
