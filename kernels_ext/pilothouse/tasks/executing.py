"""``pilot.execute`` and ``pilot.map_execute``: check, put into words, launch."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pilothouse.errors import InvalidInput

if TYPE_CHECKING:
    from distributed import Client

    from pilothouse.registry.naming import Exist
    from pilothouse.registry.records import PilotRecord
    from pilothouse.runs.cores import Need
    from pilothouse.tasks.handle import Task


class Executes:
    """What a pilot can do with executables."""

    def execute(
        self,
        argv: Sequence[Any],
        *,
        cores: int = 1,
        gpus: int = 0,
        ranks: int | None = None,
        env: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] | Mapping[str, Any] = (),
        outputs: Iterable[str] = (),
        after: Any = (),
        retries: int = 0,
        stage: Literal["link", "copy"] = "link",
        folder: str | os.PathLike[str] | None = None,
        timeout: float | str | None = None,
        launcher: str | Sequence[str] | None = None,
        through: Literal["pilothouse", "radical"] = "pilothouse",
        name: str | None = None,
        exist: Exist = "number",
    ) -> Task:
        """Run an executable on a node of the pilot and return at once.

        Parameters
        ----------
        argv
            The executable and its arguments. A name is looked up on the node's ``PATH``, ``./name`` in the working
            folder; a :class:`~pathlib.Path` is made absolute here.
        cores, gpus
            What it gets (of each MPI rank: `cores`). ``OMP_NUM_THREADS`` and ``CUDA_VISIBLE_DEVICES`` say so.
        ranks
            Start it as an MPI program with so many ranks: on one node where they fit, else on whole nodes.
        env
            Variables to set, on top of the node's.
        inputs
            Paths (from here) and other tasks' files (:meth:`Task.ref`), which it waits for; or a mapping of names in
            the working folder to these or to :class:`pilothouse.data.Ref`.
        outputs
            Names or patterns in the working folder. It has failed when one is missing at its end. A file of that very
            name comes before what a pattern matches, and :func:`glob.escape` makes a pattern of any name:
            ``[[]x].log`` is ``[x].log``.
        after
            Tasks, runs, names of runs and Dask futures of this pilot: it starts when they have ended well.
        retries
            How often it is tried again when it fails; ``$PILOTHOUSE_ATTEMPT`` counts from 1. A node that goes
            away under it does not count.
        stage
            Inputs are linked or copied into the working folder.
        folder
            The working folder; one in the run's own folder when left out.
        timeout
            It is ended after this time: seconds, or ``"2h"``.
        launcher
            The command that starts MPI programs; ``$PILOTHOUSE_MPIEXEC`` on the node, or mpich's, when left out.
        through
            ``"radical"`` has RADICAL-Pilot run it, in the environment that ``$PILOTHOUSE_RADICAL`` names, one on each
            node that there are tasks for. While it runs, RADICAL-Pilot listens on all interfaces of its node.
        name
            Of the run, one that no other pilot or run of the user has; made up when left out.
        exist
            What happens when something that has ended has that name, which stays with its files: ``"number"`` makes
            this one ``name-2`` and warns, ``"error"`` refuses.

        Raises
        ------
        InvalidInput
            A value can't be; nothing was started.
        Conflict
            Something that goes on has that name, or something in `after` has failed already.

        Examples
        --------
        >>> task = pilot.execute(["gmx", "mdrun", "-s", "run.tpr"], cores=4, inputs=["run.tpr"],
        ...                      outputs=["traj.trr"])  # doctest: +SKIP
        >>> task.result()["traj.trr"]  # doctest: +SKIP
        """
        return checked(
            self, [(argv, None)], False, env, inputs, outputs, after, folder, name, exist,
            cores=cores, gpus=gpus, ranks=ranks, retries=retries, stage=stage, timeout=timeout, launcher=launcher,
            through=through,
        )  # fmt: skip

    def map_execute(
        self,
        commands: Sequence[Any],
        parameters: Iterable[Mapping[str, Any]] | None = None,
        *,
        cores: int = 1,
        gpus: int = 0,
        ranks: int | None = None,
        env: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] | Mapping[str, Any] = (),
        outputs: Iterable[str] = (),
        after: Any = (),
        retries: int = 0,
        stage: Literal["link", "copy"] = "link",
        folder: str | os.PathLike[str] | None = None,
        timeout: float | str | None = None,
        launcher: str | Sequence[str] | None = None,
        through: Literal["pilothouse", "radical"] = "pilothouse",
        name: str | None = None,
        exist: Exist = "number",
    ) -> Task:
        """Run many executables, thousands of them, as one run, and return at once.

        Parameters
        ----------
        commands
            A list of argument lists; with `parameters`, one argument list as a template.
        parameters
            A mapping for each task: ``{name}`` in the template's arguments, `env`, `inputs` and `outputs` stands
            for its values.
        cores, gpus, ranks, env, inputs, outputs, after, retries, stage, timeout, launcher, through, name, exist
            Of each task, as for :meth:`execute`.
        folder
            Holds a working folder for each task: ``00000``, ``00001`` ...

        Raises
        ------
        InvalidInput, Conflict
            As :meth:`execute`.

        Examples
        --------
        >>> runs = pilot.map_execute(["./sim", "--seed", "{seed}"], [{"seed": s} for s in range(1000)],
        ...                          inputs=["sim"])  # doctest: +SKIP
        >>> runs.result()  # doctest: +SKIP
        """
        if isinstance(commands, (str, bytes)) or not isinstance(commands, Sequence):
            raise InvalidInput(f"commands={commands!r}: a list of argument lists, or a template", field="commands")
        pairs: list[tuple[Any, dict[str, Any] | None]]
        if parameters is None:
            pairs = [(command, None) for command in commands]
        else:
            pairs = [(commands, _mapping(each)) for each in parameters]
        if not pairs:
            field = "commands" if parameters is None else "parameters"
            raise InvalidInput(f"{field}=[]: there is nothing to execute", field=field)
        return checked(
            self, pairs, True, env, inputs, outputs, after, folder, name, exist,
            cores=cores, gpus=gpus, ranks=ranks, retries=retries, stage=stage, timeout=timeout, launcher=launcher,
            through=through,
        )  # fmt: skip


def _mapping(parameters: object) -> dict[str, Any]:
    if not isinstance(parameters, Mapping) or not all(isinstance(key, str) for key in parameters):
        raise InvalidInput(f"parameters: {parameters!r} is not a mapping of names to values", field="parameters")
    try:
        return dict(json.loads(json.dumps(dict(parameters), default=_plain)))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"parameters: {parameters!r}: {error}", field="parameters") from None


def _plain(value: Any) -> Any:
    """Numbers of numpy, and paths."""
    return value.item() if hasattr(value, "item") else os.fspath(value)


def checked(
    pilot: Any, commands: list[tuple[Any, dict[str, Any] | None]], many: bool, env: Any, inputs: Any, outputs: Any,
    after: Any, folder: Any, name: str | None, exist: Exist, *, kind: str = "tasks",
    files: Mapping[str, bytes | Sequence[memoryview]] | None = None, **options: Any,
) -> Task:  # fmt: skip
    """Check what :meth:`Executes.map_execute` was given, and launch it; `kind` and `files` are the run's."""
    from pilothouse.registry.naming import check_exist
    from pilothouse.runs.cores import Need
    from pilothouse.state import check_name
    from pilothouse.tasks.launching import launch_tasks
    from pilothouse.tasks.radical.settings import radical_settings
    from pilothouse.tasks.specification import Options, makers, one, predecessor

    if name is not None:
        check_name(name)
    check_exist(exist)
    chosen = Options.check(options)
    if isinstance(after, str) or not isinstance(after, (list, tuple, set, frozenset)):
        after = [after]
    if not isinstance(inputs, (str, bytes, os.PathLike, Mapping)) and isinstance(inputs, Iterable):
        inputs = list(inputs)  # an iterator serves all tasks
    if not isinstance(outputs, (str, bytes, Mapping)) and isinstance(outputs, Iterable):
        outputs = list(outputs)
    tasks = [
        one(argv, env, inputs, outputs, may_come=bool(after), parameters=parameters) for argv, parameters in commands
    ]
    if folder is not None and not isinstance(folder, (str, os.PathLike)):
        raise InvalidInput(f"folder={folder!r}: a path", field="folder")
    pilot.wait(nodes=0, timeout=30.0)
    record = pilot.record
    need = Need(chosen.cores, chosen.gpus, chosen.ranks or 1)
    _check_size(need, record)
    _warn_of_walltime(chosen.timeout, need, record)
    radical = None
    if chosen.through == "radical":
        radical = radical_settings(chosen, [kind for kind, _, _ in _kinds(record)])
    before = [found for each in after if (found := predecessor(each, record.scheduler)) is not None]
    if isinstance(inputs, Iterable):
        before += makers(inputs.values() if isinstance(inputs, Mapping) else inputs)
    keys = [found["key"] for found in before if "key" in found]
    specification = {
        **chosen.model_dump(), "radical": radical, "many": many, "after": before, "tasks": tasks,
        "holder": f"pilothouse-{os.urandom(8).hex()}" if keys else "",
    }  # fmt: skip
    work = None if folder is None else str(Path(folder).expanduser().absolute())
    held = _held(pilot.client(), keys, specification["holder"]) if keys else contextlib.nullcontext()
    with held:
        task: Task = launch_tasks(pilot.launch, specification, work, name, exist, kind=kind, files=files)
    return task


