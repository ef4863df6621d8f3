"""Where tests write: every process that runs tests has places of its own, and nothing is left in them.

Everything that the library derives for a user (state, sockets, polls, scratch, node store, site files) is below one
root a run, with a folder for each of pytest-xdist's workers. ``PILOTHOUSE_TESTS`` names the root in the environment of
every process that a test starts, however it is started: what still has it at the end of the run is ended and named.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import psutil
import pytest

PLUGIN = Path(__file__).parent / "plugin"
MARK = "PILOTHOUSE_TESTS"
_PREFIX = "ph-tests-"  # short: sockets are below it, and their paths may have 107 bytes at most
_SHARED = Path("/dev/shm")
_PATIENCE_S = 15.0

_root = pytest.StashKey[Path]()
_lock = pytest.StashKey[int]()
_left = pytest.StashKey[list[str]]()
_patch = pytest.StashKey[pytest.MonkeyPatch]()


def root() -> Path:
    """The folder of this run, which its workers share."""
    return Path(os.environ[MARK])


def pytest_configure(config: pytest.Config) -> None:
    """Make the places, before anything is collected: modules may look at the environment as they are imported."""
    patch = config.stash[_patch] = pytest.MonkeyPatch()
    worker: str | None = getattr(config, "workerinput", {}).get("workerid")
    if worker is None:
        _sweep_killed_runs()
        made = config.stash[_root] = Path(tempfile.mkdtemp(prefix=_PREFIX))
        made.chmod(0o711)  # jobs of other users of the tests' Slurm have to get through
        config.stash[_lock] = _held(made, os.O_CREAT)
        patch.setenv(MARK, str(made))
        # As Ctrl+C: what ends a job of a batch system or of CI sends this one, and there is something to clear away.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        patch.setenv("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # pytest keeps what it keeps where it did
    _use(patch, root() / (worker or "m"), worker or "m")


def _use(patch: pytest.MonkeyPatch, place: Path, name: str) -> None:
    place.mkdir(mode=0o711, exist_ok=True)
    patch.setenv("TMPDIR", str(place))  # sockets, polls, scratch
    patch.setattr(tempfile, "tempdir", None)  # it is remembered
    patch.setenv("PILOTHOUSE_HOME", str(place / "state"))
    shared = _SHARED / f"{place.parent.name}-{name}"
    patch.setenv("PILOTHOUSE_STORE", str(shared if os.access(_SHARED, os.W_OK) else place / "store"))
    # Jars are fetched once for all runs in this checkout: what is in there counts by its hashes.
    if "PILOTHOUSE_CACHE" not in os.environ:
        patch.setenv("PILOTHOUSE_CACHE", str(PLUGIN.parents[1] / "build" / "cache"))
    # What the user and the admin have set, but for sites: pip's and uv's index is in there, for tests that install.
    patch.setenv("XDG_CONFIG_HOME", _without_sites(place / "config", platformdirs.user_config_path()))
    patch.setenv("XDG_CONFIG_DIRS", _without_sites(place / "admin", platformdirs.site_config_path()))
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        patch.setenv(variable, str(place / variable.lower()))
    # The last is the Jupyter server that these tests may be run in.
    for variable in ("XDG_RUNTIME_DIR", "PILOTHOUSE_JARS", "PILOTHOUSE_JAVA", "PILOTHOUSE_SITES", "PILOTHOUSE_SERVER"):
        patch.delenv(variable, raising=False)
    # The tests' plug-in is found by every process.
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(PLUGIN), os.environ.get("PYTHONPATH")])))


def _without_sites(folder: Path, source: Path) -> str:
    folder.mkdir(exist_ok=True)
    for path in source.glob("*"):
        if path.name != "pilothouse":
            (folder / path.name).symlink_to(path)
    return str(folder)


@pytest.fixture(scope="session", autouse=True)
def _private_places() -> Iterator[None]:
    """Pilots in the state folder of this process end with its last test."""
    yield
    from pilothouse.pilots.submission import pilots

    for pilot in pilots():
        pilot.cancel()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What tests left running is an error, unless they were interrupted."""
    ours = session.config.stash.get(_root, None)
    if ours is None:
        return
    left = session.config.stash[_left] = _end(ours, _PATIENCE_S if session.exitstatus in (0, 1) else 0.0)
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what was left."""
    if left := config.stash.get(_left, []):
        terminalreporter.section("processes that tests left behind", red=True)
        for line in left:
            terminalreporter.line(line)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing is left, also where a worker or the run was interrupted."""
    if (ours := config.stash.get(_root, None)) is not None:
        _end(ours, 0.0)
        _remove(ours)
        os.close(config.stash[_lock])
    if _patch in config.stash:
        config.stash[_patch].undo()


def _end(run: Path, patience: float) -> list[str]:
    """End the processes of the run in `run`; those that did not end by themselves within `patience` seconds."""
    late = psutil.wait_procs(_processes(run), timeout=patience)[1] if patience else []
    left = []
    for process in late:
        with contextlib.suppress(psutil.Error):
            left.append(f"{process.pid} of {process.ppid()}: {' '.join(process.cmdline())[:300]}")
    while running := _processes(run):
        for process in running:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(running, timeout=10)
    return left


def _processes(run: Path) -> list[psutil.Process]:
    ours = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    mark = f"{MARK}={run}".encode()
    found = []
    for process in psutil.process_iter():
        # Not psutil's reader: a program that writes its title over its variables ends what that finds.
        with contextlib.suppress(psutil.Error, OSError):
            variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            if mark in variables and process.pid not in ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _remove(run: Path) -> None:
    for folder in (run, *_SHARED.glob(f"{run.name}-*")):
        shutil.rmtree(folder, ignore_errors=True)


def _held(run: Path, flags: int = 0) -> int:
    """The lock that says that `run` goes on; the kernel lets go of it when this process ends."""
    held = os.open(run / "lock", os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


def _sweep_killed_runs() -> None:
    """What runs left that were killed and could not clear away."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or one that goes on or has just begun
            held = _held(old)
            _end(old, 0.0)
            _remove(old)
            os.close(held)
