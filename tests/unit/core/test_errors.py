from __future__ import annotations

import pickle

import pytest

from pilothouse import errors


@pytest.mark.parametrize("cls", [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)])
def test_an_error_survives_pickle_and_json(cls: type[errors.PilothouseError]) -> None:
    error = cls("cores=0: at least 1", field="cores")
    for copy in (pickle.loads(pickle.dumps(error)), errors.PilothouseError.from_dict(error.to_dict())):
        assert type(copy) is cls
        assert str(copy) == "cores=0: at least 1"
        assert copy.field == "cores"


def test_an_error_of_a_newer_version_is_still_an_error() -> None:
    error = errors.PilothouseError.from_dict({"code": "invented-later", "message": "what it says"})
    assert type(error) is errors.PilothouseError
    assert str(error) == "what it says"
