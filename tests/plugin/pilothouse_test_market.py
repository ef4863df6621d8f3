"""The market's two kinds of run, whose pilot can be made to die at a chosen point: a plug-in for tests.

The parameter ``tear`` is ``[target, nth, when, kind]``: with the `nth` call of ``target`` (``module:Class.method``; of
those with the event kind `kind`, where one is given) the pilot's supervisor is killed, and the process itself, before
or after it; where the parameter ``victim`` is given, the process with that id alone. ``sign_seconds`` is how long the
customer waits for signatures. Nothing else differs from the real kinds; what goes on after another is not torn.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilothouse.market.customer.driver import TrainingDriver
from pilothouse.market.provider.driver import ProviderDriver


def _through_here(context: Any) -> Any:
    """The context, which starts this module in place of another."""
    spawn = context.spawn

    async def started(module: str, config: dict[str, Any], **options: Any) -> Any:
        own = {"module": module, "folder": str(context.folder), "pilot": context.record.pilot}
        return await spawn(__name__, config | own, **options)

    context.spawn = started
    return context


class TornTrainingDriver(TrainingDriver):
    """Kind ``torn-training``."""

    async def run(self, context: Any) -> None:
        await super().run(_through_here(context))


class TornProviderDriver(ProviderDriver):
    """Kind ``torn-provider``."""

    async def run(self, context: Any) -> None:
        await super().run(_through_here(context))


def _die(pilot: str, victim: int | None, torn: Path) -> None:
    from pilothouse.registry.records import PILOTS

    torn.touch()
    if victim is not None:
        os.kill(victim, signal.SIGKILL)
        return
    supervisor = PILOTS.read(pilot).supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _tear(target: str, nth: int, when: str, kind: int | None, die: Callable[[], None]) -> None:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    whole = getattr(owner, name)
    calls = 0

    def torn(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += kind is None or kind in args
        is_it = calls == nth and (kind is None or kind in args)
        if is_it and when == "before":
            die()
        found = whole(*args, **options)
        if is_it:
            die()
        return found

    setattr(owner, name, torn)


def main(channel: Any) -> None:
    from pilothouse.market.customer import hiring
    from pilothouse.market.learning import trainers

    config = channel.config
    hiring.SIGN_SECONDS = config.get("sign_seconds", hiring.SIGN_SECONDS)
    train = trainers.train

    def noted(base: Any, shard: Any, training: Any, seed: int, stop: Any) -> Any:
        with Path(config["folder"], "trained").open("a") as file:
            file.write(f"{seed}\n")
        return train(base, shard, training, seed, stop)

    trainers.train = noted
    torn = Path(config["folder"], "torn")
    if config.get("tear") and not torn.exists():
        _tear(*config["tear"], functools.partial(_die, config["pilot"], config.get("victim"), torn))
    importlib.import_module(config["module"]).main(channel)
