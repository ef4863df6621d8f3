"""The command lines of MPI: the launcher of a node, and Hydra's way of spanning nodes without ssh.

With ``-launcher manual`` mpich's ``mpiexec`` prints a command line for each host (``HYDRA_LAUNCH: ...``) and
waits for somebody to start it there: the pilot's launchers do.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pilothouse.errors import Failed

#: Tried in this order where neither ``launcher=`` nor $PILOTHOUSE_MPIEXEC says what to take.
KNOWN = ("mpiexec.hydra", "mpiexec.mpich", "mpiexec", "mpirun")
LAUNCH, END = "HYDRA_LAUNCH:", "HYDRA_LAUNCH_END"
#: Names a file with the topology of the host, for hwloc, which Hydra and ranks have.
TOPOLOGY = "HWLOC_XMLFILE"
#: Around each rank: notes which one failed, and how. Launchers tell that poorly, and Hydra (4.0) waits for ever when
#: a rank on one of several hosts ends without a word. What :func:`of_hydra` tells Hydra is not for ranks.
_WATCHED = f'[ "${TOPOLOGY}" ] || unset {TOPOLOGY}; notes=$1; shift; "$@" || ' + (
    '{ code=$?; echo "${PMI_RANK:-${OMPI_COMM_WORLD_RANK:-?}} $code" >> "$notes"; exit $code; }'
)


def launcher(chosen: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command that starts MPI programs on this node.

    Raises
    ------
    Failed
        There is none.
    """
    words = list(chosen) or shlex.split(environment.get("PILOTHOUSE_MPIEXEC", ""))
    for name in words[:1] or KNOWN:
        if path := shutil.which(name, path=environment.get("PATH")):
            return [path, *words[1:]]
    looked = f"{words[0]!r} was not" if words else f"none of {', '.join(KNOWN)} was"
    raise Failed(f"{looked} found to start an MPI program; load the site's MPI, or name its starter with launcher=")


def is_hydra(command: Sequence[str]) -> bool:
    """Whether the launcher is mpich's (or Intel's) Hydra."""
    if Path(command[0]).name == "mpiexec.hydra":  # asking takes as long as starting a rank
        return True
    try:
        answer = subprocess.run([command[0], "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "hydra" in (answer.stdout + answer.stderr).lower()


def watched(argv: Sequence[str], notes: Path) -> list[str]:
    """`argv` so that a rank that fails is noted in the file `notes`."""
    return ["/bin/sh", "-c", _WATCHED, "sh", str(notes), *argv]


def first_failure(notes: Path) -> tuple[str, int] | None:
    """The rank that failed first, and its exit code (negative: the signal)."""
    try:
        rank, code = notes.read_text().splitlines()[0].split()
    except (FileNotFoundError, IndexError):
        return None
    return rank, int(code) if int(code) <= 128 else 128 - int(code)


def on_one_node(command: Sequence[str], hydra: bool, ranks: int, argv: Sequence[str]) -> list[str]:
    """All ranks on this node. Hydra is told to look for no batch system, for the pilot has given out its nodes."""
    flags = ["-rmk", "user", "-launcher", "fork", "-hosts", "127.0.0.1"] if hydra else []
    return [*command, *flags, "-n", str(ranks), *argv]


def on_nodes(command: Sequence[str], hosts: Sequence[tuple[str, int]], ranks: int, argv: Sequence[str]) -> list[str]:
    """Ranks on several hosts, each with how many it takes; the command prints what to start there."""
    listed = ",".join(f"{host}:{number}" for host, number in hosts)
    return [*command, "-rmk", "user", "-launcher", "manual", "-hosts", listed, "-n", str(ranks), *argv]


def proxies(lines: Sequence[str]) -> list[list[str]]:
    """The command line for each host, in the hosts' order, from what ``mpiexec`` printed."""
    found = {}
    for line in lines:
        words = shlex.split(line.removeprefix(LAUNCH))
        found[int(words[words.index("--proxy-id") + 1])] = words
    return [found[number] for number in sorted(found)]


def hosts_of(parts: Sequence[tuple[str, str, int]]) -> tuple[list[tuple[str, int]], list[str]]:
    """Hydra's hosts for nodes (name, host, ranks), and the node on which each host's proxy is started.

    Nodes of one host (a pilot on a workstation) are told apart by loopback addresses; when only some share
    a host, those are one to Hydra.
    """
    if len({host for _, host, _ in parts}) == 1:
        named = [(f"127.0.0.{number}", ranks) for number, (_, _, ranks) in enumerate(parts, start=1)]
        return named, [node for node, _, _ in parts]
    ranks: dict[str, int] = {}
    nodes: dict[str, str] = {}
    for node, host, number in parts:
        ranks[host] = ranks.get(host, 0) + number
        nodes.setdefault(host, node)
    return list(ranks.items()), list(nodes.values())


def of_hydra(environment: Mapping[str, str]) -> dict[str, str]:
    """What Hydra is told: to write no file with the host's topology for its ranks, which look for themselves.

    It would be in /tmp whatever ``TMPDIR`` is, and stay there when a rank fails or is ended.
    """
    return {} if TOPOLOGY in environment else {TOPOLOGY: ""}


def of_open_mpi(environment: Mapping[str, str], root: bool) -> dict[str, str]:
    """What Open MPI's launcher is told: cores are the pilot's to give, more than it counts and not always the first.

    Nor does it have to protect root, who has started the pilot. Names beginning with OMPI are of its versions up to 4.
    """
    told = {
        "OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMPI_MCA_hwloc_base_binding_policy": "none", "PRTE_MCA_hwloc_default_binding_policy": "none",
    }  # fmt: skip
    if root:
        told |= {f"{of}_ALLOW_RUN_AS_ROOT{more}": "1" for of in ("OMPI", "PRTE") for more in ("", "_CONFIRM")}
    return {name: value for name, value in told.items() if name not in environment}


def visible_gpus(indices: Sequence[int], node_gpus: int, environment: Mapping[str, str]) -> dict[str, str]:
    """``CUDA_VISIBLE_DEVICES`` for a task with the node's GPUs `indices`, out of those that the node itself may see."""
    if not node_gpus:
        return {}
    own = [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return {"CUDA_VISIBLE_DEVICES": ",".join(own[i] if i < len(own) else str(i) for i in indices)}


def threads(cores: int) -> dict[str, str]:
    """As many OpenMP and BLAS threads as cores."""
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(cores))
