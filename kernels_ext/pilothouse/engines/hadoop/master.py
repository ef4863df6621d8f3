"""An application master that is one node of a pilot: it runs the node in its container, and speaks for it with YARN.

``python -m pilothouse.engines.hadoop.master [--walltime S] [--grace S] -- COMMAND …``, in a container of YARN. The
application is registered while the command runs; its end is YARN's word for how the command ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

#: Seconds between two words to the ResourceManager. After ten minutes without one it gives the application up.
HEARTBEAT_S = 1.0
#: Seconds in which it must have said yes, and in which it must have taken the last word.
REGISTER_S, LAST_WORD_S = 120.0, 20.0
#: Seconds between two looks at the node.
LOOK_S = 0.1
#: How the Java in this process is to be: small, and without handlers of signals of its own.
JAVA = (
    "-Xms16m", "-Xmx64m", "-Xss512k", "-Xrs", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
    "-XX:CICompilerCount=1", "-Djava.net.preferIPv4Stack=true", "-Dhadoop.root.logger=ERROR,console",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)  # fmt: skip


class Registration:
    """The application at the ResourceManager: registered, kept alive, and ended, in a thread of its own.

    Attributes
    ----------
    trouble
        Why YARN takes no more words from this master; empty while all is well.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._registered, self._over = threading.Event(), threading.Event()
        self._last: tuple[bool, str] = (False, "")
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="yarn", daemon=True)
        self._thread.start()

    @property
    def late(self) -> bool:
        """Whether it has taken too long."""
        return not self._registered.is_set() and time.monotonic() - self._begun > REGISTER_S

    def end(self, succeeded: bool, word: str) -> None:
        """Tell how it ended; returns when that was taken, or was not in time."""
        self._last = succeeded, word
        self._over.set()
        self._thread.join(LAST_WORD_S)

    def _run(self) -> None:
        try:
            self._speak()
        except BaseException as error:  # noqa: BLE001 - of Java's, too; the main thread decides
            self.trouble = self.trouble or f"{type(error).__name__}: {error}"

    def _speak(self) -> None:
        java, number = _java()
        client = java("org.apache.hadoop.yarn.client.api.AMRMClient").createAMRMClient()
        client.init(java("org.apache.hadoop.yarn.conf.YarnConfiguration")())
        client.start()
        client.registerApplicationMaster(os.uname().nodename, 0, "")
        self._registered.set()
        while not self._over.wait(HEARTBEAT_S):
            client.allocate(number(0.0))
        final = java("org.apache.hadoop.yarn.api.records.FinalApplicationStatus")
        succeeded, word = self._last
        client.unregisterApplicationMaster(final.SUCCEEDED if succeeded else final.FAILED, word, "")


def _java() -> tuple[Any, Any]:
    """Start Java in this process; what finds its classes, and its kind of small number."""
    import jpype

    from pilothouse.engines.hadoop.client_jars import client_jars
    from pilothouse.engines.jvm.java import java

    library = java().command.resolve().parent.parent / "lib" / "server" / "libjvm.so"
    classpath = [os.environ["HADOOP_CONF_DIR"], *map(str, client_jars())]
    jpype.startJVM(*([str(library)] if library.exists() else []), *JAVA, classpath=classpath)
    return jpype.JClass, jpype.JFloat


class Node:
    """The command, in this process's own group: what ends the container ends it too."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL)
        self._kill_at = 0.0

    @property
    def code(self) -> int | None:
        """Its exit code; negative: the signal."""
        return self._process.poll()

    def end(self, grace: float) -> None:
        """Tell it to end; what is there after `grace` seconds is killed by :meth:`look`."""
        self._kill_at = self._kill_at or time.monotonic() + grace
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def must_end(self, grace: float) -> None:
        """It has been told by others, with this process: kill what is there after `grace` seconds."""
        self._kill_at = self._kill_at or time.monotonic() + grace

    def look(self) -> None:
        """Kill it when it is time."""
        if self._kill_at and time.monotonic() > self._kill_at:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def clear(self) -> None:
        """Kill what it has left behind in the container."""
        if "CONTAINER_ID" not in os.environ:
            return  # the group is not ours alone
        import psutil

        group, own = os.getpgrp(), psutil.Process()
        spared = {own.pid, *(each.pid for each in own.parents())}  # the job script may have an epilogue
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if process.pid not in spared and os.getpgid(process.pid) == group:
                    process.kill()


def run(command: Sequence[str], walltime: float, grace: float) -> tuple[int, str]:
    """Run the command to its end; the exit code for the container, and what is wrong where YARN is to blame."""
    told: list[int] = []

    def tell(number: int, _: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    begun, node, registration, why = time.monotonic(), Node(command), Registration(), ""
    while (code := node.code) is None:
        if told:
            node.must_end(grace)
        if not why and walltime and time.monotonic() - begun > walltime:
            why = "its walltime was over"
            node.end(grace)
        if not why and (registration.trouble or registration.late):
            why = f"YARN takes no application master here: {registration.trouble or 'it does not answer'}"
            node.end(grace)
        node.look()
        time.sleep(LOOK_S)
    node.clear()
    word = why or ("" if code == 0 else f"signal {-code}" if code < 0 else f"exit code {code}")
    registration.end(not word, word)
    return (code if code >= 0 else 128 - code) or bool(why), why or registration.trouble


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node in a container of YARN."""
    parser = argparse.ArgumentParser(prog="python -m pilothouse.engines.hadoop.master", description=__doc__)
    parser.add_argument("--walltime", type=float, default=0.0, help="seconds after which the node is ended")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds that a node which is to end may take")
    parser.add_argument("command", nargs="+")
    said = parser.parse_args(arguments)
    code, trouble = run(said.command, said.walltime, said.grace)
    if trouble:
        sys.stderr.write(f"pilothouse: {trouble}\n")
    return code


if __name__ == "__main__":
    done = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(done)  # Java's own end takes a second, and nobody needs it
