"""The server extension as every user of a Jupyter server pays for it."""

from __future__ import annotations

import subprocess
import sys


def test_a_server_that_starts_imports_nothing_that_computes() -> None:
    code = (
        "import sys; from jupyter_server.serverapp import ServerApp; "
        "before = set(sys.modules); import pilothouse_lab.app;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = set(found.stdout.splitlines()[-1].split())
    assert "pilothouse_lab" in new
    assert not new & {"dask", "distributed", "pydantic", "numpy", "xarray", "bokeh"}
