"""What a user waits for and pays for before anything is computed: imports, pilots, first points, idling."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import browser
from benchmarks.rows import Row, compare, within
from benchmarks.supervisors import process_of, share_of_a_core


def _python(code: str) -> float:
    """Seconds that `code`, run in a fresh Python, prints."""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def _median(measure: Callable[[], float], runs: int = 5) -> float:
    return statistics.median(measure() for _ in range(runs))


def _imported() -> float:
    return _python("import time; t = time.perf_counter(); import pilothouse; print(time.perf_counter() - t)")


def _magics() -> float:
    return _python(
        "import time\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\nimport pilothouse\nt = time.perf_counter()\n"
        "shell.extension_manager.load_extension('pilothouse')\nprint(time.perf_counter() - t)"
    )


def _server_extension() -> float:
    """What loading and starting the server extension adds to a Jupyter server that is there already."""
    return _python(
        "import os, tempfile, time\n"
        "os.environ['JUPYTER_CONFIG_DIR'] = os.environ['JUPYTER_RUNTIME_DIR'] = tempfile.mkdtemp()\n"
        "from jupyter_server.extension.application import ExtensionApp\n"
        "from jupyter_server.serverapp import ServerApp\n"
        "app = ServerApp(open_browser=False, allow_root=True, port=0, log_level=50)\n"
        "app.initialize(argv=[], find_extensions=False, new_httpserver=False)\n"
        "t = time.perf_counter()\n"
        "app.extension_manager.add_extension('pilothouse_lab', enabled=True)\n"
        "app.extension_manager.link_extension('pilothouse_lab')\n"
        "app.extension_manager.load_extension('pilothouse_lab')\n"
        "print(time.perf_counter() - t)\n"
        "found = app.extension_manager.extension_apps['pilothouse_lab']\n"
        "assert sum(len(one.handlers) for one in found) > 5, 'the extension added no routes'\n"
    )


def _pilot_ready() -> float:
    import pilothouse as ph

    begun = time.perf_counter()
    with ph.submit("local", nodes=2) as pilot:
        pilot.wait(timeout=60)
        return time.perf_counter() - begun


def _bare_dask() -> float:
    """Dask alone, as close as it gets: a scheduler with dashboard and two worker processes."""
    return _python(
        "import time\n"
        "t = time.perf_counter()\n"
        "if __name__ == '__main__':\n"
        "    from distributed import LocalCluster\n"
        "    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address='127.0.0.1:0', silence_logs=50):\n"
        "        print(time.perf_counter() - t, flush=True)\n"
    )


def _idle() -> tuple[float, float]:
    """The share of a core and the MB of a supervisor whose pilot has done nothing yet."""
    import pilothouse as ph

    with ph.submit("local", nodes=2).wait(timeout=60) as pilot:
        return share_of_a_core(pilot), _megabytes(pilot)


def _megabytes(pilot: Any) -> float:
    return float(process_of(pilot).memory_info().rss / 2**20)


def _first_point() -> tuple[float, float, float]:
    """Seconds from the call to the first consumed message; then as :func:`_idle`, of a supervisor that has had runs."""
    import pilothouse as ph

    with ph.submit("local", nodes=2).wait(timeout=60) as pilot:

        def first() -> float:
            begun = time.perf_counter()
            run = ph.streams.run(source="kmeans-random", processor="kmeans", broker="log", pilot=pilot)
            while not run.frame(wait=5).columns.get("consumed", [0.0])[-1]:
                time.sleep(0.01)
            seconds = time.perf_counter() - begun
            run.stop()
            return seconds

        point = _median(first, 3)
        return point, share_of_a_core(pilot), _megabytes(pilot)


def rows() -> list[Row]:
    """Measure everything, one thing after the other."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["PILOTHOUSE_HOME"] = str(Path(home, "state"))
        ready = _median(_pilot_ready)
        dask = _median(_bare_dask)
        share, megabytes = _idle()
        point, share_after, megabytes_after = _first_point()
        return [
            within("import pilothouse (s)", _median(_imported), 0.150),
            within("%load_ext pilothouse, added (s)", _median(_magics), 0.100),
            within("Jupyter server extension, added to start-up (s)", _median(_server_extension), 0.050),
            within("local pilot, 2 nodes ready (s)", ready, 2.5),
            compare("the same, beside Dask's LocalCluster without TLS", ready, dask, 1.0),
            within("stream run, first message through to the plot (s)", point, 1.5),
            within("idle supervisor, share of a core", share, 0.003),
            within("idle supervisor, memory (MB)", megabytes, 70.0),
            within("idle supervisor after three streams, share of a core", share_after, 0.003),
            within("idle supervisor after three streams, memory (MB)", megabytes_after, 80.0),
            *browser.rows(),
        ]
