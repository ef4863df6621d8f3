"""What every source does, whoever made it; `SourceContract` is inherited by a test class for each."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.streams.protocols import Source
from pilothouse.testing.elsewhere import ask, find

#: Sequence numbers that are looked at: neighbours, and such as a run of weeks comes to.
SEQS = (0, 1, 2, 3, 17, 255, 256, 2**32, 2**40)


class SourceContract:
    """The contract; a subclass names the source.

    Attributes
    ----------
    source
        ``module:Class``, importable in any process.
    parameters
        Of a good, small one; they can be written as JSON.
    refused
        Changes of `parameters`, each of which it must refuse with an :class:`~pilothouse.errors.InvalidInput` that
        names the parameter; None stands for a parameter that is missing.
    varies
        Messages differ from each other; False for a source that sends the same again and again.
    """

    source: str
    parameters: ClassVar[Mapping[str, Any]]
    refused: ClassVar[Sequence[Mapping[str, Any]]]
    varies: bool = True

    def make(self, **changed: Any) -> Source:
        """A source of its own with these parameters."""
        values = {name: value for name, value in (dict(self.parameters) | changed).items() if value is not None}
        return cast("Source", find(self.source)(values))

    def test_it_says_in_a_line_what_it_is(self) -> None:
        assert (find(self.source).__doc__ or "").strip()

    def test_payloads_are_what_its_schema_says(self) -> None:
        source = self.make()
        for seq in SEQS:
            payload = source.payload(seq)
            assert payload.dtype == np.dtype(source.schema.dtype)
            assert payload.shape == source.schema.shape
            assert payload.nbytes == source.schema.nbytes
            assert payload.flags.c_contiguous

    def test_another_of_the_same_parameters_has_the_same_schema(self) -> None:
        assert self.make().schema.id == self.make().schema.id

    def test_a_message_does_not_depend_on_those_made_before(self) -> None:
        upward, downward = self.make(), self.make()
        expected = {seq: upward.payload(seq).tobytes() for seq in SEQS}
        assert {seq: downward.payload(seq).tobytes() for seq in reversed(SEQS)} == expected
        assert {seq: upward.payload(seq).tobytes() for seq in SEQS} == expected

    def test_any_process_makes_the_same_bytes(self) -> None:
        source = self.make()
        said = ask(
            "import sys; from pilothouse.testing import sources; sources._digests(*sys.argv[1:])",
            self.source,
            json.dumps(dict(self.parameters)),
        )
        assert said.split() == [_digest(source, seq) for seq in SEQS]

    def test_a_payload_stays_as_it_is_when_the_next_is_made(self) -> None:
        source = self.make()
        payload = source.payload(0)
        before = payload.tobytes()
        source.payload(1)
        assert payload.tobytes() == before, "producers hand over several payloads at once"

    def test_different_messages_differ(self) -> None:
        source = self.make()
        different = {source.payload(seq).tobytes() for seq in SEQS}
        assert len(different) == (len(SEQS) if self.varies else 1)

    def test_it_leaves_its_parameters_as_they_are(self) -> None:
        values = dict(self.parameters)
        find(self.source)(values).payload(0)
        assert values == dict(self.parameters)

    def test_bad_parameters_are_refused_by_name(self) -> None:
        refuses(self.make, self.refused)


def refuses(make: Any, refused: Sequence[Mapping[str, Any]]) -> None:
    """Each of the changes makes `make` raise an InvalidInput that names the parameter."""
    assert refused, "say which parameters it must refuse"
    for changes in refused:
        with pytest.raises(InvalidInput) as caught:
            make(**changes)
        assert caught.value.field in changes, f"{changes} was refused, but not by name: {caught.value}"


def _digest(source: Source, seq: int) -> str:
    return hashlib.sha256(source.payload(seq).tobytes()).hexdigest()


def _digests(name: str, parameters: str) -> None:
    source = find(name)(json.loads(parameters))
    sys.stdout.write(" ".join(_digest(source, seq) for seq in SEQS))