@contextlib.contextmanager
def _held(client: Client, keys: list[str], holder: str) -> Any:
    """Keep what the futures stand for, for the driver; when nothing was launched after all, let it go."""
    from pilothouse.tasks.predecessors import hold, let_go

    if unknown := client.run_on_scheduler(hold, keys, holder):
        client.run_on_scheduler(let_go, holder)
        raise InvalidInput(f"after: the Dask future {unknown[0]!r} was cancelled or released", field="after")
    try:
        yield
    except BaseException:
        client.run_on_scheduler(let_go, holder)
        raise


def _check_size(need: Need, record: PilotRecord) -> None:
    """Refuse what the pilot's nodes can never hold.

    Raises
    ------
    InvalidInput
        Names the field: cores, gpus or ranks.
    """
    kinds = _kinds(record)
    cores = max(kind.cores for kind, _, _ in kinds)
    gpus = max(kind.gpus for kind, _, _ in kinds)
    where = f"the nodes of the pilot {record.name!r} have"
    if need.cores > cores:
        raise InvalidInput(f"cores={need.cores}: {where} {cores} at most", field="cores")
    if need.gpus > gpus:
        raise InvalidInput(f"gpus={need.gpus}: {where} {gpus} at most", field="gpus")
    places = sum(need.ranks_on(kind) * number for kind, number, _ in kinds)
    if not places and need.gpus:
        raise InvalidInput(f"gpus={need.gpus}: {where} no {need.cores} cores beside so many GPUs", field="gpus")
    if need.ranks > places and not any(need.fits(kind) for kind, _, _ in kinds):
        raise InvalidInput(
            f"ranks={need.ranks}: {where} room for {places} ranks of {need.cores} cores; "
            "extend the pilot, or take fewer",
            field="ranks",
        )


