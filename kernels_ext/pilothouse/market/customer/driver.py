"""Kind ``training``: the customer's side of a job, in a node process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.market.lab_market.following import follow, key_file, ledgers
from pilothouse.runs.protocols import RunContext

if TYPE_CHECKING:
    from pilothouse.market.customer.result import TrainingResult

#: Seconds that the customer has to write down what it has when the run is stopped.
GRACE = 1.8


class TrainingDriver:
    """Drives one job; telemetry a round: ``accuracy``, ``loss`` (nats) on the held-out part, and ``paid_msat``.

    When its supervisor or its node dies, another one goes on from what the customer had committed
    (:mod:`pilothouse.market.customer.state`) and from the ledger.
    """

    resumable = True

    async def run(self, context: RunContext) -> None:
        """Start the customer's process with the paths of its key, its ledger and the run's folder."""
        parameters = context.parameters
        config = {
            **parameters,
            "key_file": str(key_file(str(parameters["key"]))),
            "ledger": str(ledgers() / f"{parameters['job']}.jsonl"),
            "folder": str(context.folder),
        }
        rounds = int(parameters["rounds"])
        context.progress(context.telemetry.last().get("round", 0), rounds, "rounds")

        def heard(message: dict[str, Any]) -> None:
            if "event" in message:
                context.event(message.pop("event"), **message)
                return
            if message["round"] <= context.telemetry.last().get("round", 0):  # an earlier process said so
                return
            context.telemetry.append(time.time(), message)
            context.progress(message["round"], rounds, "rounds")

        await follow(context, "pilothouse.market.customer.trading", config, heard, label="customer", grace=GRACE)

    @staticmethod
    def load_result(folder: Path) -> TrainingResult:
        """The model and the job's books."""
        from pilothouse.market.customer.result import TrainingResult

        return TrainingResult.load(folder)
