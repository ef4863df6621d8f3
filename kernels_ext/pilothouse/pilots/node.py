"""A node: the process in a batch job that holds one Dask worker and the services placed there.

``python -m pilothouse.pilots.node --name N --scheduler-file F --tls-cert C --tls-key K --scratch D ...``.
It starts, feeds and ends node processes (:mod:`pilothouse.pilots.child`) when the supervisor asks over
Dask's own connection, and passes on what they say, so a node needs no port but its worker's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

#: Dask's own clocks, slowed down: the defaults cost an idle scheduler 2 % of a core.
QUIET = {
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "10s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.worker-saturation": 1.1,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.comm.timeouts.connect": "15s",
}


class ProcessHost:
    """The node processes of one worker."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        worker.handlers["pilothouse_spawn"] = self.spawn
        worker.handlers["pilothouse_send"] = self.send
        worker.handlers["pilothouse_kill"] = self.kill

    async def spawn(self, key: str, module: str, config: str, log: str, env: Mapping[str, str]) -> dict[str, Any]:
        """Start ``module.main(channel)``; what it prints goes to the file `log`."""
        with open(log, "ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "pilothouse.pilots.child",
                module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env={**os.environ, **env},
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
        """End the process at once."""
        if key in self._processes:
            with contextlib.suppress(ProcessLookupError):
                self._processes[key].kill()
        return {"status": "OK"}

    async def _relay(self, key: str, process: asyncio.subprocess.Process) -> None:
        stdout = cast("asyncio.StreamReader", process.stdout)
        async for line in stdout:
            self._tell({"op": "pilothouse_message", "key": key, "message": json.loads(line)})
        code = await process.wait()
        self._processes.pop(key, None)
        self._tell({"op": "pilothouse_exit", "key": key, "code": code})

    def _tell(self, message: dict[str, Any]) -> None:
        from distributed.comm import CommClosedError

        with contextlib.suppress(CommClosedError):  # the scheduler is gone: so is the node, in a moment
            self._worker.batched_stream.send(message)

    async def close(self) -> None:
        """End all processes: kindly by closing their input, then not."""
        processes = list(self._processes.values())
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                await asyncio.gather(*(process.wait() for process in processes))
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


async def serve(arguments: argparse.Namespace) -> None:
    """Be a node until the scheduler goes or a signal comes."""
    import dask
    from distributed import Worker

    from pilothouse.pilots.tls import security

    dask.config.set(QUIET)
    tls = {"tls_ca": arguments.tls_cert, "tls_cert": arguments.tls_cert, "tls_key": arguments.tls_key}
    worker = Worker(
        scheduler_file=arguments.scheduler_file,
        name=arguments.name,
        nthreads=arguments.cores,
        memory_limit=arguments.memory,
        security=security(tls),
        host=arguments.host,
        local_directory=arguments.scratch,
        dashboard=False,
        death_timeout=15,
    )
    host = ProcessHost(worker)
    loop = asyncio.get_running_loop()
    closing: list[asyncio.Task[Any]] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: closing.append(asyncio.create_task(worker.close())))
    try:
        await worker
        await worker.finished()
    finally:
        await host.close()


async def _wait_for(path: Path, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not path.exists():
            await asyncio.sleep(0.01)


async def _main(arguments: argparse.Namespace) -> None:
    import distributed  # noqa: F401  # imported while the scheduler comes up

    await _wait_for(Path(arguments.scheduler_file), 60)
    await serve(arguments)


def main(line: Sequence[str] | None = None) -> None:
    """Parse the command line and be a node."""
    parser = argparse.ArgumentParser(prog="pilothouse-node")
    for option in ("name", "scheduler-file", "tls-cert", "tls-key", "scratch", "host"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    arguments = parser.parse_args(line)
    try:
        asyncio.run(_main(arguments))
    finally:
        os.chdir("/")
        shutil.rmtree(arguments.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
