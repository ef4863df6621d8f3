"""Slurm's accounting for a cluster of the tests: MariaDB on a Unix socket, and slurmdbd in front of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.slurm.processes import Daemon, is_listening, program, until

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db")

# Nothing here has to survive a power cut; small files are made quickly.
_MARIADB = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=32M",
    "--skip-log-bin",
)

_SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={munge_socket}
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
CommunicationParameters=NoInAddrAny
"""


def slurm_conf(port: int, munge_socket: Path) -> str:
    """What slurm.conf says to have jobs accounted and limits enforced."""
    return f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={munge_socket}
AccountingStorageEnforce=associations,limits,qos
"""


def start(
    folder: Path,
    *,
    host: str,
    user: str,
    port: int,
    munge_socket: Path,
    environment: Mapping[str, str],
    started: Callable[[Daemon], None],
) -> None:
    """Start both and return when slurmdbd answers.

    Parameters
    ----------
    folder
        A folder that exists, is empty and that only ``user`` can read.
    started
        Told of each daemon at once, so that it is stopped also where what follows fails.
    """
    data, database_socket = folder / "data", folder / "mariadb.sock"
    installed = subprocess.run(
        [
            _path("mariadb-install-db"),
            "--no-defaults",
            f"--user={user}",
            f"--datadir={data}",
            "--skip-test-db",
            *_MARIADB,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if installed.returncode:
        raise RuntimeError(f"mariadb-install-db: {installed.stdout}{installed.stderr}")
    prepare = folder / "prepare.sql"
    prepare.write_text(
        # an init file has one statement a line
        "CREATE DATABASE slurm_acct_db;\n"
        "CREATE USER 'slurm'@'localhost' IDENTIFIED BY 'slurm';\n"
        "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';\n"
    )
    mariadb = Daemon(
        [
            _path("mariadbd"),
            "--no-defaults",
            f"--user={user}",
            f"--datadir={data}",
            f"--socket={database_socket}",
            f"--pid-file={folder}/mariadb.pid",
            f"--init-file={prepare}",
            "--skip-networking",
            *_MARIADB,
        ],
        folder / "mariadb.log",
        environment,
    )
    started(mariadb)
    until(database_socket.is_socket, "MariaDB starts", timeout=60, watched=[mariadb])

    conf = folder / "slurmdbd.conf"
    conf.touch(mode=0o600)  # slurmdbd refuses one that others can read
    conf.write_text(_SLURMDBD_CONF.format(host=host, user=user, port=port, munge_socket=munge_socket, folder=folder))
    # MYSQL_UNIX_PORT: the client library's only way to another socket, slurmdbd.conf has none. slurmdbd.conf is looked
    # for beside slurm.conf.
    slurmdbd = Daemon(
        [_path("slurmdbd"), "-D"],
        folder / "slurmdbd.log",
        {**environment, "SLURM_CONF": str(folder / "slurm.conf"), "MYSQL_UNIX_PORT": str(database_socket)},
    )
    started(slurmdbd)
    until(lambda: is_listening(port), "slurmdbd starts", timeout=60, watched=[slurmdbd, mariadb])


def _path(name: str) -> str:
    path = program(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed: accounting needs slurmdbd and mariadb-server")
    return path
