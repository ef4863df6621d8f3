"""Jupyter kernels, as a notebook has them: interrupted while they wait, killed while a stream runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import pilothouse as ph
from tests.kernels import FolderKernelManager
from tests.waiting import eventually, slowness

#: Seconds in which an interrupted cell ends. It takes tenths.
SOON = 5.0

STREAM = """
import pilothouse as ph
pilot = ph.submit("local", name="host", nodes=1).wait()
run = ph.streams.run(pilot=pilot, name="stream", rate=80, points=200, clusters=3, decay=1.0)
while not any(run.frame().columns.get("consumed", ())):
    pass
print("streaming", flush=True)
"""


class Kernel:
    """An IPython kernel in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.manager = FolderKernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder), extra_arguments=["--HistoryManager.enabled=False"])
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    def begin(self, code: str) -> str:
        """Run a cell; its id."""
        return str(self.client.execute(code))

    def output(self, cell: str, stop: Callable[[str], bool] | None = None, seconds: float = 90.0) -> str:
        """What the cell printed, showed and raised, until it is done or `stop` says that it is enough."""
        end = time.monotonic() + seconds
        text = ""
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != cell:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    text += content["text"]
                case "display_data" | "update_display_data" | "execute_result":
                    text += content["data"].get("text/plain", "") + "\n"
                case "error":
                    text += f"{content['ename']}: {content['evalue']}\n"
                case "status" if content["execution_state"] == "idle":
                    return text
            if stop is not None and stop(text):
                return text

    def run(self, code: str) -> str:
        return self.output(self.begin(code))

    def interrupt_once(self, code: str, shown: str) -> tuple[float, str]:
        """Interrupt a cell as soon as it has shown `shown`: seconds until it ended, and all that it said."""
        self.run("raise KeyboardInterrupt")  # IPython loads what it needs to show one
        cell = self.begin(code)
        text = self.output(cell, stop=lambda text: shown in text)
        begun = time.monotonic()
        self.manager.interrupt_kernel()
        text += self.output(cell)
        return time.monotonic() - begun, text

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = Kernel(tmp_path)
    yield made
    made.close()


@pytest.fixture
def endless(local_pilot: ph.Pilot) -> Iterator[ph.Run]:
    run = local_pilot.launch("count", {"to": 100_000}, name="endless-count")
    eventually(lambda: len(run.frame().time))
    yield run
    run.stop().remove()