def _warn_of_walltime(timeout: float | None, need: Need, record: PilotRecord) -> None:
    """Say so when a task may take longer than any node lasts."""
    walltimes = [walltime for kind, _, walltime in _kinds(record) if need.ranks_on(kind)]
    if timeout and walltimes and all(walltimes) and timeout > max(walltimes):
        warnings.warn(
            f"timeout={timeout:g} s: the nodes of the pilot {record.name!r} last for {max(walltimes):g} s (walltime); "
            "a task that takes longer than that fails",
            stacklevel=4,
        )


def _kinds(record: PilotRecord) -> list[tuple[Any, int, float]]:
    """The pilot's kinds of nodes, how many of each it keeps, and their walltime (s; 0 where it is not known)."""
    from pilothouse.pilots.sites.site import DASK
    from pilothouse.registry.records import FIRST
    from pilothouse.runs.cores import Capacity

    own = record.description
    there = [(Capacity(node.cores, node.gpus), 1, 0.0) for node in record.nodes if not node.state.ended]
    if record.settings.get("system") == DASK and there:  # nodes as large as the workers beside which they are
        return there
    kinds = {FIRST: own, **(own.get("kinds") or {})}
    found = []
    for name, kind in kinds.items():
        cores, gpus, walltime = (
            next((each[field] for each in (kind, own) if each.get(field) is not None), 0)
            for field in ("cores", "gpus", "walltime")
        )
        number = record.wanted.get(name, record.nodes_wanted)
        found.append((Capacity(int(cores), int(gpus)), number, float(walltime)))
    return found
