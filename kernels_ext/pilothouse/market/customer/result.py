"""What a job comes to: its result and model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pilothouse.errors import Failed, InvalidInput
from pilothouse.market.learning import arrays, trainers
from pilothouse.market.learning.arrays import Floats, State
from pilothouse.market.learning.datasets import Scaling
from pilothouse.state import write_atomic

if TYPE_CHECKING:
    from pilothouse.market.money.accounts import Accounts

RESULT = "result.json"
MODEL = "model.safetensors"


class Model:
    """A trained classifier.

    Attributes
    ----------
    trainer
        ``mlp`` or ``softmax``.
    arrays
        Name -> weights, float32.
    scaling
        What its inputs are scaled by.
    """

    def __init__(self, trainer: str, state: State, scaling: Scaling) -> None:
        self.trainer = trainer
        self.arrays = state
        self.scaling = scaling

    def scores(self, x: npt.ArrayLike) -> Floats:
        """Scores before the softmax, shape (n, classes), of samples of shape (n, features) in their own units.

        Raises
        ------
        InvalidInput
            The samples have another number of features than the training data.
        """
        values = np.asarray(x, dtype=np.float32)
        features = len(self.scaling.mean)
        if values.ndim != 2 or values.shape[1] != features:
            raise InvalidInput(f"x has the shape {values.shape}: it must be (n, {features})", field="x")
        return trainers.trainer(self.trainer).logits(self.arrays, self.scaling(values))

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The class of each sample, shape (n,), int64; see :meth:`scores`."""
        return np.asarray(self.scores(x).argmax(axis=1), dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write weights and scaling as safetensors."""
        extra = {"input.mean": self.scaling.mean, "input.std": self.scaling.std}
        write_atomic(path, arrays.pack_state({**self.arrays, **extra}))

    @staticmethod
    def load(path: Path, trainer: str) -> Model:
        """The model that :meth:`save` wrote."""
        state = arrays.unpack_state(path.read_bytes())
        scaling = Scaling(state.pop("input.mean"), state.pop("input.std"))
        return Model(trainer, state, scaling)

    def __repr__(self) -> str:
        return f"<Model {self.trainer}: {', '.join(f'{k} {v.shape}' for k, v in self.arrays.items())}>"


class TrainingResult(Mapping[str, Any]):
    """A job's result, dict-like.

    Keys: ``accuracy``, ``loss`` (nats; both on the held-out part), ``rounds``, ``verdicts``, ``receipts``,
    ``contracts`` (lists), ``budget_msat``, ``paid_msat``, ``job``, ``customer`` (npub), ``trainer``,
    ``ledger`` (:class:`~pilothouse.market.money.accounts.Accounts`).
    """

    def __init__(self, folder: Path, data: dict[str, Any]) -> None:
        self._folder = folder
        self._data = data

    @staticmethod
    def load(folder: Path) -> TrainingResult:
        """The result in a run's folder.

        Raises
        ------
        Failed
            The run ended before its first round did.
        """
        try:
            data = json.loads((folder / RESULT).read_text())
        except FileNotFoundError:
            raise Failed("the job ended before its first round was complete: there is no model") from None
        return TrainingResult(folder, data)

    def model(self) -> Model:
        """The trained classifier."""
        return Model.load(self._folder / MODEL, self._data["trainer"])

    def __getitem__(self, key: str) -> Any:
        if key == "ledger":
            return self._accounts()
        return self._data[key]

    def _accounts(self) -> Accounts:
        from pilothouse.market.lab_market.following import ledgers
        from pilothouse.market.money.accounts import Accounts

        return Accounts.read([ledgers() / self._data["ledger"]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        accepted = sum(one["accepted"] for one in self._data["verdicts"])
        return (
            f"<TrainingResult {self._data['job']}: accuracy {self._data['accuracy']:.3f} after "
            f"{len(self._data['rounds'])} rounds, {accepted} results paid with {self._data['paid_msat'] / 1000:g} sat>"
        )