def killed_with_a_process(home: Path) -> None:
    command = [sys.executable, "-c", STREAM + "import time; time.sleep(1000)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"streaming\n"
        process.send_signal(signal.SIGKILL)


def killed_with_a_kernel(home: Path) -> None:
    kernel = Kernel(home)
    try:
        cell = kernel.begin(STREAM + "run\nrun.wait()")
        kernel.output(cell, stop=lambda text: "streaming" in text)
        os.kill(kernel.pid, signal.SIGKILL)
        eventually(lambda: not kernel.manager.is_alive())
    finally:
        kernel.close()


@pytest.mark.parametrize("kill", [killed_with_a_process, killed_with_a_kernel], ids=["python", "ipykernel"])
def test_killing_the_kernel_in_the_middle_of_a_stream_loses_nothing(
    state_home: Path, tmp_path: Path, kill: Callable[[Path], None]
) -> None:
    kill(tmp_path)
    killed = time.time()
    pilot, run = ph.attach("host"), ph.attach("stream")
    assert isinstance(pilot, ph.Pilot)
    assert isinstance(run, ph.Run)
    assert (pilot.state, run.state) == ("running", "running")
    before = run.frame()
    assert before.time[0] < killed, "the history begins before the kernel went"
    after = run.frame(since=before.seq, wait=10)
    assert not after.reset, "what comes next continues what was there"
    eventually(lambda: run.frame().columns["produced"][-1] > before.columns["produced"][-1] + 40)
    assert run.frame().time[-1] > killed + 0.2
    run.stop()
    result = run.result(timeout=30)
    produced, consumed, remaining = (int(result[name]) for name in ("produced", "consumed", "remaining"))
    assert produced == consumed + remaining > 40
    assert float(result["weights"].sum()) == consumed * 200, "each message is in the model, once"
    telemetry = run.telemetry
    assert int(telemetry["produced"][0]) < 40, "the first samples are there"
    assert (int(telemetry["produced"][-1]), int(telemetry["consumed"][-1])) == (produced, consumed)
    times = run.frame().time
    assert np.diff(times[times > killed - 1.0]).max() < 2.0, "no hole where the kernel was killed"
    whats = [event["what"] for event in run.events()]
    assert whats[0] == "started"
    assert whats[-1] == "finished"
    assert datetime.fromisoformat(run.events()[0]["time"]).timestamp() < killed


WAITS = {
    "run.wait()": "ph.attach('endless-count').wait()",
    "run.result()": "ph.attach('endless-count').result()",
    "await run": "await ph.attach('endless-count')",
}


@pytest.mark.parametrize("code", WAITS.values(), ids=WAITS)
def test_an_interrupted_wait_ends_and_says_what_goes_on(kernel: Kernel, endless: ph.Run, code: str) -> None:
    kernel.run("import pilothouse as ph")
    seconds, text = kernel.interrupt_once(code, "endless-count: running, ")
    assert seconds < SOON
    assert "The run 'endless-count' goes on; ph.attach('endless-count').stop() ends it." in text
    assert endless.state == "running"
    assert "KeyboardInterrupt" in text or "CancelledError" in text


def test_a_wait_shows_how_far_it_is_and_await_gives_the_result(kernel: Kernel, local_pilot: ph.Pilot) -> None:
    kernel.run("import pilothouse as ph\npilot = ph.attach('tests')")
    for wait in ("pilot.launch('count', {'to': 20}).result()", "await pilot.launch('count', {'to': 20})"):
        text = kernel.run(wait)
        assert "of 20 numbers" in text
        assert "{'total': 20}" in text


def test_waiting_for_nodes_is_interrupted(state_home: Path, kernel: Kernel) -> None:
    kernel.run("import pilothouse as ph\npilot = ph.submit('local', name='slow')\npilot.wait()")
    seconds, text = kernel.interrupt_once("pilot.wait(nodes=3)", "1 of 3 nodes running")
    assert seconds < SOON * slowness()
    assert "The pilot 'slow' goes on; ph.attach('slow').cancel() ends it." in text
    assert ph.attach("slow").state == "running"


LONG = {
    "md": (
        "import numpy as np\nr = np.random.default_rng(0)\n"
        "paths = [r.normal(size=(1500, 900, 3)).astype('f4') for _ in range(6)]\n"
        "ph.md.psa(paths, pilot=pilot, name='long-run')"
    ),
    "market": (
        "market = ph.market.connect(pilot=pilot)\n"
        "job = market.post('fedavg', data='digits', budget=1000, bid_seconds=60, name='long-run')\njob.result()"
    ),
}


@pytest.mark.parametrize("room", LONG)
def test_long_calls_of_the_rooms_are_interrupted(kernel: Kernel, local_pilot: ph.Pilot, room: str) -> None:
    kernel.run("import pilothouse as ph\npilot = ph.attach('tests')")
    seconds, text = kernel.interrupt_once(LONG[room], "long-run: running")
    run = ph.attach("long-run")
    try:
        assert seconds < SOON * slowness()
        assert "The run 'long-run' goes on; ph.attach('long-run').stop() ends it." in text
        assert run.state == "running", run.reason
    finally:
        for each in ph.runs():
            each.stop()
        run.remove()  # the next test's has its name


def test_handles_show_themselves_in_a_notebook(kernel: Kernel, endless: ph.Run) -> None:
    kernel.run("import pilothouse as ph")
    assert "<Pilot 'tests' on local, 2/2 nodes, running>" in kernel.run("ph.attach('tests')")
    assert "endless-count" in kernel.run("ph.attach('endless-count')")
    assert "<Pilot 'tests'" in kernel.run("ph.pilots()")


def test_what_shows_a_run_is_imported_while_the_pilot_starts(kernel: Kernel, state_home: Path) -> None:
    kernel.run("import sys, pilothouse as ph")
    assert "before False" in kernel.run("print('before', 'ipywidgets' in sys.modules)")
    kernel.run("pilot = ph.submit('local', nodes=1)")
    eventually(lambda: "after True" in kernel.run("print('after', 'ipywidgets' in sys.modules)"))
    kernel.run("pilot.cancel()")
