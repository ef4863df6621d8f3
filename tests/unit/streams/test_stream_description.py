from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pilothouse import streams
from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.streams import StreamDescription
from pilothouse.streams.catalogue import load


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"source": "lightsauce"}, "source", "kmeans-random"),
        ({"processor": "gridreck"}, "processor", "kmeans"),
        ({"broker": "redis"}, "broker", "there is log"),
        ({"rate": 0}, "rate", "greater than 0"),
        ({"rate": float("nan")}, "rate", "rate=nan"),
        ({"rate": 1e9}, "rate", "1000000"),
        ({"partitions": 0}, "partitions", "greater than or equal to 1"),
        ({"partitions": 10**6}, "partitions", "64"),
        ({"producers": -1}, "producers", "producers=-1"),
        ({"consumers": 3, "partitions": 2}, "consumers", "partitions=2"),
        ({"messages": 0}, "messages", "messages=0"),
        ({"seconds": -1}, "seconds", "seconds=-1"),
        ({"clusters": "many"}, "clusters", "'many'"),
        ({"points": 10**6, "dim": 64}, "points", "bytes"),
        ({"points": 10**5, "dim": 64, "log_bytes": 1 << 20}, "points", "log_bytes=1048576"),
        ({"decay": 1.5}, "decay", "less than or equal to 1"),
        ({"seed": -1}, "seed", "seed=-1"),
        ({"when_full": "wait"}, "when_full", "block"),
        ({"colour": "blue"}, "colour", "colour='blue'"),
    ],
)
def test_bad_values_are_named_with_what_would_be_right(values: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        StreamDescription.check(values)
    assert caught.value.field == field
    assert says in str(caught.value)


def test_nothing_is_launched_for_a_bad_value(state_home: Path) -> None:
    with pytest.raises(InvalidInput, match="kmeans-random"):
        streams.run(source="nothing")
    with pytest.raises(InvalidInput, match="name='No Name'"):
        streams.run(name="No Name")
    assert not list(state_home.rglob("*.json"))


def test_form_has_a_title_a_description_and_units_for_each_field() -> None:
    properties = StreamDescription.model_json_schema()["properties"]
    assert all(field["title"] and field["description"] for field in properties.values())
    assert properties["rate"]["unit"] == "messages/s"


def test_listings_stay_callable_after_their_modules_are_used() -> None:
    import pilothouse.streams.brokers.log
    import pilothouse.streams.processors.kmeans
    import pilothouse.streams.sources.kmeans_random  # noqa: F401

    assert list(streams.sources()) == ["kmeans-random", "steps", "without-its-library"]
    assert list(streams.processors()) == ["kmeans"]
    assert list(streams.brokers()) == ["log"]


def test_an_installed_package_brings_a_source_and_one_that_lacks_a_library_says_so() -> None:
    assert streams.sources()["steps"] == "Payloads of one step each: 0, 1, 2"
    assert StreamDescription(source="steps").source == "steps"
    assert "No module named 'a_library_that_nobody_has'" in streams.sources()["without-its-library"]
    with pytest.raises(Unavailable, match=r"without-its-library.*can't be used"):
        load("source", "without-its-library")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("pilothouse.streams", ["pydantic", "numpy", "numba", "lmdb", "distributed", "xarray"]),
        ("pilothouse.streams.driver", ["numba", "lmdb", "distributed", "xarray"]),
        ("pilothouse.streams.consumer", ["numba", "pydantic", "distributed"]),
        ("pilothouse.streams.producer", ["numba", "pydantic", "distributed"]),
    ],
)
def test_imports_stay_light(module: str, absent: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {absent!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
