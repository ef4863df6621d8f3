"""What every processor does, whoever made it; `ProcessorContract` is inherited by a test class for each."""

from __future__ import annotations

import contextlib
import json
import pickle
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

from pilothouse.errors import PilothouseError
from pilothouse.streams.protocols import Processor
from pilothouse.testing.elsewhere import ask, find
from pilothouse.testing.sources import refuses

#: Messages that are processed.
MESSAGES = 6

Payload = npt.NDArray[Any]


class ProcessorContract:
    """The contract; a subclass names the processor and gives it something to process.

    Attributes
    ----------
    processor
        ``module:Class``, importable in any process.
    parameters
        Of a good, small one; they can be written as JSON.
    refused
        Changes of `parameters`, each of which it must refuse with an :class:`~pilothouse.errors.InvalidInput` that
        names the parameter; None stands for a parameter that is missing.
    agreement
        How far quality figures may differ (relatively) before and after :meth:`Processor.warm`.
    """

    processor: str
    parameters: ClassVar[Mapping[str, Any]]
    refused: ClassVar[Sequence[Mapping[str, Any]]]
    agreement: float = 1e-3

    def payload(self, seq: int) -> Payload:
        """What message `seq` brings: an array of always the same shape and type."""
        raise NotImplementedError

    def make(self, state: bytes = b"", **changed: Any) -> Processor:
        """A processor that goes on from `state`."""
        values = {name: value for name, value in (dict(self.parameters) | changed).items() if value is not None}
        return cast("Processor", find(self.processor)(values, state))

    @pytest.fixture(autouse=True)
    def _warm(self) -> None:
        find(self.processor).warm()

    @pytest.fixture
    def payloads(self) -> list[Payload]:
        """As a consumer sees them: read-only."""
        found = [self.payload(seq) for seq in range(MESSAGES)]
        for each in found:
            each.flags.writeable = False
        return found

    def learned(self, payloads: Sequence[Payload], state: bytes = b"") -> bytes:
        """What is known after `payloads`."""
        processor = self.make(state)
        for payload in payloads:
            processor.process(payload)
        return processor.state()

    def test_it_says_in_a_line_what_it_is_and_names_its_quality(self) -> None:
        assert (find(self.processor).__doc__ or "").strip()
        assert self.make().quality.isidentifier()

    def test_going_on_from_a_state_is_the_same_as_never_having_stopped(self, payloads: list[Payload]) -> None:
        straight = self.make()
        figures = [straight.process(payload) for payload in payloads]
        for stop in range(MESSAGES + 1):
            first = self.make()
            found = [first.process(payload) for payload in payloads[:stop]]
            second = self.make(first.state())
            assert second.state() == first.state()
            found += [second.process(payload) for payload in payloads[stop:]]
            assert second.state() == straight.state(), f"stopped after {stop} of {MESSAGES} messages"
            np.testing.assert_array_equal(found, figures)

    def test_another_process_goes_on_from_a_state(self, payloads: list[Payload], tmp_path: Path) -> None:
        np.save(tmp_path / "payloads.npy", np.stack(payloads[3:]), allow_pickle=False)
        (tmp_path / "state").write_bytes(self.learned(payloads[:3]))
        said = self._elsewhere("go_on", tmp_path)
        assert said == self.learned(payloads).hex()

    def test_asking_for_the_state_changes_nothing(self, payloads: list[Payload]) -> None:
        asked = self.make()
        for payload in payloads:
            assert isinstance(asked.state(), bytes)
            assert asked.state() == asked.state()
            asked.process(payload)
        assert asked.state() == self.learned(payloads)

    def test_quality_is_a_number(self, payloads: list[Payload]) -> None:
        processor = self.make()
        assert all(isinstance(processor.process(payload), float) for payload in payloads)

    def test_payloads_are_not_kept(self, payloads: list[Payload]) -> None:
        processor = self.make()
        for payload in payloads:
            memory = payload.copy()
            view = memory.view()
            view.flags.writeable = False
            processor.process(view)
            memory[...] = np.zeros((), memory.dtype)  # the broker's memory has another message now
        assert processor.state() == self.learned(payloads)

    def test_partitions_are_apart(self, payloads: list[Payload]) -> None:
        one, other = self.make(), self.make()
        for payload in payloads[:3]:
            one.process(payload)
            other.process(payloads[5])
        assert one.state() == self.learned(payloads[:3])
        assert other.state() == self.learned([payloads[5]] * 3)

    def test_it_works_before_it_is_warm_and_beside_it(self, payloads: list[Payload], tmp_path: Path) -> None:
        np.save(tmp_path / "payloads.npy", np.stack(payloads), allow_pickle=False)
        (tmp_path / "state").write_bytes(b"")
        found = json.loads(self._elsewhere("warm_beside", tmp_path))
        warm = self.make()
        figures = [warm.process(payload) for payload in payloads]
        for each in found:
            np.testing.assert_allclose(each, figures, rtol=self.agreement)

    def test_merging_gives_labelled_data_as_json(self, payloads: list[Payload]) -> None:
        states = [self.learned(payloads[:3]), b"", self.learned(payloads[3:])]
        merged = self.merge(states)
        assert json.loads(json.dumps(merged)) == merged
        dataset = xr.Dataset({name: (each["dims"], each["data"], each["attrs"]) for name, each in merged.items()})
        assert set(dataset.data_vars) == set(merged)
        assert self.merge(states) == merged

    def test_a_partition_without_messages_changes_no_result(self, payloads: list[Payload]) -> None:
        state = self.learned(payloads)
        assert self.merge([state, b""]) == self.merge([b"", state]) == self.merge([state])
        assert isinstance(self.merge([b"", b""]), dict)

    def test_a_damaged_state_is_refused(self, payloads: list[Payload]) -> None:
        state = self.learned(payloads)
        if not state:
            return  # it learns nothing, so nothing can be damaged
        cuts = {1, len(state) // 2, len(state) - 1} - {0, len(state)}
        damaged = [state[:cut] for cut in sorted(cuts)]
        damaged += [state + b"\0", bytes(len(state)), bytes([state[0] ^ 0xFF]) + state[1:]]
        for wrong in damaged:
            for use in (self.make, lambda wrong: self.merge([wrong])):
                with pytest.raises(PilothouseError):
                    use(wrong)

    def test_a_state_is_never_unpickled(self, tmp_path: Path) -> None:
        mark = tmp_path / "unpickled"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            bomb = pickle.dumps(_Bomb(mark), protocol)
            for use in (self.make, lambda bomb: self.merge([bomb])):
                with contextlib.suppress(PilothouseError):
                    use(bomb)
                assert not mark.exists(), "a state is data: unpickling it would run what others wrote"

    def test_bad_parameters_are_refused_by_name(self) -> None:
        refuses(self.make, self.refused)

    def merge(self, states: Sequence[bytes]) -> dict[str, Any]:
        """One result from the states of all partitions."""
        found: dict[str, Any] = find(self.processor).merge(dict(self.parameters), states)
        return found

    def _elsewhere(self, does: str, folder: Path) -> str:
        return ask(
            f"import sys; from pilothouse.testing import processors; processors._{does}(*sys.argv[1:])",
            self.processor,
            json.dumps(dict(self.parameters)),
            str(folder),
        )


class _Bomb:
    """Leaves a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def _go_on(name: str, parameters: str, folder: str) -> None:
    cls = find(name)
    cls.warm()
    processor = cls(json.loads(parameters), Path(folder, "state").read_bytes())
    for payload in np.load(Path(folder, "payloads.npy"), allow_pickle=False):
        processor.process(payload)
    sys.stdout.write(processor.state().hex())


def _warm_beside(name: str, parameters: str, folder: str) -> None:
    """The figures of all payloads, again and again while it becomes warm in a thread beside."""
    cls, values = find(name), json.loads(parameters)
    payloads = np.load(Path(folder, "payloads.npy"), allow_pickle=False)
    found: list[list[float]] = []

    def once() -> None:
        processor = cls(values, b"")
        found.append([processor.process(payload) for payload in payloads])

    once()
    warming = threading.Thread(target=cls.warm)
    warming.start()
    while warming.is_alive():
        once()
    warming.join()
    once()
    sys.stdout.write(json.dumps([found[0], *found[-2:]]))
